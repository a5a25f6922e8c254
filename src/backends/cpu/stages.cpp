// What a stage of the walk does: ops row by row, and the wkv ops head by head.
#include <algorithm>
#include <array>

#include "backends/cpu/cpu_executor.h"

namespace rwkv::cpu {
namespace {

// Heads of a piece of work: two take about a microsecond a token; more where heads are very many.
size_t heads_a_piece(size_t n_head) { return n_head / 1024 + 2; }
constexpr size_t kChannels = 64;  // of v4

template <typename Op>
constexpr bool kIsWkv = std::is_same_v<std::decay_t<Op>, PackedWkv4> || std::is_same_v<std::decay_t<Op>, PackedWkv6> ||
                        std::is_same_v<std::decay_t<Op>, PackedWkv7>;

size_t pieces_of(const PackedWkv4& op, const Plan& plan) {
  return (plan.value_width[op.op->out] + kChannels - 1) / kChannels;
}
template <typename PackedWkv>
size_t pieces_of(const PackedWkv& op, const Plan&) {
  const size_t heads = heads_a_piece(op.op->n_head);
  return (op.op->n_head + heads - 1) / heads;
}

// Where the state lies that a piece of a wkv op reads and writes: {first float, floats}; unused ones are {0, 0}.
using StateRanges = std::array<std::pair<size_t, size_t>, 3>;
StateRanges state_of_piece(const PackedWkv4& op, const Plan& plan, size_t piece) {
  const size_t width = plan.value_width[op.op->out], first = piece * kChannels;
  const auto range = [&](StateId id) {
    return std::pair(plan.state.arrays[id].offset + first, std::min(kChannels, width - first));
  };
  return {range(op.op->aa), range(op.op->bb), range(op.op->pp)};
}
template <typename PackedWkv>
StateRanges state_of_piece(const PackedWkv& op, const Plan& plan, size_t piece) {
  const auto& o = *op.op;
  const size_t heads = heads_a_piece(o.n_head), first = piece * heads, size = o.head_size * o.head_size;
  return {std::pair(plan.state.arrays[o.state].offset + first * size, std::min(heads, o.n_head - first) * size)};
}

}  // namespace

ThreadPool::Stage CpuExecutor::prepare(size_t stage, ThreadPool::Serial serial) {
  if (stage > 0) lap((*stages_)[stage - 1].last - 1);
  const ThreadPool::Stage made = make_ready(stage, serial);
  if (profiling_) prepare_seconds_[(*stages_)[stage].last - 1] += seconds_since(lap_);
  return made;
}

ThreadPool::Stage CpuExecutor::make_ready(size_t stage, ThreadPool::Serial serial) {
  const StageOps& s = (*stages_)[stage];
  if (s.phase != Phase::kAll) {
    const PackedOp& op = ops_[s.first];
    if (const auto* shift = std::get_if<PackedShiftMix>(&op)) {
      if (s.phase == Phase::kMix) find_previous(*shift);
      if (s.phase == Phase::kCarry) return {parts_.size(), nullptr};
    }
    if (const auto* linear = std::get_if<PackedLinear>(&op)) {
      job_ = stage_inputs(s.first, serial + 1);  // the next stage's
      if (linear->only_floats()) return {};
    }
    return {(rows_ + rows_a_piece() - 1) / rows_a_piece(), nullptr};
  }
  for (size_t i = s.first; i < s.last; ++i) {
    const PackedOp& op = ops_[i];
    if (const auto* linear = std::get_if<PackedLinear>(&op)) {
      if (collecting_)
        for (const PackedLinear::Part& p : linear->parts)
          collector_.add(*p.part, row(p.part->in, 0) + p.part->in_offset, stride_[p.part->in], rows_);
      const bool few = rows_ < kManyRows;
      if (few) {
        job_ = stage_inputs(i, serial);
        size_t n_active = 0;
        for (size_t t = 0; t < rows_; ++t) n_active += quantize_row(*job_, t);
        if (linear->sparse_cols() > 0 && rows_ <= kSparseRows) {
          activity_[i].rows += rows_;
          activity_[i].active += n_active;
        }
      }
      return {linear->n_chunk(few), few || !linear->any_floats() ? job_ : nullptr};
    }
    if (const size_t n = count_chunks(op)) return {n, nullptr};
    run_rows(op, Phase::kAll, 0, rows_);
    if (i + 1 < s.last) lap(i, true);
  }
  return {};
}

// Of the wkv ops; 0: the op works row by row.
size_t CpuExecutor::count_chunks(const PackedOp& op) const {
  return std::visit(
      [&](const auto& o) -> size_t {
        if constexpr (kIsWkv<decltype(o)>)
          return parts_.size() * pieces_of(o, *plan_);
        else
          return 0;
      },
      op);
}

void CpuExecutor::compute(size_t stage, const void* context, size_t chunk, size_t thread) {
  const auto start = now();
  if (const auto* job = static_cast<const LinearJob*>(context)) {
    compute_chunk(*job, chunk, scratch_[thread].as<float>());
    if (profiling_) times_[thread].kernels[job->index] += seconds_since(start);
    return;
  }
  run_chunk(stage, chunk, thread);
  if (!profiling_) return;
  const StageOps& s = (*stages_)[stage];
  ThreadTimes& times = times_[thread];
  (s.phase == Phase::kAll ? times.kernels : times.preparing)[s.last - 1] += seconds_since(start);  // as with few rows
}

void CpuExecutor::run_chunk(size_t stage, size_t chunk, size_t thread) {
  const StageOps& s = (*stages_)[stage];
  const PackedOp& op = ops_[s.last - 1];
  if (s.phase == Phase::kCarry) return carry(std::get<PackedShiftMix>(op), parts_[chunk]);
  if (s.phase != Phase::kAll)
    return run_rows(op, s.phase, chunk * rows_a_piece(), std::min(rows_, (chunk + 1) * rows_a_piece()));
  std::visit(
      [&](const auto& o) {
        if constexpr (std::is_same_v<std::decay_t<decltype(o)>, PackedLinear>) {
          compute_chunk(*job_, chunk, scratch_[thread].as<float>());
        } else if constexpr (kIsWkv<decltype(o)>) {
          const size_t pieces = pieces_of(o, *plan_);
          run_rows_of_piece(o, parts_[chunk / pieces], chunk % pieces);
        }
      },
      op);
}

void CpuExecutor::publish(size_t stage, const void* context, size_t chunk, size_t thread) {
  const auto* job = static_cast<const LinearJob*>(context);
  if (!job) {
    const StageOps& s = (*stages_)[stage];
    if (s.phase != Phase::kAll || !std::holds_alternative<PackedLinear>(ops_[s.last - 1])) return;
    job = job_;
  }
  publish_chunk(*job, chunk, scratch_[thread].as<float>());
}

// Of ops that work row by row: whole groups of ActGroups where all inputs have them, or some pieces for each thread.
size_t CpuExecutor::rows_a_piece() const {
  constexpr size_t kMost = 6, kOfEachThread = 4;
  if (table_.act_groups.rows > 0 && rows_ >= table_.act_groups.from) return table_.act_groups.rows;
  return std::clamp<size_t>(rows_ / (kOfEachThread * pool_.size()), 1, kMost);
}

void CpuExecutor::run_rows(const PackedOp& op, Phase phase, size_t first, size_t last) {
  const auto* shift = std::get_if<PackedShiftMix>(&op);
  if (shift && phase == Phase::kAll) {
    for (size_t t = first; t < last; ++t) rows_of(*shift, Phase::kNorm, t);
    find_previous(*shift);
    for (size_t t = first; t < last; ++t) rows_of(*shift, Phase::kMix, t);
    for (const Part& part : parts_) carry(*shift, part);
    return;
  }
  for (size_t t = first; t < last; ++t) std::visit([&](const auto& o) { rows_of(o, phase, t); }, op);
}

void CpuExecutor::rows_of(const PackedEmbed& op, Phase, size_t t) {
  const Matrix& table = op.op->table;
  const DTypeInfo& type = info(table.dtype);
  float* out = row(op.op->out, t);
  type.decode(table.bytes.data() + static_cast<size_t>(tokens_[t]) * bytes_of(table.dtype, table.cols),
              table.cols / type.block_values, out);
  if (op.norm) table_.norm(op.norm->args(out, table.cols, out));
}

void CpuExecutor::rows_of(const PackedNormOp& op, Phase, size_t t) {
  table_.norm(op.norm.args(row(op.op->x, t), plan_->value_width[op.op->x], row(op.op->out, t)));
}

void CpuExecutor::rows_of(const PackedShiftMix& op, Phase phase, size_t t) {
  const size_t n = plan_->value_width[op.op->x];
  float* h = hidden(t);
  if (phase == Phase::kNorm) return table_.norm(op.norm.args(row(op.op->x, t), n, h));
  const bool of_current = op.op->mix_of == NormShiftMixOp::MixOf::kCurrent;
  for (size_t m = 0; m < op.mix.size(); ++m)
    table_.mix({h, previous_[t], op.mix[m].data(), n, of_current, row(op.op->out[m], t)});
  if (op.op->diff) table_.mix({h, previous_[t], nullptr, n, false, row(*op.op->diff, t)});
  if (op.op->h) std::copy_n(h, n, row(*op.op->h, t));
}

// Where each row's predecessor lies: the row before, or the sequence's state.
void CpuExecutor::find_previous(const PackedShiftMix& op) {
  const size_t offset = plan_->state.arrays[op.op->shift].offset;
  for (const Part& part : parts_)
    for (size_t i = 0; i < part.n_row; ++i)
      previous_[part.first + i] = i == 0 ? part.state + offset : hidden(part.first + i - 1);
}

// The last row of a sequence becomes its state.
void CpuExecutor::carry(const PackedShiftMix& op, const Part& part) {
  const size_t offset = plan_->state.arrays[op.op->shift].offset;
  const size_t n = plan_->value_width[op.op->x];
  std::copy_n(hidden(part.first + part.n_row - 1), n, part.state + offset);
  for (size_t i = 0; part.after && i < part.n_row; ++i)
    if (part.after[i]) std::copy_n(hidden(part.first + i), n, part.after[i] + offset);
}

void CpuExecutor::rows_of(const PackedDeepEmbed& op, Phase, size_t t) {
  const size_t rank = plan_->value_width[op.op->out];
  const float *low = row(op.op->low, t), *embed = row(op.op->embed, t);
  float* out = row(op.op->out, t);
  for (size_t m = 0; m < rank; ++m) {
    out[m] = 0;
    for (size_t i = 0; i < rank; ++i) out[m] += low[i] * embed[i * rank + m];
  }
}

void CpuExecutor::rows_of(const PackedScale& op, Phase, size_t t) {
  float* x = row(op.op->x, t);
  for (size_t i = 0; i < plan_->value_width[op.op->x]; ++i) x[i] *= op.op->factor;
}

void CpuExecutor::rows_of(const PackedLinear&, Phase, size_t t) { quantize_row(*job_, t); }

template <typename Wkv>
void CpuExecutor::run_rows_of_piece(const Wkv& op, const Part& part, size_t piece) {
  if (!part.after) return run_piece(op, part, piece);
  for (size_t i = 0; i < part.n_row; ++i) {
    run_piece(op, {part.first + i, 1, part.state, nullptr}, piece);
    if (!part.after[i]) continue;
    for (const auto& [offset, size] : state_of_piece(op, *plan_, piece))
      std::copy_n(part.state + offset, size, part.after[i] + offset);
  }
}

void CpuExecutor::run_piece(const PackedWkv4& op, const Part& part, size_t piece) {
  const Wkv4Op& o = *op.op;
  const size_t width = plan_->value_width[o.out], first = piece * kChannels;
  const auto state_of = [&](StateId id) { return part.state + plan_->state.arrays[id].offset; };
  table_.wkv4({row(o.r, part.first), row(o.k, part.first), row(o.v, part.first), row(o.out, part.first),
               stride_[o.out], part.n_row, first, std::min(kChannels, width - first), op.decay.data(),
               op.first.data(), state_of(o.aa), state_of(o.bb), state_of(o.pp)});
}

HeadArgs CpuExecutor::head_args(const Part& part, size_t head, size_t size, Value r, Value k, Value v,
                                std::optional<Value> gate, Value out, StateId state) {
  const size_t at = head * size;
  return {part.n_row,
          size,
          row(r, part.first) + at,
          row(k, part.first) + at,
          row(v, part.first) + at,
          gate ? row(*gate, part.first) + at : nullptr,
          row(out, part.first) + at,
          stride_[r],
          stride_[k],
          stride_[v],
          stride_or_zero(gate),
          stride_[out],
          part.state + plan_->state.arrays[state].offset + at * size,
          nullptr,
          nullptr,
          0};
}

void CpuExecutor::run_piece(const PackedWkv6& op, const Part& part, size_t piece) {
  const Wkv6Op& o = *op.op;
  const size_t n = o.head_size, share = o.n_head / o.n_head_kv;
  const size_t heads = heads_a_piece(o.n_head);
  for (size_t head = piece * heads; head < std::min(o.n_head, (piece + 1) * heads); ++head) {
    const size_t at = head * n;
    Wkv6Args args{head_args(part, head, n, o.r, o.k, o.v, o.gate, o.out, o.state),
                  o.decay_value ? row(*o.decay_value, part.first) + at : op.decay.data() + at,
                  stride_or_zero(o.decay_value), op.u.data() ? op.u.data() + at : nullptr};
    args.head.k = row(o.k, part.first) + head / share * n;
    args.head.v = row(o.v, part.first) + head / share * n;
    if (o.norm) {
      args.head.norm_weight = op.norm_weight.data() + at;
      args.head.norm_bias = op.norm_bias.data() + at;
      args.head.norm_eps = o.norm->eps;
    }
    table_.wkv6(args);
  }
}

void CpuExecutor::run_piece(const PackedWkv7& op, const Part& part, size_t piece) {
  const Wkv7Op& o = *op.op;
  const size_t n = o.head_size;
  const size_t heads = heads_a_piece(o.n_head);
  for (size_t head = piece * heads; head < std::min(o.n_head, (piece + 1) * heads); ++head) {
    const size_t at = head * n;
    Wkv7Args args{head_args(part, head, n, o.r, o.k, o.v, o.gate, o.out, o.state),
                  row(o.w, part.first) + at,
                  row(o.a, part.first) + at,
                  o.v_mix ? row(*o.v_mix, part.first) + at : nullptr,
                  o.v_first ? row(*o.v_first, part.first) + at : nullptr,
                  stride_[o.w],
                  stride_[o.a],
                  stride_or_zero(o.v_mix),
                  stride_or_zero(o.v_first),
                  op.k_k.data() + at,
                  op.k_a.data() + at,
                  op.r_k.data() + at};
    if (o.norm) {
      args.head.norm_weight = op.norm_weight.data() + at;
      args.head.norm_bias = op.norm_bias.data() + at;
      args.head.norm_eps = o.norm->eps;
    }
    table_.wkv7(args);
  }
}

}  // namespace rwkv::cpu
