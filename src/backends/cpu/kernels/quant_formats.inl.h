// How a panel (16 outputs) of each block type lies in memory, and how 16 x 4 of its weights become one vector.
// A unit is kUnit values of k of all 16 outputs; v_j(b) are the weights k = 4j .. 4j+3 of its block b of 32, as
// unsigned bytes up to kLargest: value = scale * (byte - kOffset) - min. kIsPlain: bytes lie there as they are multiplied.
// packed_blocks.cpp writes these layouts.
//
//   two bits t_0, t_1 (64 bytes each): bits 2f, 2f+1 of t_i are v_(2f+i)
//   three bits t_0..t_2: bits 0-2 of t_i are v_(2i), bits 3-5 v_(2i+1); bits 6-7 of t_0 (t_1) the low bits of v_6 (v_7),
//   bit 6 (7) of t_2 the high one
//   nibbles t_0..t_3: low nibbles v_j, high nibbles v_(j+4), as GGUF pairs them
//   five bits t_0..t_4: bits 0-4 of t_j are v_j; bits 5-7 of t_0, t_2, t_4 the low bits of v_5, v_6, v_7; bits 5-6 of t_1 (t_3)
//   the high ones of v_5 (v_6), bit 7 the fourth (fifth) bit of v_7
//   six bits t_0..t_5: bits 0-5 of t_j are v_j; bits 6-7 of t_0..t_2 (t_3..t_5) are v_6 (v_7), two bits each
// So most vectors are one mask away.

[[gnu::always_inline]] inline WVec two_bits(const uint8_t* t, size_t j) {
  return mask(shift_right(load_w(t + 64 * (j % 2)), static_cast<unsigned>(j / 2 * 2)), 0x03);
}
[[gnu::always_inline]] inline WVec three_bits(const uint8_t* t, size_t j) {
  if (j < 6) {
    const WVec w = load_w(t + 64 * (j / 2));
    return mask(j % 2 == 0 ? w : shift_right(w, 3), 0x07);
  }
  const WVec low = shift_right(load_w(t + 64 * (j - 6)), 6), high = load_w(t + 128);
  return mask(low, 0x03) | mask(shift_right(high, static_cast<unsigned>(j - 2)), 0x04);
}
[[gnu::always_inline]] inline WVec nibbles(const uint8_t* t, size_t j) {
  const WVec w = load_w(t + 64 * (j % 4));
  return mask(j < 4 ? w : shift_right(w, 4), 0x0f);
}
[[gnu::always_inline]] inline WVec five_bits(const uint8_t* t, size_t j) {
  if (j < 5) return mask(load_w(t + 64 * j), 0x1f);
  const WVec low = mask(shift_right(load_w(t + 128 * (j - 5)), 5), 0x07), t_1 = load_w(t + 64), t_3 = load_w(t + 192);
  if (j < 7) return low | mask(shift_right(j == 5 ? t_1 : t_3, 2), 0x18);
  return low | mask(shift_right(t_1, 4), 0x08) | mask(shift_right(t_3, 3), 0x10);
}
[[gnu::always_inline]] inline WVec six_bits(const uint8_t* t, size_t j) {
  if (j < 6) return mask(load_w(t + 64 * j), 0x3f);
  const uint8_t* three = t + 192 * (j - 6);
  return mask(shift_right(load_w(three), 6), 0x03) | mask(shift_right(load_w(three + 64), 4), 0x0c) |
         mask(shift_right(load_w(three + 128), 2), 0x30);
}
inline Vec half_row(const uint8_t* p) { return load_f16(reinterpret_cast<const uint16_t*>(p)); }

struct Q8_0Panel {  // 32 k: 16 f16 scales, v_0..v_7 with 128 added
  static constexpr size_t kUnit = 32, kBytes = 544, kGroup = 32;
  static constexpr int32_t kOffset = 128, kLargest = 255;
  static constexpr bool kHasMin = false, kPairs = false, kIsPlain = true;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return load_w(u + 32 + 64 * j); }
  static Vec scale(const uint8_t* u, size_t, size_t) { return half_row(u); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};
struct Q4_0Panel {  // 32 k: scales, nibbles
  static constexpr size_t kUnit = 32, kBytes = 288, kGroup = 32;
  static constexpr int32_t kOffset = 8, kLargest = 15;
  static constexpr bool kHasMin = false, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return nibbles(u + 32, j); }
  static Vec scale(const uint8_t* u, size_t, size_t) { return half_row(u); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};
