// Many rows in pieces of k, whose weights are unpacked into a scratch.

// `a` for blocks [first, first + n) of k alone, their weights in a scratch, panel after panel.
template <bool kWide>
inline LinearArgs cut_of(const LinearArgs& a, const uint8_t* scratch, size_t bytes, size_t first, size_t n) {
  LinearArgs cut = a;
  cut.panels = scratch;
  cut.panel_stride = n * bytes;
  cut.ahead = {};
  cut.k = 32 * n;
  cut.goes_on = a.goes_on || first > 0;
  cut.blocks += first * act_bytes(kWide);
  cut.scale += first;
  cut.sum += 2 * first;
  if (cut.groups) cut.groups += first * kActGroups.bytes;
  return cut;
}
