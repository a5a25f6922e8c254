// Two numbers of 16 bits in 32, the first one below. Included inside a namespace.
inline int32_t pair_of(int32_t first, int32_t second) {
  return static_cast<int32_t>(static_cast<uint32_t>(first & 0xffff) | static_cast<uint32_t>(second) << 16);
}
