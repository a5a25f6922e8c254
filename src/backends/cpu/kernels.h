// The kernel table: what an instruction set offers. Plain structs and C headers only, since the units of
// isa/ include it. All activations have row strides of whole 16s, so kernels may read and write up to
// the next multiple of 16; vectors of weights are padded likewise.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace rwkv::cpu {

constexpr size_t kLanes = 16;  // outputs in a panel, floats in a Vec
constexpr size_t kCutBlocks = 24;      // of k at once where weights are unpacked for many rows: whole units of 8
constexpr size_t kFewRows = 16;        // up to here weights are multiplied sooner than read
constexpr size_t kSparseRows = 2;      // up to here they skip the k whose activation is 0
// With more than a share of 1 / kActiveShare of values that are not 0, the slice as one stream is faster than pieces of it.
constexpr size_t kActiveShare = 3;
// With more than 1 / kPanelShare for long, the matrix is better stored as panels.
constexpr size_t kPanelShare = 5;
constexpr size_t kActiveBytes = 36;    // a block's list: how many of its 32 values are not 0, then which
constexpr uint8_t kNoLists = 255;      // as the first number of a row: it has too many for lists

// How a panel (16 outputs) stores its weights. Each lies k-major with 16 outputs side by side.
enum class Pack : uint8_t {
  kF32,   // [k][16] f32
  kF16,   // [k][16] f16
  kBF16,  // [k / 2][16][2] bf16: pairs of neighbouring k; k padded to even with 0
  // Blocks, in units of 32 or 256 k: kernels/quant_formats.inl.h has the layouts.
  kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K, kIQ4_NL, kIQ4_XS,
  kInt8,  // every other block type, as plain integers
};

constexpr Pack kLastFloat = Pack::kBF16;

// Activations of 8 bits once more, `rows` rows side by side in `bytes` a block, as a table's kernels want them for `from` rows
// and more, and by unit for more than kSparseRows (kernels/linear_short.inl.h). All 0: they do not.
struct ActGroups {
  size_t rows, bytes, from;
  size_t size(size_t n_row, size_t n_block) const { return (n_row + rows - 1) / rows * n_block * bytes; }
  size_t offset(size_t row, size_t n_block) const { return row / rows * n_block * bytes; }  // of the group that it is in
};

// Of a tile: how many panels times how many rows.
struct TileShape {
  size_t panels, rows;
};

// Bytes of weights that are prefetched ahead; 0: nothing.
struct Ahead {
  size_t one_row;
  size_t rows;  // into the second-level cache, of blocks, for the first of several rows: hardware has stopped fetching meanwhile
};
// y[row][16 * i] = sum over k of panel i * x[row]: one chain of fused multiply-adds in rising k (of x_bf16: linear_bf16.inl.h).
struct LinearArgs {
  Pack pack;
  const uint8_t* panels;      // the first panel of this call; by unit: the slice
  size_t panel_stride;        // bytes from one panel to the next of this call
  Ahead ahead;
  size_t count, k;            // panels, values of k
  const float* x;             // [rows], stride x_stride; only for float weights
  size_t x_stride, rows;
  const uint16_t* x_bf16;     // null, or x rounded to bf16, with that stride, for kBF16 alone: k is a multiple of 32
  float* y;                   // [rows], stride y_stride
  size_t y_stride;
  bool goes_on;               // y holds the chain of the k before (not of x_bf16)
  // Only for blocks: what `quantize` made of x, rows one after another; k is a multiple of 32.
  bool wide;                  // 16 bits
  const uint8_t* blocks;      // [rows][k / 32][act_bytes]
  const float* scale;         // [rows][k / 32]
  const int32_t* sum;         // [rows][k / 16]: sums of 16 values
  size_t row_blocks;          // k / 32, or more when k is a piece of the rows
  const uint8_t* groups;      // [rows / ActGroups::rows, rounded up][k / 32][ActGroups::bytes] of 8 bits, where wanted
  // The matrix is stored by unit: `panels` are slices of 8, a call is one of them; k is a multiple of 32.
  bool by_unit;
  const uint8_t* active;      // [rows][k / 32][kActiveBytes], of up to kSparseRows rows; null: of more
};

