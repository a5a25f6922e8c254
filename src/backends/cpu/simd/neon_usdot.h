// Products of unsigned and signed bytes (FEAT_I8MM). Included inside a namespace, after neon.h and act_planes.h.
constexpr int32_t dot_bias(int) { return 0; }
template <bool, int>
inline IPart dot(IPart acc, WPart w, const uint8_t* act) {
  int32_t four;
  memcpy(&four, act, 4);
  return vusdotq_s32(acc, w, vreinterpretq_s8_s32(vdupq_n_s32(four)));
}
