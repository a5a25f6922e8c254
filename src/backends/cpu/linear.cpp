// Linear ops: inputs are copied (or quantized) into the staging ring, pieces of output are computed into a
// thread's scratch, and the first thread to finish a piece writes it out.
#include <algorithm>
#include <new>

#include "backends/cpu/cpu_executor.h"

namespace rwkv::cpu {
namespace {

using Form = PackedLinear::Form;

// A line of cache more than a row: tiles of rows would else lie in one set of the first-level cache.
size_t bf16_stride(const PackedLinear::Input& input) { return input.cols + 32; }

// Places of one input in the staging ring, from its beginning; floats are copied for few rows only.
struct Layout {
  size_t x, blocks, scale, sum, groups, active, size;
};
bool wants_groups(const PackedLinear::Input& input, size_t rows, const KernelTable& table) {
  return input.form == Form::kBlocks8 && table.act_groups.rows > 0 && rows >= (input.sparse ? kSparseRows + 1 : table.act_groups.from);
}
Layout layout_of(const PackedLinear::Input& input, size_t rows, const KernelTable& table) {
  const size_t lists = input.sparse ? std::min(rows, kSparseRows) * input.cols / 32 * kActiveBytes : 0;
  if (input.form == Form::kBF16) return {0, 0, 0, 0, 0, 0, round_up(rows * bf16_stride(input) * sizeof(uint16_t), 64)};
  if (input.form == Form::kFloats) {
    const size_t bytes = rows < kManyRows ? rows * round_up(input.cols + kLanes, kLanes) * sizeof(float) : 0;
    return {0, 0, 0, 0, 0, bytes, round_up(bytes + lists, 64)};
  }
  const size_t n_block = rows * input.cols / 32;
  const size_t scale = n_block * table.act_bytes[input.wide()], sum = scale + n_block * sizeof(float);
  const size_t groups = round_up(sum + n_block * 2 * sizeof(int32_t), 64);
  const size_t active = groups + (wants_groups(input, rows, table) ? table.act_groups.size(rows, input.cols / 32) : 0);
  return {0, 0, scale, sum, groups, active, round_up(active + lists, 64)};
}

}  // namespace

size_t CpuExecutor::job_bytes(const PackedLinear& op) {
  return round_up(sizeof(LinearJob) + op.inputs.size() * sizeof(LinearInput), 64);
}

size_t CpuExecutor::staged_bytes(const PackedLinear& op, size_t rows) const {
  size_t bytes = job_bytes(op);
  // With few rows floats are copied too, which may take more than many rows that are not.
  for (const PackedLinear::Input& input : op.inputs)
    bytes += std::max(layout_of(input, rows, table_).size,
                      layout_of(input, std::min(rows, kManyRows - 1), table_).size);
  return bytes;
}

// The job of the stage `serial`, with places for what quantize_row will write.
const CpuExecutor::LinearJob* CpuExecutor::stage_inputs(size_t index, ThreadPool::Serial serial) {
  const auto& op = std::get<PackedLinear>(ops_[index]);
  std::byte* at = staging_.allocate(staged_bytes(op, rows_), serial, pool_);
  auto* inputs = reinterpret_cast<LinearInput*>(at + sizeof(LinearJob));
  auto* job = new (at) LinearJob{&op, index, rows_, inputs};
  at += job_bytes(op);
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const PackedLinear::Input& input = op.inputs[i];
    const Layout layout = layout_of(input, rows_, table_);
    LinearInput* out = new (inputs + i) LinearInput{};
    if (input.form == Form::kBF16) {
      out->x_bf16 = reinterpret_cast<uint16_t*>(at);
      out->x_stride = bf16_stride(input);
    } else if (input.blocks()) {
      out->blocks = reinterpret_cast<uint8_t*>(at + layout.blocks);
      out->scale = reinterpret_cast<float*>(at + layout.scale);
      out->sum = reinterpret_cast<int32_t*>(at + layout.sum);
      if (wants_groups(input, rows_, table_)) out->groups = reinterpret_cast<uint8_t*>(at + layout.groups);
    } else if (rows_ < kManyRows) {
      out->x = reinterpret_cast<float*>(at);
      out->x_stride = round_up(input.cols + kLanes, kLanes);
    } else {
      out->x = row(input.value, 0) + input.offset;
      out->x_stride = stride_[input.value];
    }
    if (input.sparse && rows_ <= kSparseRows) out->active = reinterpret_cast<uint8_t*>(at + layout.active);
    at += layout.size;
  }
  return job;
}

