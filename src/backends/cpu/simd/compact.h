// Moves what is not 0 to the front, and zeros behind it; `places`, of 32, gets where it was. Returns how many. Included inside
// a namespace.
inline size_t compact(int32_t (&q)[32], uint8_t* places) {
  uint32_t active = 0;
  for (uint32_t i = 0; i < 32; ++i) active |= static_cast<uint32_t>(q[i] != 0) << i;
  size_t n = 0;
  for (; active != 0; active &= active - 1, ++n) {
    const auto place = static_cast<uint8_t>(__builtin_ctz(active));
    places[n] = place;
    q[n] = q[place];
  }
  for (size_t i = n; i < 32; ++i) q[i] = 0;
  return n;
}