// One row of k activations in blocks of 32: value = scale * integer.
struct QuantizeArgs {
  const float* x;
  size_t k;
  bool wide;
  uint8_t* blocks;
  float* scale;
  int32_t* sum;
  uint8_t* group;  // null, or the row's group of ActGroups::rows, of which it is the row `lane`
  size_t lane;
  uint16_t* bf16;  // null, or where x goes rounded to bf16, instead of blocks
  // Null, or where the places of values that are not 0 go; `blocks` then holds those alone, unless they are so many that
  // the first number is kNoLists. For float weights `blocks` is null: only the places are wanted.
  uint8_t* active;
};

enum class ActKind : uint8_t { kNone, kTanh, kSigmoid, kSilu, kRelu2, kDecay6, kDecay7 };  // plan's Act

// The end of a linear part, for `count` panels, `step` columns from one to the next in all but y: see LinearPart. Null:
// absent.
struct EpilogueArgs {
  ActKind act;
  bool add;
  size_t rows, count, step;
  const float* y;  // [rows], stride y_stride, panels side by side
  size_t y_stride;
  const float* bias;
  const float *gate, *base, *diff;
  size_t gate_stride, base_stride, diff_stride;
  float* out;
  size_t out_stride;
};

// Layer norm or RMS norm (bias null, rms) of one row of n.
struct NormArgs {
  const float *x, *weight, *bias;
  size_t n;
  float eps;
  bool rms;
  float* out;
};

// out = h + (p - h) * mix, or with `of_current` h * mix + p * (1 - mix); one row of n. mix null: p - h.
struct MixArgs {
  const float *h, *p, *mix;
  size_t n;
  bool of_current;
  float* out;
};

// v4, channels [first, first + count) of one sequence's n_row tokens.
struct Wkv4Args {
  const float *r, *k, *v;  // [n_row], stride `stride`
  float* out;
  size_t stride, n_row, first, count;
  const float *decay, *bonus;
  float *aa, *bb, *pp;
};

// One head of one sequence's tokens. The state is [key][value], also for v7. Pointers are at the head's
// first channel of the first row. norm_weight null: no group norm; gate null: no gate.
struct HeadArgs {
  size_t n_row, size;
  const float *r, *k, *v, *gate;
  float* out;
  size_t r_stride, k_stride, v_stride, gate_stride, out_stride;
  float* state;
  const float *norm_weight, *norm_bias;
  float norm_eps;
};
struct Wkv6Args {
  HeadArgs head;
  const float* w;   // decay; stride 0: the same for all tokens
  size_t w_stride;
  const float* u;   // null: gated linear attention
};
struct Wkv7Args {
  HeadArgs head;
  const float *w, *a, *v_mix, *v_first;  // v_mix null: v as it is
  size_t w_stride, a_stride, v_mix_stride, v_first_stride;
  const float *k_k, *k_a, *r_k;
};

struct KernelTable {
  const char* name;
  uint32_t needs;  // CpuBits
  size_t act_bytes[2];  // of a quantized block of activations: 8 bits, 16 bits
  ActGroups act_groups;
  void (*linear)(const LinearArgs&);
  size_t (*quantize)(const QuantizeArgs&);  // with `active`: how many values are not 0
  void (*epilogue)(const EpilogueArgs&);
  void (*norm)(const NormArgs&);
  void (*mix)(const MixArgs&);
  void (*wkv4)(const Wkv4Args&);
  void (*wkv6)(const Wkv6Args&);
  void (*wkv7)(const Wkv7Args&);
  // What this instruction set could do at best (kernels/bounds.inl.h).
  double (*fma_loop)(size_t n);
  double (*dot_loop)(size_t n, bool wide, Pack pack);
  void (*sweep)(const uint8_t* p, size_t n, size_t streams, size_t ahead);  // 1, 2, 4 or 8 streams
};

// What AMX has instead of AVX-512 (tables.cpp).
void amx_linear(const LinearArgs& a);
double amx_dot_loop(size_t n, bool wide, Pack pack);
extern const KernelTable kScalarTable, kAvx2Table, kAvx512Table, kNeonTable, kNeonDotprodTable, kNeonI8mmTable;

}  // namespace rwkv::cpu