size_t CpuExecutor::quantize_row(const LinearJob& job, size_t t) {
  size_t n_active = 0;
  for (size_t i = 0; i < job.op->inputs.size(); ++i) {
    const PackedLinear::Input& input = job.op->inputs[i];
    const LinearInput& out = job.inputs[i];
    const float* x = row(input.value, t) + input.offset;
    const size_t n_block = input.cols / 32;
    QuantizeArgs args{};
    args.x = x;
    args.k = input.cols;
    args.wide = input.wide();
    if (out.active) args.active = out.active + t * n_block * kActiveBytes;
    if (input.form == Form::kBF16) {
      args.bf16 = out.x_bf16 + t * out.x_stride;
    } else if (input.blocks()) {
      args.blocks = out.blocks + t * n_block * table_.act_bytes[input.wide()];
      args.scale = out.scale + t * n_block;
      args.sum = out.sum + 2 * t * n_block;
      if (out.groups) {
        args.group = out.groups + table_.act_groups.offset(t, n_block);
        args.lane = t % table_.act_groups.rows;
      }
    } else if (job.rows < kManyRows) {
      // Kernels may read a little past the end, times a weight of zero: no NaN may lie there.
      float* copy = out.x + t * out.x_stride;
      std::fill(std::copy_n(x, input.cols, copy), copy + out.x_stride, 0.0f);
    }
    if (args.blocks || args.bf16 || args.active) n_active += table_.quantize(args);
  }
  return n_active;
}

void CpuExecutor::compute_chunk(const LinearJob& job, size_t chunk, float* y) const {
  for (const PackedLinear::Tile& tile : job.op->chunk(job.rows < kManyRows, chunk)) {
    const PackedLinear::Part& part = job.op->parts[tile.part];
    const LinearInput& in = job.inputs[part.input];
    LinearArgs args{};
    part.weight.locate(tile.panels, args);
    args.x = in.x;
    args.x_stride = in.x_stride;
    args.x_bf16 = in.x_bf16;
    args.rows = job.rows;
    args.y = y;
    args.y_stride = tile.panels.count * kLanes;
    args.wide = job.op->inputs[part.input].wide();
    args.blocks = in.blocks;
    args.scale = in.scale;
    args.sum = in.sum;
    args.row_blocks = args.k / 32;
    args.groups = in.groups;
    args.active = in.active;
    table_.linear(args);
    y += job.rows * args.y_stride;
  }
}

void CpuExecutor::publish_chunk(const LinearJob& job, size_t chunk, const float* y) {
  for (const auto& [index, panels] : job.op->chunk(job.rows < kManyRows, chunk)) {
    const PackedLinear::Part& packed = job.op->parts[index];
    const LinearPart& part = *packed.part;
    const size_t column = panels.first * kLanes;
    table_.epilogue({static_cast<ActKind>(part.act),
                     part.add,
                     job.rows,
                     panels.count,
                     panels.step * kLanes,
                     y,
                     panels.count * kLanes,
                     packed.bias.data() ? packed.bias.data() + column : nullptr,
                     row_or_null(part.gate, column),
                     row_or_null(part.mix_base, column),
                     row_or_null(part.mix_diff, column),
                     stride_or_zero(part.gate),
                     stride_or_zero(part.mix_base),
                     stride_or_zero(part.mix_diff),
                     row(part.out, 0) + column,
                     stride_[part.out]});
    y += job.rows * panels.count * kLanes;
  }
}

}  // namespace rwkv::cpu
