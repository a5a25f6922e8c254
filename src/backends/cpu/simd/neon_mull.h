// Products of every AArch64: bytes are widened, as are the products. Included inside a namespace, after neon.h and act_words.h.
constexpr int32_t dot_bias(int) { return 0; }
template <bool, int>
inline IPart dot(IPart acc, WPart w, const uint8_t* act) {
  int16_t four[4];
  memcpy(four, act, 8);
  const int16x4_t a = vld1_s16(four);
  const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(w)));
  const int16x8_t high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(w)));
  const int32x4_t two = vpaddq_s32(vmull_s16(vget_low_s16(low), a), vmull_s16(vget_high_s16(low), a));
  const int32x4_t more = vpaddq_s32(vmull_s16(vget_low_s16(high), a), vmull_s16(vget_high_s16(high), a));
  return vaddq_s32(acc, vpaddq_s32(two, more));
}
