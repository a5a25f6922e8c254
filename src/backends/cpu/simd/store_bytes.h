// The lowest byte of (a + add) >> shift, of 32: what act_planes.h wants. Included inside a namespace.
inline void store_bytes(uint8_t* out, const int32_t* a, int32_t add, unsigned shift) {
  for (size_t i = 0; i < 32; ++i) out[i] = static_cast<uint8_t>((a[i] + add) >> shift);
}
