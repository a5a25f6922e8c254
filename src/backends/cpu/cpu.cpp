// The CPU executor: slots, splitting of steps, and one function an op that cuts it into pieces of work.
#include "backends/cpu/cpu.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <numeric>

#include "backends/cpu/isa/tables.h"
#include "backends/cpu/packed_plan.h"
#include "base/cpu.h"
#include "base/error.h"

namespace rwkv {
namespace cpu {
namespace {

constexpr size_t kMaxRows = 128;  // rows at once: their activations stay in the second-level cache
constexpr size_t kHeadRows = 16;  // rows of logits at once: V floats each

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

class CpuExecutor final : public Executor {
 public:
  CpuExecutor(std::shared_ptr<const Plan> plan, const CpuOptions& options)
      : plan_(std::move(plan)),
        table_(choose_table(options.isa)),
        pool_(options.n_thread ? options.n_thread : default_thread_count(), flush_subnormals) {
    name_ = strf("cpu ({}, {} thread{})", table_.name, pool_.size(), pool_.size() == 1 ? "" : "s");
    pack(options);
    for (const size_t width : plan_->value_width) stride_.push_back(round_up(width, kLanes));
    values_.resize(stride_.size());
    for (size_t i = 0; i < pool_.size(); ++i)
      scratch_.emplace_back(kMaxRows * kChunkPanels * kLanes * sizeof(float));
  }

  const Plan& plan() const override { return *plan_; }
  std::string_view device() const override { return name_; }

  Slot new_slot() override {
    AlignedBuffer buffer(plan_->state.size * sizeof(float));
    const std::lock_guard lock(mutex_);
    size_t slot = 0;
    while (slot < slots_.size() && slots_[slot].data()) ++slot;
    if (slot == slots_.size()) slots_.emplace_back();
    slots_[slot] = std::move(buffer);
    fill_initial(slots_[slot].as<float>());
    return static_cast<Slot>(slot);
  }
  void free_slot(Slot slot) noexcept override {
    const std::lock_guard lock(mutex_);
    slots_[slot] = AlignedBuffer();
  }
  void reset_slot(Slot slot) override {
    const std::lock_guard lock(mutex_);
    fill_initial(state(slot));
  }
  void copy_slot(Slot from, Slot to) override {
    const std::lock_guard lock(mutex_);
    std::memcpy(state(to), state(from), plan_->state.size * sizeof(float));
  }
  void read_slot(Slot slot, std::span<float> canonical) override {
    const std::lock_guard lock(mutex_);
    std::copy_n(state(slot), plan_->state.size, canonical.data());
    transpose_heads(canonical.data());
  }
  void write_slot(Slot slot, std::span<const float> canonical) override {
    const std::lock_guard lock(mutex_);
    std::copy_n(canonical.data(), plan_->state.size, state(slot));
    transpose_heads(state(slot));
  }

  void run(const Step& step, std::span<float> logits) override;
  Bounds measure_bounds() override;
  void set_profiling(bool on) override {
    const std::lock_guard lock(mutex_);
    profiling_ = on;
    body_seconds_.assign(body_.size(), 0);
    head_seconds_.assign(head_.size(), 0);
    body_calls_ = head_calls_ = 0;
  }
  std::vector<OpProfile> profile() const override;
  void set_collecting(bool on) override {
    const std::lock_guard lock(mutex_);
    collecting_ = on;
    if (on) collector_.clear();
  }
  std::vector<InputSums> collected() const override { return collector_.collected(*plan_); }

 private:
  struct Part {  // a piece of a segment that fits into kMaxRows
    size_t first, n_row;
    float* state;
  };

  void pack(const CpuOptions& options) {
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
    const Activations activations = options.activations == 0   ? Activations::kByWeights
                                    : options.activations == 8 ? Activations::k8
                                                               : Activations::k16;
    body_ = pack_ops(plan_->body, pool_, arena_, activations, packed);
    head_ = pack_ops(plan_->head, pool_, arena_, activations, packed);
  }

