// Intel's tiles. Own assembly, since gcc 12's intrinsics do not say that they read memory, and it then drops the stores
// before them. Included inside a namespace, after tile_chain.h.
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
// sums [row][output] = activations (`stride` bytes from row to row) times weights, signed bytes both.
inline void tile_multiply(const uint8_t* act, size_t stride, int32_t* sums) {
  __asm__ volatile(
      "tilezero %%tmm0\n\t"
      "tileloadd (%0,%1,1), %%tmm1\n\t"
      "tdpbssd %%tmm2, %%tmm1, %%tmm0\n\t"
      "tilestored %%tmm0, (%2,%3,1)"
      :
      : "r"(act), "r"(stride), "r"(sums), "r"(size_t{64})
      : "memory");
}

// Tiles 0 and 1: sums of the first 16 rows and each panel, 2 and 3: of the other rows; 4, 5: activations; 6, 7: weights.
template <size_t kRowTiles, size_t kPanels>
inline void tile_chain(const TileChain& c) {
  TileConfig config;
  for (uint16_t& bytes : config.row_bytes) bytes = 64;
  for (size_t i = 8; i < 16; ++i) config.row_bytes[i] = 0;
  const auto low = static_cast<uint8_t>(kRowTiles == 2 ? 16 : c.n_row), high = static_cast<uint8_t>(c.n_row - low);
  config.rows[0] = config.rows[1] = config.rows[4] = low;
  config.rows[2] = config.rows[3] = config.rows[5] = kRowTiles == 2 ? high : 16;
  config.rows[6] = config.rows[7] = 16;
  __asm__ volatile("ldtilecfg %0" : : "m"(config));  // all sums become 0
  const uint8_t *act = c.act, *weights = c.weights;
  auto* const sums = reinterpret_cast<uint8_t*>(c.sums);
  if (c.goes_on) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm0" : : "r"(sums), "r"(c.sums_stride) : "memory");
    if constexpr (kPanels == 2) __asm__ volatile("tileloadd 64(%0,%1,1), %%tmm1" : : "r"(sums), "r"(c.sums_stride) : "memory");
    if constexpr (kRowTiles == 2) {
      const uint8_t* const more = sums + 16 * c.sums_stride;
      __asm__ volatile("tileloadd (%0,%1,1), %%tmm2" : : "r"(more), "r"(c.sums_stride) : "memory");
      if constexpr (kPanels == 2) __asm__ volatile("tileloadd 64(%0,%1,1), %%tmm3" : : "r"(more), "r"(c.sums_stride) : "memory");
    }
  }
  for (size_t g = 0; g < c.n_group; ++g, act += 64, weights += 1024) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm4" : : "r"(act), "r"(c.act_stride) : "memory");
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm6\n\ttdpbf16ps %%tmm6, %%tmm4, %%tmm0"
                     : : "r"(weights), "r"(size_t{64}) : "memory");
    if constexpr (kPanels == 2)
      __asm__ volatile("tileloadd (%0,%1,1), %%tmm7\n\ttdpbf16ps %%tmm7, %%tmm4, %%tmm1"
                       : : "r"(weights + c.panel_stride), "r"(size_t{64}) : "memory");
    if constexpr (kRowTiles == 2) {
      __asm__ volatile("tileloadd (%0,%1,1), %%tmm5\n\ttdpbf16ps %%tmm6, %%tmm5, %%tmm2"
                       : : "r"(act + 16 * c.act_stride), "r"(c.act_stride) : "memory");
      if constexpr (kPanels == 2) __asm__ volatile("tdpbf16ps %%tmm7, %%tmm5, %%tmm3" ::);
    }
  }
  __asm__ volatile("tilestored %%tmm0, (%0,%1,1)" : : "r"(sums), "r"(c.sums_stride) : "memory");
  if constexpr (kPanels == 2) __asm__ volatile("tilestored %%tmm1, 64(%0,%1,1)" : : "r"(sums), "r"(c.sums_stride) : "memory");
  if constexpr (kRowTiles == 2) {
    uint8_t* const more = sums + 16 * c.sums_stride;
    __asm__ volatile("tilestored %%tmm2, (%0,%1,1)" : : "r"(more), "r"(c.sums_stride) : "memory");
    if constexpr (kPanels == 2) __asm__ volatile("tilestored %%tmm3, 64(%0,%1,1)" : : "r"(more), "r"(c.sums_stride) : "memory");
  }
  tile_end();
}

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
