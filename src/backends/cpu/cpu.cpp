// The CPU executor: slots, and cutting steps into walks.
#include "backends/cpu/cpu.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "backends/cpu/cpu_executor.h"
#include "base/cpu.h"
#include "base/error.h"

namespace rwkv {
namespace cpu {
namespace {

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

bool works_by_row(const PackedOp& op) {
  return std::visit(Overloaded{[](const PackedLinear&) { return false; }, [](const PackedWkv4&) { return false; },
                               [](const PackedWkv6&) { return false; }, [](const PackedWkv7&) { return false; },
                               [](const auto&) { return true; }},
                    op);
}

// Floats from one row to the next: a line of cache more where all rows' columns would else share a few sets of the caches.
size_t row_stride(size_t width) { return round_up(width, kLanes) + (width % 256 == 0 ? kLanes : 0); }

// Values that an op of the last layer's channel mix reads and writes; false: it is of another kind.
bool add_values(const Op& op, std::set<Value>& reads, std::set<Value>& writes) {
  const auto read = [&](Value value) {
    if (!writes.count(value)) reads.insert(value);
  };
  return std::visit(Overloaded{[&](const LinearOp& o) {
                                 for (const LinearPart& part : o.parts) {
                                   read(part.in);
                                   for (const auto& value : {part.gate, part.mix_base, part.mix_diff})
                                     if (value) read(*value);
                                   if (part.add) read(part.out);
                                 }
                                 for (const LinearPart& part : o.parts) writes.insert(part.out);
                                 return true;
                               },
                               [&](const NormOp& o) {
                                 read(o.x);
                                 writes.insert(o.out);
                                 return true;
                               },
                               [&](const ScaleOp& o) {
                                 read(o.x);
                                 return true;
                               },
                               [](const auto&) { return false; }},
                    op);
}

}  // namespace

CpuExecutor::CpuExecutor(std::shared_ptr<const Plan> plan, const CpuOptions& options)
    : plan_(std::move(plan)),
      table_(choose_table(options.isa)),
      pool_(options.n_thread ? options.n_thread : default_thread_count(), flush_subnormals) {
  name_ = strf("cpu ({}, {} thread{})", table_.name, pool_.size(), pool_.size() == 1 ? "" : "s");
  pack(options);
  make_stages();
  for (const size_t width : plan_->value_width) stride_.push_back(row_stride(width));
  values_.resize(stride_.size());
  hidden_stride_ = row_stride(plan_->n_embd);
  // A tile of many rows takes more than a group of few.
  static_assert(kMaxRows * PackedMatrix::kMostTilePanels >= PackedLinear::kMostPanels * kManyRows);
  for (size_t i = 0; i < pool_.size(); ++i)
    scratch_.emplace_back(kMaxRows * PackedMatrix::kMostTilePanels * kLanes * sizeof(float));
  size_t most = 1;
  for (const PackedOp& op : ops_)
    if (const auto* linear = std::get_if<PackedLinear>(&op)) {
      size_t tiles = 0;  // if all were panels
      for (const PackedLinear::Part& part : linear->parts)
        tiles += (part.weight.n_panel() + PackedMatrix::kFewestTilePanels - 1) / PackedMatrix::kFewestTilePanels;
      most = std::max(most, tiles);
    }
  pool_.reserve_redo(most);
}

Slot CpuExecutor::new_slot() {
  AlignedBuffer buffer(plan_->state.size * sizeof(float));
  const std::lock_guard lock(mutex_);
  size_t slot = 0;
  while (slot < slots_.size() && slots_[slot].data()) ++slot;
  if (slot == slots_.size()) slots_.emplace_back();
  slots_[slot] = std::move(buffer);
  fill_initial(slots_[slot].as<float>());
  return static_cast<Slot>(slot);
}
void CpuExecutor::free_slot(Slot slot) noexcept {
  const std::lock_guard lock(mutex_);
  slots_[slot] = AlignedBuffer();
}
void CpuExecutor::reset_slot(Slot slot) {
  const std::lock_guard lock(mutex_);
  fill_initial(state(slot));
}
void CpuExecutor::copy_slot(Slot from, Slot to) {
  const std::lock_guard lock(mutex_);
  std::memcpy(state(to), state(from), plan_->state.size * sizeof(float));
}
void CpuExecutor::read_slot(Slot slot, std::span<float> canonical) {
  const std::lock_guard lock(mutex_);
  std::copy_n(state(slot), plan_->state.size, canonical.data());
  transpose_heads(canonical.data());
}
void CpuExecutor::write_slot(Slot slot, std::span<const float> canonical) {
  const std::lock_guard lock(mutex_);
  std::copy_n(canonical.data(), plan_->state.size, state(slot));
  transpose_heads(state(slot));
}

void CpuExecutor::fill_initial(float* out) const {
  for (const StateArray& array : plan_->state.arrays)
    if (array.start.empty()) std::fill_n(out + array.offset, array.size, array.initial);
    else std::copy(array.start.begin(), array.start.end(), out + array.offset);
  transpose_heads(out);
}

// Between the canonical [value][key] of v7 and the kernels' [key][value]; its own inverse.
void CpuExecutor::transpose_heads(float* all) const {
  for (const PackedOp& packed : ops_) {
    const auto* wkv = std::get_if<PackedWkv7>(&packed);
    if (!wkv) continue;
    const StateArray& array = plan_->state.arrays[wkv->op->state];
    const size_t n = array.head_size;
    for (size_t head = 0; head < array.n_head; ++head) {
      float* s = all + array.offset + head * n * n;
      for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < i; ++j) std::swap(s[i * n + j], s[j * n + i]);
    }
  }
}

void CpuExecutor::pack(const CpuOptions& options) {
  const FlushSubnormals flush;
  size_t total = 1, done = 0;
  for (const auto* ops : {&plan_->body, &plan_->head})
    for (const Op& op : *ops)
      if (const auto* linear = std::get_if<LinearOp>(&op))
        for (const LinearPart& part : linear->parts) total += part.weight.bytes.size();
  const auto packed = [&](const Matrix& matrix) {
    done += matrix.bytes.size();
    if (options.drop) options.drop(matrix.bytes);
    if (options.progress) options.progress(static_cast<float>(done) / static_cast<float>(total));
  };
  const PackOptions how{options.activations == 0   ? Activations::kByWeights
                        : options.activations == 8 ? Activations::k8
                                                   : Activations::k16,
                        options.bf16_activations, options.sparse};
  ops_ = pack_ops(plan_->body, pool_, arena_, how, packed);
  head_ = ops_.size();
  for (PackedOp& op : pack_ops(plan_->head, pool_, arena_, how, packed)) ops_.push_back(std::move(op));
  activity_.resize(ops_.size());
}

CpuExecutor::Stages CpuExecutor::stages_of(size_t first, size_t last, bool many) const {
  Stages out;
  if (!many) {
    for (size_t begin = first, op = first; op < last; ++op)
      if (!works_by_row(ops_[op]) || op + 1 == last) {
        out.push_back({begin, op + 1, Phase::kAll});
        begin = op + 1;
      }
    return out;
  }
  for (size_t op = first; op < last; ++op) {
    std::vector<Phase> phases = {works_by_row(ops_[op]) ? Phase::kRows : Phase::kAll};
    if (std::holds_alternative<PackedShiftMix>(ops_[op])) phases = {Phase::kNorm, Phase::kMix, Phase::kCarry};
    if (std::holds_alternative<PackedLinear>(ops_[op])) phases = {Phase::kQuantize, Phase::kAll};
    for (const Phase phase : phases) out.push_back({op, op + 1, phase});
  }
  return out;
}

void CpuExecutor::make_stages() {
  // From the end: ops that treat every row by itself, so that rows nobody asks for can be left out.
  std::set<Value> writes;
  tail_ = head_;
  while (tail_ > 0) {
    std::set<Value> unused;
    if (!add_values(plan_->body[tail_ - 1], unused, unused)) break;
    --tail_;
  }
  std::set<Value> reads = {plan_->x};
  for (size_t op = tail_; op < head_; ++op) add_values(plan_->body[op], reads, writes);
  tail_inputs_.assign(reads.begin(), reads.end());
  for (const bool many : {false, true}) {
    body_[many] = stages_of(0, tail_, many);
    tail_stages_[many] = stages_of(tail_, head_, many);
    head_stages_[many] = stages_of(head_, ops_.size(), many);
    whole_[many] = stages_of(0, ops_.size(), many);
  }
}

void CpuExecutor::reserve(size_t rows) {
  if (rows <= capacity_) return;
  for (size_t v = 0; v < stride_.size(); ++v) {
    const size_t needed = v == plan_->logits ? std::min(rows, kHeadRows) : rows;
    // 16 more: a part may read past its slice's end (times a weight of zero).
    values_[v] = AlignedBuffer((needed * stride_[v] + kLanes) * sizeof(float));
  }
  hidden_ = AlignedBuffer(rows * hidden_stride_ * sizeof(float));
  size_t largest = 0;
  for (const PackedOp& op : ops_)
    if (const auto* linear = std::get_if<PackedLinear>(&op)) largest = std::max(largest, staged_bytes(*linear, rows));
  staging_.reserve(largest, pool_);
  previous_.resize(rows);
  capacity_ = rows;
}

void CpuExecutor::run(const Step& step, std::span<float> logits) {
  const std::lock_guard lock(mutex_);
  const FlushSubnormals flush;
  // All memory that the step takes, before the first state changes.
  reserve(std::min(kMaxRows, step.tokens.size()));
  parts_.reserve(step.segments.size());
  after_.clear();
  after_.reserve(step.tokens.size());
  std::vector<uint32_t> wanted;
  wanted.reserve(step.logit_rows.size());
  size_t segment = 0, used = 0, logit = 0;
  for (size_t begin = 0; begin < step.tokens.size();) {
    const size_t end = std::min(begin + kMaxRows, step.tokens.size());
    parts_.clear();
    for (size_t t = begin; t < end;) {
      const Segment& s = step.segments[segment];
      const size_t n_row = std::min(end - t, s.n_row - used);
      parts_.push_back({t - begin, n_row, state(s.slot), s.after.empty() ? nullptr : after_.data() + after_.size()});
      if (!s.after.empty())
        for (size_t i = used; i < used + n_row; ++i)
          after_.push_back(i < s.after.size() ? state(s.after[i]) : nullptr);
      t += n_row;
      used += n_row;
      if (used == s.n_row) {
        ++segment;
        used = 0;
      }
    }
    wanted.clear();
    const size_t first_logit = logit;
    for (; logit < step.logit_rows.size() && step.logit_rows[logit] < end; ++logit)
      wanted.push_back(step.logit_rows[logit] - static_cast<uint32_t>(begin));
    run_piece(step.tokens.subspan(begin, end - begin), wanted, logits.data() + first_logit * plan_->n_vocab);
    begin = end;
  }
  follow_activity(step.segments.size());
}

// Matrices by unit whose inputs are not mostly zeros after all become panels, which stream faster; so do all of them where
// nearly all steps serve several sequences, whose active units together are nearly all units. There is no way back: a sequence
// that is alone later reads its zeros too. The bits are the same. One op a step, so that no token waits for all.
void CpuExecutor::follow_activity(size_t n_segment) {
  constexpr size_t kEnough = 64;
  n_shared_ += n_segment > kSparseRows;
  if (++n_step_ == kEnough) {
    shared_ = n_shared_ >= kEnough - kEnough / 8;
    n_step_ = n_shared_ = 0;
  }
  for (size_t i = 0; i < ops_.size(); ++i) {
    Activity& seen = activity_[i];
    if (seen.rows < kEnough && !shared_) continue;
    auto* linear = std::get_if<PackedLinear>(&ops_[i]);
    if (!linear || linear->sparse_cols() == 0) continue;
    const bool dense = shared_ || seen.active * kPanelShare > seen.rows * linear->sparse_cols();
    seen = {};
    if (!dense) continue;
    pool_.wait_left(pool_.last_serial());
    linear->lay_in_panels(pool_);
    if (linear->sparse_cols() > 0) shared_ = false;  // no memory now
    return;
  }
  shared_ = false;  // all have
}

size_t CpuExecutor::n_sparse() const {
  return static_cast<size_t>(std::count_if(ops_.begin(), ops_.end(), [](const PackedOp& op) {
    const auto* linear = std::get_if<PackedLinear>(&op);
    return linear && linear->sparse_cols() > 0;
  }));
}

// At most kMaxRows rows, whose parts are in parts_.
void CpuExecutor::run_piece(std::span<const int32_t> tokens, std::span<const uint32_t> wanted, float* logits) {
  tokens_ = tokens;
  const auto copy_logits = [&](size_t first, size_t count) {
    pool_.run(count, [&](size_t i, size_t) {
      std::copy_n(row(plan_->logits, i), plan_->n_vocab, logits + (first + i) * plan_->n_vocab);
    });
  };
  const size_t rows = tokens.size();
  if (wanted.size() == rows && rows <= kHeadRows) {
    walk_through(whole_[rows >= kManyRows], rows);
    return copy_logits(0, rows);
  }
  walk_through(body_[rows >= kManyRows], rows);
  if (wanted.empty()) return;
  keep_rows(wanted);
  walk_through(tail_stages_[wanted.size() >= kManyRows], wanted.size());
  for (size_t begin = 0; begin < wanted.size(); begin += kHeadRows) {
    const size_t count = std::min(kHeadRows, wanted.size() - begin);
    if (begin > 0)
      std::memmove(row(plan_->x, 0), row(plan_->x, begin), count * stride_[plan_->x] * sizeof(float));
    walk_through(head_stages_[count >= kManyRows], count);
    copy_logits(begin, count);
  }
}

void CpuExecutor::walk_through(const Stages& stages, size_t rows) {
  stages_ = &stages;
  rows_ = rows;
  if (profiling_) {
    lap_ = now();
    for (const StageOps& s : stages)
      if (s.phase != Phase::kMix && s.phase != Phase::kCarry && s.phase != Phase::kQuantize)  // one phase an op
        for (size_t op = s.first; op < s.last; ++op) ++calls_[op];
  }
  pool_.walk(*this, stages.size());
  if (!stages.empty()) lap(stages.back().last - 1);
}

// Of the values that the rest of the plan reads, moves these rows (rising) to the front.
void CpuExecutor::keep_rows(std::span<const uint32_t> rows) {
  for (const Value value : tail_inputs_)
    for (size_t i = 0; i < rows.size(); ++i)
      if (rows[i] != i) std::memcpy(row(value, i), row(value, rows[i]), stride_[value] * sizeof(float));
}

void CpuExecutor::set_profiling(bool on) {
  const std::lock_guard lock(mutex_);
  pool_.wait_left(pool_.last_serial());  // a thread that does again what another did
  seconds_.assign(ops_.size(), 0);
  prepare_seconds_.assign(ops_.size(), 0);
  times_.assign(pool_.size(), {seconds_, seconds_});
  calls_.assign(ops_.size(), 0);
  profiling_ = on;
}

// What has passed since the last call is op's. Called by one thread at a time, in order.
void CpuExecutor::lap(size_t op, bool preparing) {
  if (!profiling_) return;
  const auto now = Clock::now();
  const double passed = std::chrono::duration<double>(now - lap_).count();
  seconds_[op] += passed;
  if (preparing) prepare_seconds_[op] += passed;
  lap_ = now;
}

std::vector<OpProfile> CpuExecutor::profile() const {
  const std::lock_guard lock(mutex_);
  pool_.wait_left(pool_.last_serial());
  std::vector<OpProfile> out;
  for (size_t i = 0; i < seconds_.size(); ++i) {
    const Op& op = i < head_ ? plan_->body[i] : plan_->head[i - head_];
    std::string name(op_name(op));
    double bytes = 0;
    if (const auto* linear = std::get_if<LinearOp>(&op)) {
      for (const LinearPart& part : linear->parts) bytes += static_cast<double>(part.weight.bytes.size());
      const std::string& first = linear->parts.front().weight.name;
      const size_t layer = first.rfind("blocks.", 0) == 0 ? first.find('.', 7) + 1 : 0;
      name.append(" ").append(first, layer);
    }
    auto found = std::find_if(out.begin(), out.end(), [&](const OpProfile& p) { return p.name == name; });
    if (found == out.end()) found = out.insert(out.end(), OpProfile{name});
    found->calls += calls_[i];
    found->seconds += seconds_[i];
    found->bytes += bytes * static_cast<double>(calls_[i]);
    double kernels = 0, preparing = prepare_seconds_[i];
    for (const ThreadTimes& thread : times_) {
      kernels += thread.kernels[i] / static_cast<double>(times_.size());
      preparing += thread.preparing[i] / static_cast<double>(times_.size());
    }
    // A thread that loses its core in a kernel, whose work another does again, stays longer than the op takes.
    found->prepare_seconds += std::min(preparing, seconds_[i]);
    found->kernel_seconds += std::min(kernels, std::max(0.0, seconds_[i] - preparing));
  }
  return out;
}

void CpuExecutor::set_collecting(bool on) {
  const std::lock_guard lock(mutex_);
  collecting_ = on;
  if (on) collector_.begin(*plan_);
}
std::vector<InputSums> CpuExecutor::collected() const {
  const std::lock_guard lock(mutex_);
  return collector_.collected(*plan_);
}

}  // namespace cpu

std::unique_ptr<Executor> make_cpu_executor(std::shared_ptr<const Plan> plan,
                                            const CpuOptions& options) {
  return std::make_unique<cpu::CpuExecutor>(std::move(plan), options);
}

}  // namespace rwkv
