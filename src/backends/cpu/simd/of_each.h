// One number of each of several vectors, one after another. Included inside a namespace.
inline Vec largest_of_each(const Vec (&v)[16]) {
  float out[16];
  for (size_t i = 0; i < 16; ++i) out[i] = largest(v[i]);
  return load(out);
}
// Of 16 times 16 integers.
inline void sums_of_each(const int32_t (&q)[8][32], int32_t* sums) {
  for (size_t i = 0; i < 16; ++i) sums[i] = sum16(q[i / 2] + i % 2 * 16);
}
