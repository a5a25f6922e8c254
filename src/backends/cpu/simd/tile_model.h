// What amx_tiles.h does, in plain C, for processors without. Included inside a namespace, after scalar.h.
struct TileModel {
  size_t n_row, group;
  uint8_t weights[16 * 64];
};
inline thread_local TileModel tile_model;
inline void tile_begin(size_t n_row, size_t group) {
  tile_model.n_row = n_row;
  tile_model.group = group;
}
inline void tile_end() {}
inline void tile_load_weights(const uint8_t* p) { memcpy(tile_model.weights, p, tile_model.group * 16); }
inline void tile_multiply(const uint8_t* act, size_t stride, int32_t* sums) {
  for (size_t n = 0; n < tile_model.n_row; ++n)
    for (size_t o = 0; o < 16; ++o) {
      int32_t sum = 0;
      for (size_t k = 0; k < tile_model.group; ++k)
        sum += static_cast<int8_t>(act[n * stride + k]) * tile_model.weights[k / 4 * 64 + 4 * o + k % 4];
      sums[16 * n + o] = sum;
    }
}
inline IVec load_sums(const int32_t* p) {
  IVec out;
  memcpy(out.x, p, sizeof out.x);
  return out;
}