struct Q4_1Panel {  // 32 k: scales, minima (added, so min is their negative), nibbles
  static constexpr size_t kUnit = 32, kBytes = 320, kGroup = 32;
  static constexpr int32_t kOffset = 0, kLargest = 15;
  static constexpr bool kHasMin = true, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return nibbles(u + 64, j); }
  static Vec scale(const uint8_t* u, size_t, size_t) { return half_row(u); }
  static Vec min(const uint8_t* u, size_t, size_t) { return zero() - half_row(u + 32); }
};
struct Q5_0Panel {  // 32 k: scales, five bits
  static constexpr size_t kUnit = 32, kBytes = 352, kGroup = 32;
  static constexpr int32_t kOffset = 16, kLargest = 31;
  static constexpr bool kHasMin = false, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return five_bits(u + 32, j); }
  static Vec scale(const uint8_t* u, size_t, size_t) { return half_row(u); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};
struct Q5_1Panel {  // 32 k: scales, minima (added), five bits
  static constexpr size_t kUnit = 32, kBytes = 384, kGroup = 32;
  static constexpr int32_t kOffset = 0, kLargest = 31;
  static constexpr bool kHasMin = true, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return five_bits(u + 64, j); }
  static Vec scale(const uint8_t* u, size_t, size_t) { return half_row(u); }
  static Vec min(const uint8_t* u, size_t, size_t) { return zero() - half_row(u + 32); }
};
// The 16 levels of IQ4, with 128 added.
alignas(16) constexpr uint8_t kIq4Levels[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                               129, 141, 153, 166, 181, 197, 217, 241};
struct IQ4_NLPanel {  // as Q4_0
  static constexpr size_t kUnit = 32, kBytes = 288, kGroup = 32;
  static constexpr int32_t kOffset = 128, kLargest = 241;
  static constexpr bool kHasMin = false, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return lookup(kIq4Levels, nibbles(u + 32, j)); }
  static Vec scale(const uint8_t* u, size_t, size_t) { return half_row(u); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};
