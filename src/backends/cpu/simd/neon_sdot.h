// Products of signed bytes (FEAT_DotProd): weights that do not fit lose 128 each, which dot_bias tells the caller.
// Included inside a namespace, after neon.h and act_planes.h.
constexpr int32_t dot_bias(int largest) { return largest > 127 ? 128 : 0; }
template <bool, int kLargest>
inline IPart dot(IPart acc, WPart w, const uint8_t* act) {
  int32_t four;
  memcpy(&four, act, 4);
  if (dot_bias(kLargest) != 0) w = veorq_u8(w, vdupq_n_u8(0x80));
  return vdotq_s32(acc, vreinterpretq_s8_u8(w), vreinterpretq_s8_s32(vdupq_n_s32(four)));
}
