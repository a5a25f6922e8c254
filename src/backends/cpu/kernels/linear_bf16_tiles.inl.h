// linear_bf16.inl.h on a matrix unit: a panel's 32 k are a tile of weights as they lie, 16 rows of activations another. Two by
// two of them are loaded for four products, and pieces of k stay in the first-level cache while all rows pass.

constexpr size_t kGroupBytes = 16 * 64;  // of a panel's 32 k
constexpr size_t kTileGroups = 16;  // of 32 k in a piece: 32 KB of two panels' weights

template <size_t kPanels>
inline void bf16_tile_rows(const LinearArgs& a, size_t i, size_t first, size_t n_group) {
  for (size_t row = 0; row < a.rows; row += 32) {
    TileChain chain;
    chain.n_row = a.rows - row < 32 ? a.rows - row : 32;
    chain.n_group = n_group;
    chain.act = reinterpret_cast<const uint8_t*>(a.x_bf16 + row * a.x_stride + 32 * first);
    chain.act_stride = a.x_stride * sizeof(uint16_t);
    chain.weights = a.panels + i * a.panel_stride + first * kGroupBytes;
    chain.panel_stride = a.panel_stride;
    chain.sums = a.y + row * a.y_stride + i * kLanes;
    chain.sums_stride = a.y_stride * sizeof(float);
    chain.goes_on = first > 0;
    if (chain.n_row > 16) tile_chain<2, kPanels>(chain);
    else tile_chain<1, kPanels>(chain);
  }
}
inline void linear_bf16(const LinearArgs& a) {
  const size_t n_group = a.k / 32;
  for (size_t i = 0; i < a.count; i += 2)
    for (size_t first = 0; first < n_group; first += kTileGroups) {
      const size_t n = n_group - first < kTileGroups ? n_group - first : kTileGroups;
      if (i + 1 < a.count) bf16_tile_rows<2>(a, i, first, n);
      else bf16_tile_rows<1>(a, i, first, n);
    }
}