  float* state(Slot slot) { return slots_.at(slot).as<float>(); }
  void fill_initial(float* out) const {
    for (const StateArray& array : plan_->state.arrays)
      if (array.start.empty()) std::fill_n(out + array.offset, array.size, array.initial);
      else std::copy(array.start.begin(), array.start.end(), out + array.offset);
    transpose_heads(out);
  }
  // Between the canonical [value][key] of v7 and the kernels' [key][value]; its own inverse.
  void transpose_heads(float* all) const {
    for (const PackedOp& packed : body_) {
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

  void reserve(size_t rows) {
    if (rows <= capacity_) return;
    for (size_t v = 0; v < stride_.size(); ++v) {
      const size_t needed = v == plan_->logits ? std::min(rows, kHeadRows) : rows;
      // 16 more: a part may read past its slice's end (times a weight of zero).
      values_[v] = AlignedBuffer((needed * stride_[v] + kLanes) * sizeof(float));
    }
    hidden_ = AlignedBuffer(rows * round_up(plan_->n_embd, kLanes) * sizeof(float));
    size_t largest = 0;
    for (const auto* ops : {&body_, &head_})
      for (const PackedOp& op : *ops)
        if (const auto* linear = std::get_if<PackedLinear>(&op)) {
          size_t bytes = 0;
          for (const PackedLinear::Input& input : linear->inputs) bytes += quantized_bytes(input, rows);
          largest = std::max(largest, bytes);
        }
    quantized_ = AlignedBuffer(largest);
    capacity_ = rows;
  }

  // Where the quantized rows of an input lie in quantized_: blocks, then scales, then sums.
  struct Quantized {
    uint8_t* blocks;
    float* scale;
    int32_t* sum;
  };
  size_t quantized_bytes(const PackedLinear::Input& input, size_t rows) const {
    const size_t n_block = rows * input.cols / 32;
    return round_up(n_block * (table_.act_bytes[input.wide] + sizeof(float) + 2 * sizeof(int32_t)), 64);
  }
  Quantized quantized(const PackedLinear& op, size_t which) const {
    std::byte* at = quantized_.data();
    for (size_t i = 0; i < which; ++i) at += quantized_bytes(op.inputs[i], rows_);
    const PackedLinear::Input& input = op.inputs[which];
    const size_t n_block = rows_ * input.cols / 32;
    auto* blocks = reinterpret_cast<uint8_t*>(at);
    auto* scale = reinterpret_cast<float*>(at + n_block * table_.act_bytes[input.wide]);
    return {blocks, scale, reinterpret_cast<int32_t*>(scale + n_block)};
  }
  void quantize_inputs(const PackedLinear& op);

  float* row(Value value, size_t t) { return values_[value].as<float>() + t * stride_[value]; }
  const float* row_or_null(const std::optional<Value>& value, size_t offset) {
    return value ? row(*value, 0) + offset : nullptr;
  }
  size_t stride_or_zero(const std::optional<Value>& value) { return value ? stride_[*value] : 0; }

  // f(row) for each row; by several threads when that is worth a barrier.
  template <typename F>
  void each_row(F f) {
    constexpr size_t kFewRows = 4;
    const size_t n = rows_;
    if (n < 2 * kFewRows) {
      for (size_t t = 0; t < n; ++t) f(t);
      return;
    }
    pool_.run((n + kFewRows - 1) / kFewRows, [&](size_t chunk, size_t) {
      for (size_t t = chunk * kFewRows; t < std::min(n, (chunk + 1) * kFewRows); ++t) f(t);
    });
  }
  // f(part, head) for each head of each sequence.
  template <typename F>
  void each_head(size_t n_head, F f) {
    constexpr size_t kHeads = 2;  // a piece of work: about a microsecond a token
    const size_t pieces = (n_head + kHeads - 1) / kHeads;
    pool_.run(parts_.size() * pieces, [&](size_t chunk, size_t) {
      const size_t begin = chunk % pieces * kHeads;
      for (size_t head = begin; head < std::min(n_head, begin + kHeads); ++head)
        f(parts_[chunk / pieces], head);
    });
  }

  void run_body(std::span<const int32_t> tokens);
  void run_ops(const std::vector<PackedOp>& ops, std::vector<double>& seconds);
  void run_head(std::span<const uint32_t> wanted, float* logits);

  void run(const PackedEmbed& op);
  void run(const PackedNormOp& op);
  void run(const PackedShiftMix& op);
  void run(const PackedLinear& op);
  void run(const PackedWkv4& op);
  void run(const PackedWkv6& op);
  void run(const PackedWkv7& op);
  void run(const PackedDeepEmbed& op);
  void run(const PackedScale& op);
  void run_linear_chunk(const PackedLinear& op, const PackedLinear::Chunk& chunk, float* y);
  HeadArgs head_args(const Part& part, size_t head, size_t size, Value r, Value k, Value v,
                     std::optional<Value> gate, Value out, StateId state);

  std::shared_ptr<const Plan> plan_;
  const KernelTable& table_;
  ThreadPool pool_;
  std::string name_;
  Arena arena_;  // the packed weights
  std::vector<PackedOp> body_, head_;
  std::vector<size_t> stride_;         // of each value, whole 16s
  std::vector<AlignedBuffer> values_;  // [capacity_, stride]
  AlignedBuffer hidden_;               // [capacity_, n_embd]: the norm's output before token shift
  AlignedBuffer quantized_;            // activations of the op in work, for block types
  std::vector<AlignedBuffer> scratch_; // one a thread
  size_t capacity_ = 0;
  bool profiling_ = false, collecting_ = false;
  InputCollector collector_;
  std::vector<double> body_seconds_, head_seconds_;  // of each op
  uint64_t body_calls_ = 0, head_calls_ = 0;
  std::mutex mutex_;
  std::vector<AlignedBuffer> slots_;
  // The piece of a step in work.
  std::span<const int32_t> tokens_;
  std::vector<Part> parts_;
  std::vector<const float*> previous_;  // of each row: the hidden row before it
  size_t rows_ = 0;
};

void CpuExecutor::run(const Step& step, std::span<float> logits) {
  const std::lock_guard lock(mutex_);
  const FlushSubnormals flush;
  reserve(std::min(kMaxRows, step.tokens.size()));
  size_t segment = 0, used = 0, logit = 0;
  std::vector<uint32_t> wanted;
  for (size_t begin = 0; begin < step.tokens.size();) {
    const size_t end = std::min(begin + kMaxRows, step.tokens.size());
    parts_.clear();
    for (size_t t = begin; t < end;) {
      const Segment& s = step.segments[segment];
      const size_t n_row = std::min(end - t, s.n_row - used);
      parts_.push_back({t - begin, n_row, state(s.slot)});
      t += n_row;
      used += n_row;
      if (used == s.n_row) {
        ++segment;
        used = 0;
      }
    }
    run_body(step.tokens.subspan(begin, end - begin));
    wanted.clear();
    const size_t first_logit = logit;
    for (; logit < step.logit_rows.size() && step.logit_rows[logit] < end; ++logit)
      wanted.push_back(step.logit_rows[logit] - static_cast<uint32_t>(begin));
    run_head(wanted, logits.data() + first_logit * plan_->n_vocab);
    begin = end;
  }
}

// Best of some rounds: f(thread) returns what one thread has done.
template <typename F>
double best_rate(ThreadPool& pool, F f) {
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    std::vector<double> done(pool.size());
    const auto start = std::chrono::steady_clock::now();
    pool.run(pool.size(), [&](size_t i, size_t) { done[i] = f(i); });
    const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, std::accumulate(done.begin(), done.end(), 0.0) / s);
  }
  return best;
}

Bounds CpuExecutor::measure_bounds() {
  const std::lock_guard lock(mutex_);
  Bounds out;
  size_t bytes = 0;
  for (const auto* ops : {&body_, &head_})
    for (const PackedOp& op : *ops)
      if (const auto* linear = std::get_if<PackedLinear>(&op))
        for (const PackedLinear::Part& part : linear->parts) {
          const Matrix& m = part.part->weight;
          bytes += m.bytes.size();
          (part.weight.takes_blocks() ? out.dot_per_token : out.fma_per_token) +=
              2.0 * static_cast<double>(m.rows * m.cols);
        }
  out.bytes_per_token = static_cast<double>(bytes);
  const size_t share = std::max<size_t>(bytes / pool_.size() / 4096, 256) * 4096;
  const AlignedBuffer buffer(share * pool_.size() + 8192);
  std::memset(buffer.data(), 1, buffer.size());
  out.bytes_per_s = best_rate(pool_, [&](size_t i) {
    table_.sweep(buffer.as<uint8_t>() + i * share, share);
    return static_cast<double>(share);
  });
  constexpr size_t kSteps = 2000000;
  out.fma_per_s = best_rate(pool_, [&](size_t) { return table_.fma_loop(kSteps); });
  out.dot_per_s = best_rate(pool_, [&](size_t) { return table_.dot_loop(kSteps); });
  return out;
}

void CpuExecutor::run_body(std::span<const int32_t> tokens) {
  tokens_ = tokens;
  rows_ = tokens.size();
  run_ops(body_, body_seconds_);
  body_calls_ += profiling_;
}

void CpuExecutor::run_ops(const std::vector<PackedOp>& ops, std::vector<double>& seconds) {
  for (size_t i = 0; i < ops.size(); ++i) {
    const auto start = profiling_ ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    std::visit([&](const auto& o) { run(o); }, ops[i]);
    if (profiling_)
      seconds[i] += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
}

std::vector<OpProfile> CpuExecutor::profile() const {
  std::vector<OpProfile> out;
  const auto add = [&](const std::vector<Op>& plan, const std::vector<double>& seconds, uint64_t calls) {
    for (size_t i = 0; i < seconds.size(); ++i) {
      std::string name(op_name(plan[i]));
      double bytes = 0;
      if (const auto* linear = std::get_if<LinearOp>(&plan[i])) {
        for (const LinearPart& part : linear->parts) bytes += static_cast<double>(part.weight.bytes.size());
        const std::string& first = linear->parts.front().weight.name;
        const size_t layer = first.rfind("blocks.", 0) == 0 ? first.find('.', 7) + 1 : 0;
        name.append(" ").append(first, layer);
      }
      auto found = std::find_if(out.begin(), out.end(), [&](const OpProfile& p) { return p.name == name; });
      if (found == out.end()) found = out.insert(out.end(), OpProfile{name});
      found->calls += calls;
      found->seconds += seconds[i];
      found->bytes += bytes * static_cast<double>(calls);
    }
  };
  add(plan_->body, body_seconds_, body_calls_);
  add(plan_->head, head_seconds_, head_calls_);
  return out;
}

void CpuExecutor::run_head(std::span<const uint32_t> wanted, float* logits) {
  const size_t stride = stride_[plan_->x];
  for (size_t i = 0; i < wanted.size(); ++i)
    std::memmove(row(plan_->x, i), row(plan_->x, wanted[i]), stride * sizeof(float));
  for (size_t begin = 0; begin < wanted.size(); begin += kHeadRows) {
    rows_ = std::min(kHeadRows, wanted.size() - begin);
    if (begin > 0)
      std::memmove(row(plan_->x, 0), row(plan_->x, begin), rows_ * stride * sizeof(float));
    run_ops(head_, head_seconds_);
    head_calls_ += profiling_;
    for (size_t i = 0; i < rows_; ++i)
      std::copy_n(row(plan_->logits, i), plan_->n_vocab, logits + (begin + i) * plan_->n_vocab);
  }
}

void CpuExecutor::run(const PackedEmbed& op) {
  const Matrix& table = op.op->table;
  const DTypeInfo& type = info(table.dtype);
  const size_t row_bytes = bytes_of(table.dtype, table.cols);
  each_row([&](size_t t) {
    float* out = row(op.op->out, t);
    type.decode(table.bytes.data() + static_cast<size_t>(tokens_[t]) * row_bytes,
                table.cols / type.block_values, out);
    if (op.norm) table_.norm(op.norm->args(out, table.cols, out));
  });
}

void CpuExecutor::run(const PackedNormOp& op) {
  each_row([&](size_t t) {
    table_.norm(op.norm.args(row(op.op->x, t), plan_->value_width[op.op->x], row(op.op->out, t)));
  });
}

void CpuExecutor::run(const PackedShiftMix& op) {
  const size_t n = plan_->value_width[op.op->x], stride = round_up(plan_->n_embd, kLanes);
  const size_t offset = plan_->state.arrays[op.op->shift].offset;
  float* hidden = hidden_.as<float>();
  each_row([&](size_t t) {
    table_.norm(op.norm.args(row(op.op->x, t), n, hidden + t * stride));
  });
  std::vector<const float*>& previous = previous_;
  previous.resize(rows_);
  for (const Part& part : parts_)
    for (size_t i = 0; i < part.n_row; ++i)
      previous[part.first + i] = i == 0 ? part.state + offset : hidden + (part.first + i - 1) * stride;
  const bool of_current = op.op->mix_of == NormShiftMixOp::MixOf::kCurrent;
  each_row([&](size_t t) {
    const float* h = hidden + t * stride;
    for (size_t m = 0; m < op.mix.size(); ++m)
      table_.mix({h, previous[t], op.mix[m].data(), n, of_current, row(op.op->out[m], t)});
    if (op.op->diff) table_.mix({h, previous[t], nullptr, n, false, row(*op.op->diff, t)});
    if (op.op->h) std::copy_n(h, n, row(*op.op->h, t));
  });
  for (const Part& part : parts_)
    std::copy_n(hidden + (part.first + part.n_row - 1) * stride, n, part.state + offset);
}

void CpuExecutor::quantize_inputs(const PackedLinear& op) {
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const PackedLinear::Input& input = op.inputs[i];
    const Quantized out = quantized(op, i);
    const size_t n_block = input.cols / 32;
    each_row([&](size_t t) {
      table_.quantize({row(input.value, t) + input.offset, input.cols, input.wide,
                       out.blocks + t * n_block * table_.act_bytes[input.wide], out.scale + t * n_block,
                       out.sum + 2 * t * n_block});
    });
  }
}

void CpuExecutor::run(const PackedLinear& op) {
  if (collecting_)
    for (const PackedLinear::Part& p : op.parts)
      collector_.add(*p.part, row(p.part->in, 0) + p.part->in_offset, stride_[p.part->in], rows_);
  quantize_inputs(op);
  pool_.run(op.chunks.size(), [&](size_t chunk, size_t thread) {
    run_linear_chunk(op, op.chunks[chunk], scratch_[thread].as<float>());
  });
}

void CpuExecutor::run_linear_chunk(const PackedLinear& op, const PackedLinear::Chunk& chunk, float* y) {
  const PackedLinear::Part& packed = op.parts[chunk.part];
  const LinearPart& part = *packed.part;
  const PackedMatrix& weight = packed.weight;
  const size_t y_stride = chunk.count * kLanes;
  LinearArgs args{};
  args.pack = weight.pack();
  args.panels = weight.panels();
  args.panel_bytes = weight.panel_bytes();
  args.k = weight.cols();
  args.first = chunk.first;
  args.count = chunk.count;
  args.step = chunk.step;
  args.x = row(part.in, 0) + part.in_offset;
  args.x_stride = stride_[part.in];
  args.rows = rows_;
  args.y = y;
  args.y_stride = y_stride;
  if (weight.takes_blocks()) {
    const Quantized in = quantized(op, packed.blocks);
    args.wide = op.inputs[packed.blocks].wide;
    args.blocks = in.blocks;
    args.scale = in.scale;
    args.sum = in.sum;
  }
  table_.linear(args);
  for (size_t i = 0; i < chunk.count; ++i) {
    const size_t column = (chunk.first + i * chunk.step) * kLanes;
    table_.epilogue({static_cast<ActKind>(part.act),
                     part.add,
                     rows_,
                     kLanes,
                     y + i * kLanes,
                     y_stride,
                     packed.bias.data() ? packed.bias.data() + column : nullptr,
                     row_or_null(part.gate, column),
                     row_or_null(part.mix_base, column),
                     row_or_null(part.mix_diff, column),
                     stride_or_zero(part.gate),
                     stride_or_zero(part.mix_base),
                     stride_or_zero(part.mix_diff),
                     row(part.out, 0) + column,
                     stride_[part.out]});
  }
}

void CpuExecutor::run(const PackedWkv4& op) {
  const Wkv4Op& o = *op.op;
  constexpr size_t kChannels = 64;
  const size_t width = plan_->value_width[o.out], pieces = (width + kChannels - 1) / kChannels;
  const auto state_of = [&](const Part& part, StateId id) {
    return part.state + plan_->state.arrays[id].offset;
  };
  pool_.run(parts_.size() * pieces, [&](size_t chunk, size_t) {
    const Part& part = parts_[chunk / pieces];
    const size_t first = chunk % pieces * kChannels;
    table_.wkv4({row(o.r, part.first), row(o.k, part.first), row(o.v, part.first),
                 row(o.out, part.first), stride_[o.out], part.n_row, first,
                 std::min(kChannels, width - first), op.decay.data(), op.first.data(),
                 state_of(part, o.aa), state_of(part, o.bb), state_of(part, o.pp)});
  });
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

void CpuExecutor::run(const PackedWkv6& op) {
  const Wkv6Op& o = *op.op;
  const size_t n = o.head_size, share = o.n_head / o.n_head_kv;
  each_head(o.n_head, [&](const Part& part, size_t head) {
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
  });
}

void CpuExecutor::run(const PackedWkv7& op) {
  const Wkv7Op& o = *op.op;
  const size_t n = o.head_size;
  each_head(o.n_head, [&](const Part& part, size_t head) {
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
  });
}

void CpuExecutor::run(const PackedDeepEmbed& op) {
  const size_t rank = plan_->value_width[op.op->out];
  each_row([&](size_t t) {
    const float *low = row(op.op->low, t), *embed = row(op.op->embed, t);
    float* out = row(op.op->out, t);
    for (size_t m = 0; m < rank; ++m) {
      out[m] = 0;
      for (size_t i = 0; i < rank; ++i) out[m] += low[i] * embed[i * rank + m];
    }
  });
}

void CpuExecutor::run(const PackedScale& op) {
  each_row([&](size_t t) {
    float* x = row(op.op->x, t);
    for (size_t i = 0; i < plan_->value_width[op.op->x]; ++i) x[i] *= op.op->factor;
  });
}

}  // namespace
}  // namespace cpu

std::unique_ptr<Executor> make_cpu_executor(std::shared_ptr<const Plan> plan,
                                            const CpuOptions& options) {
  return std::make_unique<cpu::CpuExecutor>(std::move(plan), options);
}

}  // namespace rwkv
