// A job of linear_bf16_tiles.inl.h for a matrix unit. Included inside a namespace, before amx_tiles.h.
struct TileChain {
  size_t n_row, n_group;  // up to 32 rows; groups of 32 k
  const uint8_t* act;     // [n_row][n_group][32] bf16
  size_t act_stride;      // bytes from row to row, as all strides here
  const uint8_t* weights;  // panels of [n_group][16][16 outputs][2] bf16
  size_t panel_stride;
  float* sums;  // [n_row][panels][16]
  size_t sums_stride;
  bool goes_on;  // sums hold the chain of the groups before
};
