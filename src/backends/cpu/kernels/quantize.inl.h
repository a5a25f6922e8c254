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

inline size_t count_active(const float* x, size_t k) {
  size_t n = 0;
  for (size_t i = 0; i < k; ++i) n += x[i] != 0;
  return n;
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
  const float limit = a.wide ? 32639.0f : 127.0f;  // 127 * 256 + 127: what two signed bytes hold both ways
  for (size_t b = 0; b < a.k / 32; ++b) {
    const Vec low = load(a.x + 32 * b), high = load(a.x + 32 * b + 16);
    const float size = largest(max(max(abs(low), zero()), max(abs(high), zero())));  // NaN does not count
    const float inverse = size > 0 ? limit / size : 0.0f;
    int32_t q[32];
    const Vec top = set1(limit), bottom = set1(-limit), by = set1(inverse);
    store_i32(q, max(min(low * by, top), bottom));
    store_i32(q + 16, max(min(high * by, top), bottom));
    const int32_t first = sum16(q), second = sum16(q + 16);
    if (lists) keep_active(q, a.active + b * kActiveBytes);
    store_act(a.blocks + b * act_bytes(a.wide), q, a.wide);
    a.scale[b] = size / limit;
    if (a.group) put_in_group(a.group + b * kActGroups.bytes, a.lane, q, a.scale[b], first, second);
    a.sum[2 * b] = first;
    a.sum[2 * b + 1] = second;
  }
  return n_active;
}
