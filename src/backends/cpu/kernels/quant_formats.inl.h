// How a panel (16 outputs) of each block type lies in memory, and how 16 x 4 of its weights become one vector.
// A unit is kUnit values of k of all 16 outputs; v_j(b) are the weights k = 4j .. 4j+3 of its block b of 32, as
// unsigned bytes up to kLargest: value = scale * (byte - kOffset) - min. kIsPlain: bytes lie there as they are multiplied.
// packed_blocks.cpp writes these layouts.
//
//   nibbles n_0..n_3 (64 bytes each): low nibbles are v_j, high nibbles v_(j+4), as GGUF pairs them
//   fifth bits h (64 bytes): bit j of a byte belongs to v_j
//   two bits l_0, l_1: bits 2f, 2f+1 of l_i belong to v_(2f+i)

inline WVec nibbles(const uint8_t* n, size_t j) {
  const WVec w = load_w(n + 64 * (j % 4));
  return mask(j < 4 ? w : shift_right(w, 4), 0x0f);
}
// Bit j of h as 16.
inline WVec fifth_bit(const uint8_t* h, size_t j) {
  const WVec w = load_w(h);
  return mask(j <= 4 ? shift_left(w, static_cast<unsigned>(4 - j)) : shift_right(w, static_cast<unsigned>(j - 4)),
              0x10);
}
inline WVec two_bits(const uint8_t* l, size_t j) {
  return mask(shift_right(load_w(l + 64 * (j % 2)), static_cast<unsigned>(j / 2 * 2)), 0x03);
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
struct Q5_0Panel {  // 32 k: scales, nibbles, fifth bits
  static constexpr size_t kUnit = 32, kBytes = 352, kGroup = 32;
  static constexpr int32_t kOffset = 16, kLargest = 31;
  static constexpr bool kHasMin = false, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t, size_t j) {
    return nibbles(u + 32, j) | fifth_bit(u + 288, j);
  }
  static Vec scale(const uint8_t* u, size_t, size_t) { return half_row(u); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};
struct Q5_1Panel {  // 32 k: scales, minima (added), nibbles, fifth bits
  static constexpr size_t kUnit = 32, kBytes = 384, kGroup = 32;
  static constexpr int32_t kOffset = 0, kLargest = 31;
  static constexpr bool kHasMin = true, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t, size_t j) {
    return nibbles(u + 64, j) | fifth_bit(u + 320, j);
  }
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
// Types of two groups a block: scale and min are whole numbers, times d and dmin. What short sums need of them
// (linear_quant.inl.h): pairs of 16 bits in the lane of each output.
struct Q2_KPanel {  // 256 k: d, dmin; 16 rows of bytes (scale | min << 4) per 16 k; two bits
  static constexpr size_t kUnit = 256, kBytes = 64 + 256 + 8 * 128, kGroup = 16;
  static constexpr int32_t kOffset = 0, kLargest = 3;
  static constexpr bool kHasMin = true, kPairs = true, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) { return two_bits(u + 320 + 128 * b, j); }
  static const uint8_t* bytes(const uint8_t* u, size_t b, size_t half) { return u + 64 + 32 * b + 16 * half; }
  static Vec d(const uint8_t* u) { return half_row(u); }
  static Vec dmin(const uint8_t* u) { return half_row(u + 32); }
  // (16 h + l) / 16 - 15 / 32 rounds to h.
  static Vec min(const uint8_t* u, size_t b, size_t half) {
    return round(mul_add(load_u8(bytes(u, b, half)), set1(1.0f / 16), set1(-15.0f / 32)));
  }
  static Vec scale(const uint8_t* u, size_t b, size_t half) {
    return neg_mul_add(set1(16), min(u, b, half), load_u8(bytes(u, b, half)));
  }
  template <class U>
  static IVec scale_twice(const U* u, size_t b, size_t half) { return twice_low4(bytes(u, b, half)); }
  template <class U>
  static IVec both_mins(const U* u, size_t b) { return both_high4(bytes(u, b, 0)); }
};
struct Q3_KPanel {  // 256 k: d; 16 rows of signed scales per 16 k; two bits and a third bit
  static constexpr size_t kUnit = 256, kBytes = 32 + 256 + 8 * 192, kGroup = 16;
  static constexpr int32_t kOffset = 4, kLargest = 7;
  static constexpr bool kHasMin = false, kPairs = true, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) {
    const uint8_t* block = u + 288 + 192 * b;
    const WVec third = load_w(block + 128);  // bit j, wanted as 4
    return two_bits(block, j) |
           mask(j < 2 ? shift_left(third, static_cast<unsigned>(2 - j)) : shift_right(third, static_cast<unsigned>(j - 2)), 0x04);
  }
  static const uint8_t* scales(const uint8_t* u, size_t b, size_t half) { return u + 32 + 32 * b + 16 * half; }
  static Vec d(const uint8_t* u) { return half_row(u); }
  static Vec scale(const uint8_t* u, size_t b, size_t half) { return load_i8(scales(u, b, half)); }
  template <class U>
  static IVec scale_twice(const U* u, size_t b, size_t half) { return twice_i8(scales(u, b, half)); }
  template <class U>
  static IVec offsets(const U* u, size_t b) { return both_i8(scales(u, b, 0), static_cast<int16_t>(-kOffset)); }
};
struct Q4_KPanel {  // 256 k: d, dmin; 8 rows of scales, 8 of minima; nibbles
  static constexpr size_t kUnit = 256, kBytes = 2368, kGroup = 32;
  static constexpr int32_t kOffset = 0, kLargest = 15;
  static constexpr bool kHasMin = true, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) { return nibbles(u + 320 + 256 * b, j); }
  static Vec scale(const uint8_t* u, size_t b, size_t) { return half_row(u) * load_u8(u + 64 + 16 * b); }
  static Vec min(const uint8_t* u, size_t b, size_t) { return half_row(u + 32) * load_u8(u + 192 + 16 * b); }
};
struct Q5_KPanel {  // as Q4_K, and fifth bits behind each block's nibbles
  static constexpr size_t kUnit = 256, kBytes = 320 + 8 * 320, kGroup = 32;
  static constexpr int32_t kOffset = 0, kLargest = 31;
  static constexpr bool kHasMin = true, kPairs = false, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) {
    return nibbles(u + 320 + 320 * b, j) | fifth_bit(u + 320 + 320 * b + 256, j);
  }
  static Vec scale(const uint8_t* u, size_t b, size_t) { return half_row(u) * load_u8(u + 64 + 16 * b); }
  static Vec min(const uint8_t* u, size_t b, size_t) { return half_row(u + 32) * load_u8(u + 192 + 16 * b); }
};
struct Q6_KPanel {  // 256 k: d; 16 rows of signed scales per 16 k; nibbles and two high bits
  static constexpr size_t kUnit = 256, kBytes = 32 + 256 + 8 * 384, kGroup = 16;
  static constexpr int32_t kOffset = 32, kLargest = 63;
  static constexpr bool kHasMin = false, kPairs = true, kIsPlain = false;
  static WVec vec(const uint8_t* u, size_t b, size_t j) {
    const uint8_t* block = u + 288 + 384 * b;
    return nibbles(block, j) | shift_left(two_bits(block + 256, j), 4);
  }
  static const uint8_t* scales(const uint8_t* u, size_t b, size_t half) { return u + 32 + 32 * b + 16 * half; }
  static Vec d(const uint8_t* u) { return half_row(u); }
  static Vec scale(const uint8_t* u, size_t b, size_t half) { return load_i8(scales(u, b, half)); }
  template <class U>
  static IVec scale_twice(const U* u, size_t b, size_t half) { return twice_i8(scales(u, b, half)); }
  template <class U>
  static IVec offsets(const U* u, size_t b) { return both_i8(scales(u, b, 0), static_cast<int16_t>(-kOffset)); }
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
