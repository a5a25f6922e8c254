// Intel's tiles. Own assembly, since gcc 12's intrinsics do not say that they read memory, and it then drops the stores
// before them. Included inside a namespace, after avx512.h.
struct TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
// Tiles 0: sums, 1: activations of n_row rows of `group` bytes, 2: weights, four k a row.
inline void tile_begin(size_t n_row, size_t group) {
  TileConfig config;
  config.rows[0] = config.rows[1] = static_cast<uint8_t>(n_row);
  config.row_bytes[0] = config.row_bytes[2] = 64;
  config.row_bytes[1] = static_cast<uint16_t>(group);
  config.rows[2] = static_cast<uint8_t>(group / 4);
  __asm__ volatile("ldtilecfg %0" : : "m"(config));
}
inline void tile_end() { __asm__ volatile("tilerelease"); }
inline void tile_load_weights(const uint8_t* p) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm2" : : "r"(p), "r"(size_t{64}) : "memory");
}
// sums [row][output] = activations (signed bytes, `stride` bytes from row to row) times weights (unsigned).
inline void tile_multiply(const uint8_t* act, size_t stride, int32_t* sums) {
  __asm__ volatile(
      "tilezero %%tmm0\n\t"
      "tileloadd (%0,%1,1), %%tmm1\n\t"
      "tdpbsud %%tmm2, %%tmm1, %%tmm0\n\t"
      "tilestored %%tmm0, (%2,%3,1)"
      :
      : "r"(act), "r"(stride), "r"(sums), "r"(size_t{64})
      : "memory");
}
inline IVec load_sums(const int32_t* p) { return {_mm512_loadu_si512(p)}; }

// Products of bf16 in tiles that stay where they are, n of each of four; returns the operations. This is the yardstick for
// bytes too, whose products a processor may make twice as fast.
inline double tile_loop(size_t n) {
  TileConfig config;
  for (size_t i = 0; i < 6; ++i) {
    config.rows[i] = 16;
    config.row_bytes[i] = 64;
  }
  __asm__ volatile("ldtilecfg %0" : : "m"(config));
  __asm__ volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3\n\t"
                   "tilezero %%tmm4\n\ttilezero %%tmm5" ::);
  for (size_t step = 0; step < n; ++step)
    __asm__ volatile("tdpbf16ps %%tmm4, %%tmm5, %%tmm0\n\ttdpbf16ps %%tmm4, %%tmm5, %%tmm1\n\t"
                     "tdpbf16ps %%tmm4, %%tmm5, %%tmm2\n\ttdpbf16ps %%tmm4, %%tmm5, %%tmm3" ::);
  tile_end();
  return 2.0 * 16 * 16 * 32 * 4 * static_cast<double>(n);
}