// Types of two groups a block: scale and min are whole numbers, times d and dmin. F::bytes(u, b, half) has 16 outputs of a group.
// What short sums need of them (linear_quant.inl.h): pairs of 16 bits in the lane of each output. All are templates, since
// most units have no such vectors and never ask, and since panels and slices lie differently.
template <class F>
struct LowHighScales {  // scale | min << 4
  // (16 h + l) / 16 - 15 / 32 rounds to h.
  template <class U>
  static Vec min(U u, size_t b, size_t half) {
    return round(mul_add(load_u8(F::bytes(u, b, half)), set1(1.0f / 16), set1(-15.0f / 32)));
  }
  template <class U>
  static Vec scale(U u, size_t b, size_t half) {
    return neg_mul_add(set1(16), min(u, b, half), load_u8(F::bytes(u, b, half)));
  }
  template <class U>
  static IVec scale_twice(U u, size_t b, size_t half) { return twice_low4(F::bytes(u, b, half)); }
  template <class U>
  static IVec both_scales(U u, size_t b) { return both_low4(F::bytes(u, b, 0)); }
  template <class U>
  static IVec both_mins(U u, size_t b) { return both_high4(F::bytes(u, b, 0)); }
};
template <class F, int32_t kTheOffset>
struct SignedScales {
  template <class U>
  static Vec scale(U u, size_t b, size_t half) { return load_i8(F::bytes(u, b, half)); }
  template <class U>
  static IVec scale_twice(U u, size_t b, size_t half) { return twice_i8(F::bytes(u, b, half)); }
  template <class U>
  static IVec both_scales(U u, size_t b) { return both_i8(F::bytes(u, b, 0)); }
  template <class U>
  static IVec offsets(U u, size_t b) { return both_i8(F::bytes(u, b, 0), static_cast<int16_t>(-kTheOffset)); }
};
struct Q2_KPanel : LowHighScales<Q2_KPanel> {  // 256 k: d, dmin; 16 rows of bytes (scale | min << 4) per 16 k; two bits
  static constexpr size_t kUnit = 256, kBytes = 64 + 256 + 8 * 128, kGroup = 16;
  static constexpr int32_t kOffset = 0, kLargest = 3, kFoldedOffset = 0, kFoldedLargest = 15 * 3;
  static constexpr bool kHasMin = true, kPairs = true, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) { return two_bits(u + 320 + 128 * b, j); }
  static const uint8_t* bytes(const uint8_t* u, size_t b, size_t half) { return u + 64 + 32 * b + 16 * half; }
  static Vec d(const uint8_t* u) { return half_row(u); }
  static Vec dmin(const uint8_t* u) { return half_row(u + 32); }
};
struct Q3_KPanel : SignedScales<Q3_KPanel, 4> {  // 256 k: d; 16 rows of signed scales per 16 k; three bits
  static constexpr size_t kUnit = 256, kBytes = 32 + 256 + 8 * 192, kGroup = 16;
  static constexpr int32_t kOffset = 4, kLargest = 7, kFoldedOffset = 127, kFoldedLargest = 255;  // scales: -32 .. 31
  static constexpr bool kHasMin = false, kPairs = true, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) { return three_bits(u + 288 + 192 * b, j); }
  static const uint8_t* bytes(const uint8_t* u, size_t b, size_t half) { return u + 32 + 32 * b + 16 * half; }
  static Vec d(const uint8_t* u) { return half_row(u); }
};
struct Q4_KPanel {  // 256 k: d, dmin; 8 rows of scales, 8 of minima; nibbles
  static constexpr size_t kUnit = 256, kBytes = 2368, kGroup = 32;
  static constexpr int32_t kOffset = 0, kLargest = 15;
  static constexpr bool kHasMin = true, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) { return nibbles(u + 320 + 256 * b, j); }
  static Vec scale(const uint8_t* u, size_t b, size_t) { return half_row(u) * load_u8(u + 64 + 16 * b); }
  static Vec min(const uint8_t* u, size_t b, size_t) { return half_row(u + 32) * load_u8(u + 192 + 16 * b); }
};
struct Q5_KPanel {  // as Q4_K, with five bits
  static constexpr size_t kUnit = 256, kBytes = 320 + 8 * 320, kGroup = 32;
  static constexpr int32_t kOffset = 0, kLargest = 31;
  static constexpr bool kHasMin = true, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) { return five_bits(u + 320 + 320 * b, j); }
  static Vec scale(const uint8_t* u, size_t b, size_t) { return half_row(u) * load_u8(u + 64 + 16 * b); }
  static Vec min(const uint8_t* u, size_t b, size_t) { return half_row(u + 32) * load_u8(u + 192 + 16 * b); }
};
struct Q6_KPanel : SignedScales<Q6_KPanel, 32> {  // 256 k: d; 16 rows of signed scales per 16 k; six bits
  static constexpr size_t kUnit = 256, kBytes = 32 + 256 + 8 * 384, kGroup = 16;
  static constexpr int32_t kOffset = 32, kLargest = 63;
  static constexpr bool kHasMin = false, kPairs = true, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) { return six_bits(u + 288 + 384 * b, j); }
  static const uint8_t* bytes(const uint8_t* u, size_t b, size_t half) { return u + 32 + 32 * b + 16 * half; }
  static Vec d(const uint8_t* u) { return half_row(u); }
};
struct IQ4_XSPanel {  // 256 k: d; 8 rows of signed scales; nibbles
  static constexpr size_t kUnit = 256, kBytes = 32 + 128 + 8 * 256, kGroup = 32;
  static constexpr int32_t kOffset = 128, kLargest = 241;
  static constexpr bool kHasMin = false, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) {
    return lookup(kIq4Levels, nibbles(u + 160 + 256 * b, j));
  }
  static Vec scale(const uint8_t* u, size_t b, size_t) { return half_row(u) * load_i8(u + 32 + 16 * b); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};
// 32 k: 16 f32 scales of the first 16 k, 16 of the others; v_0..v_7 with 128 added. Types that exist to be small
// grow to 10 bits a weight here, but one kernel runs them all.
struct Int8Panel {
  static constexpr size_t kUnit = 32, kBytes = 640, kGroup = 16;
  static constexpr int32_t kOffset = 128, kLargest = 255;
  static constexpr bool kHasMin = false, kPairs = false, kIsPlain = true;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return load_w(u + 128 + 64 * j); }
  static Vec scale(const uint8_t* u, size_t, size_t half) { return load_f32(u + 64 * half); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};
