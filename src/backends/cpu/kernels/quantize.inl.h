// Activations in blocks of 32 integers.

// Writes the list of what is not 0, padded to fours with any place, and moves it to the front.
inline void keep_active(int32_t (&q)[32], uint8_t* list) {
  const size_t n = compact(q, list + 1);
  list[0] = static_cast<uint8_t>(n);
  for (size_t i = 0; i < 3; ++i) list[1 + n + i] = list[1];
}
inline void list_active(const float* x, uint8_t* list) {
  int32_t active[32];
  for (size_t i = 0; i < 32; ++i) active[i] = x[i] != 0;
  keep_active(active, list);
}

// NaN does not count here, but stands in the lists that are made where these are few.
inline size_t count_active(const float* x, size_t k) {
  Vec n = zero();
  for_each_vec(k, [&](size_t i, size_t lanes) { n = n + select(less(zero(), abs(load(x + i, lanes))), set1(1), zero()); });
  return static_cast<size_t>(sum(n));
}

// To nearest, ties to even; NaN stays one.
inline void round_to_bf16(const float* x, size_t n, uint16_t* out) {
  for (size_t i = 0; i < n; ++i) {
    uint32_t bits;
    __builtin_memcpy(&bits, x + i, sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
    out[i] = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
  }
}

// Blocks [first, first + n) of a row, n <= 16: what is one number of each block is found for all of them at once.
inline void quantize_blocks(const QuantizeArgs& a, size_t first, size_t n, bool lists) {
  constexpr size_t kAtOnce = 16, kHalf = kAtOnce / 2;
  alignas(64) static constexpr float kNothing[32] = {};
  const auto x_of = [&](size_t j) { return j < n ? a.x + 32 * (first + j) : kNothing; };
  const Vec limit = set1(a.wide ? 32639.0f : 127.0f);  // 127 * 256 + 127: what two signed bytes hold both ways
  const Vec bottom = zero() - limit;
  Vec sizes[kAtOnce];
#pragma GCC unroll 16
  for (size_t j = 0; j < kAtOnce; ++j)  // NaN does not count
    sizes[j] = max(abs(load(x_of(j))), max(abs(load(x_of(j) + 16)), zero()));
  const Vec size = largest_of_each(sizes);
  alignas(64) float scale[kAtOnce], inverse[kAtOnce];
  store(scale, size / limit);
  store(inverse, select(less(zero(), size), limit / size, zero()));
  for (size_t begin = 0; begin < n; begin += kHalf) {
    alignas(64) int32_t q[kHalf][32], sums[2 * kHalf];
#pragma GCC unroll 8
    for (size_t j = 0; j < kHalf; ++j) {
      const Vec by = set1(inverse[begin + j]);
      store_i32(q[j], max(min(load(x_of(begin + j)) * by, limit), bottom));
      store_i32(q[j] + 16, max(min(load(x_of(begin + j) + 16) * by, limit), bottom));
    }
    sums_of_each(q, sums);
    for (size_t j = 0; j < kHalf && begin + j < n; ++j) {
      const size_t b = first + begin + j;
      if (lists) keep_active(q[j], a.active + b * kActiveBytes);
      store_act(a.blocks + b * act_bytes(a.wide), q[j], a.wide);
      a.scale[b] = scale[begin + j];
      a.sum[2 * b] = sums[2 * j];
      a.sum[2 * b + 1] = sums[2 * j + 1];
      if (a.group) put_in_group(a.group + b * kActGroups.bytes, a.lane, q[j], scale[begin + j], sums[2 * j], sums[2 * j + 1]);
    }
  }
}

// One row of activations: blocks of 32 with a scale each; 8 bits, or (wide) 16.
inline size_t quantize(const QuantizeArgs& a) {
  if (a.bf16) {
    round_to_bf16(a.x, a.k, a.bf16);
    return 0;
  }
  const size_t n_active = a.active ? count_active(a.x, a.k) : 0;
  const bool lists = a.active && n_active * kActiveShare <= a.k;
  if (a.active) a.active[0] = kNoLists;
  if (!a.blocks) {
    for (size_t b = 0; lists && b < a.k / 32; ++b) list_active(a.x + 32 * b, a.active + b * kActiveBytes);
    return n_active;
  }
  for (size_t b = 0, n = a.k / 32; b < n; b += 16) quantize_blocks(a, b, n - b < 16 ? n - b : 16, lists);
  return n_active;
}
