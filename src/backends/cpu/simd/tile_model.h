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
        sum += static_cast<int8_t>(act[n * stride + k]) * static_cast<int8_t>(tile_model.weights[k / 4 * 64 + 4 * o + k % 4]);
      sums[16 * n + o] = sum;
    }
}
inline WVec take_off(WVec w, int32_t offset) {
  for (auto& byte : w.x) byte = static_cast<uint8_t>(byte - offset);
  return w;
}
inline IVec load_sums(const int32_t* p) {
  IVec out;
  memcpy(out.x, p, sizeof out.x);
  return out;
}

// As Intel's manual has it, step by step.
template <size_t kRowTiles, size_t kPanels>
inline void tile_chain(const TileChain& c) {
  for (size_t n = 0; n < c.n_row; ++n)
    for (size_t o = 0; o < 16 * kPanels; ++o) {
      float* const sum = reinterpret_cast<float*>(reinterpret_cast<uint8_t*>(c.sums) + n * c.sums_stride) + o;
      if (!c.goes_on) *sum = 0;
      for (size_t g = 0; g < c.n_group; ++g) {
        float parts[2] = {0, 0};
        for (size_t k = 0; k < 32; ++k) {
          uint32_t bits[2] = {0, 0};  // of the activation and the weight
          memcpy(&bits[0], c.act + n * c.act_stride + 64 * g + 2 * k, 2);
          memcpy(&bits[1], c.weights + o / 16 * c.panel_stride + 1024 * g + 64 * (k / 2) + 4 * (o % 16) + 2 * (k % 2), 2);
          float values[2];
          for (uint32_t& b : bits) b <<= 16;
          memcpy(values, bits, sizeof values);
          parts[k % 2] = fmaf(values[0], values[1], parts[k % 2]);
        }
        *sum += parts[0] + parts[1];
      }
    }
}
