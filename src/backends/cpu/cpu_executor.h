// The CPU executor's insides: a step is one or more walks of all threads through stages, each stage one or a few
// ops of the plan. run() and slots: cpu.cpp; what a stage does: stages.cpp; matrices: linear.cpp.
#pragma once

#include <chrono>
#include <mutex>

#include "backends/cpu/cpu.h"
#include "backends/cpu/isa/tables.h"
#include "backends/cpu/packed_plan.h"
#include "backends/cpu/staging.h"
#include "base/thread_pool.h"

namespace rwkv::cpu {

constexpr size_t kMaxRows = 128;     // rows at once: their activations stay in the second-level cache
constexpr size_t kHeadRows = 32;     // rows of logits at once: V floats each

class CpuExecutor final : public Executor, private ThreadPool::Walk {
 public:
  CpuExecutor(std::shared_ptr<const Plan> plan, const CpuOptions& options);

  const Plan& plan() const override { return *plan_; }
  std::string_view device() const override { return name_; }
  Slot new_slot() override;
  void free_slot(Slot slot) noexcept override;
  void reset_slot(Slot slot) override;
  void copy_slot(Slot from, Slot to) override;
  void read_slot(Slot slot, std::span<float> canonical) override;
  void write_slot(Slot slot, std::span<const float> canonical) override;
  void run(const Step& step, std::span<float> logits) override;
  Bounds measure_bounds() override;
  double measure_bandwidth() override;
  void set_profiling(bool on) override;
  std::vector<OpProfile> profile() const override;
  void set_collecting(bool on) override;
  std::vector<InputSums> collected() const override;
  size_t n_sparse() const;  // linear ops that skip the weights of zeros; for tests, while nothing runs

 private:
  struct Part {  // a piece of a segment that fits into kMaxRows
    size_t first, n_row;
    float* state;
    float* const* after;  // null, or for each row where its state is copied; null: nowhere
  };
  // Of a linear op with a sparse input, over the last rows that were one or two in a step.
  struct Activity {
    size_t rows = 0, active = 0;
  };
  // Ops [first, last): all but the last work row by row and are done when the stage is prepared; the last is cut
  // into chunks. With many rows every op has stages of its own, one a phase.
  enum class Phase : uint8_t { kAll, kRows, kNorm, kMix, kCarry, kQuantize };
  struct StageOps {
    size_t first, last;
    Phase phase;
  };
  using Stages = std::vector<StageOps>;
  // What a linear stage reads; lies in the staging ring.
  struct LinearInput {
    float* x;  // float weights: copied here, or with many rows where the value lies
    size_t x_stride;
    uint16_t* x_bf16;  // or, with that stride, rounded
    uint8_t* blocks;  // block types: blocks, scales, sums of the quantized rows
    float* scale;
    int32_t* sum;
    uint8_t* groups;  // null, or KernelTable::act_groups of the rows
    uint8_t* active;  // null, or which values are not 0
  };
  struct LinearJob {
    const PackedLinear* op;
    size_t index;  // of the op
    size_t rows;
    LinearInput* inputs;
  };

  // cpu.cpp
  void pack(const CpuOptions& options);
  void make_stages();
  Stages stages_of(size_t first, size_t last, bool many) const;
  float* state(Slot slot) { return slots_.at(slot).as<float>(); }
  void fill_initial(float* out) const;
  void transpose_heads(float* all) const;
  void reserve(size_t rows);
  void run_piece(std::span<const int32_t> tokens, std::span<const uint32_t> wanted, float* logits);
  void walk_through(const Stages& stages, size_t rows);
  void keep_rows(std::span<const uint32_t> rows);
  void follow_activity(size_t n_segment);
  void lap(size_t op, bool preparing = false);
  // A clock that stands while nobody profiles. Threads that are late may read it: profiling begins and ends when all have left.
  using Clock = std::chrono::steady_clock;
  Clock::time_point now() const { return profiling_ ? Clock::now() : Clock::time_point(); }
  static double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

  // stages.cpp
  ThreadPool::Stage prepare(size_t stage, ThreadPool::Serial serial) override;
  ThreadPool::Stage make_ready(size_t stage, ThreadPool::Serial serial);  // what prepare times
  void compute(size_t stage, const void* context, size_t chunk, size_t thread) override;
  void run_chunk(size_t stage, size_t chunk, size_t thread);  // of a stage without a context
  void publish(size_t stage, const void* context, size_t chunk, size_t thread) override;
  size_t count_chunks(const PackedOp& op) const;
  size_t rows_a_piece() const;
  void run_rows(const PackedOp& op, Phase phase, size_t first, size_t last);
  void rows_of(const PackedEmbed& op, Phase phase, size_t t);
  void rows_of(const PackedNormOp& op, Phase phase, size_t t);
  void rows_of(const PackedShiftMix& op, Phase phase, size_t t);
  void rows_of(const PackedDeepEmbed& op, Phase phase, size_t t);
  void rows_of(const PackedScale& op, Phase phase, size_t t);
  void rows_of(const PackedLinear& op, Phase phase, size_t t);
  template <typename Wkv>
  void rows_of(const Wkv&, Phase, size_t) {}
  void find_previous(const PackedShiftMix& op);
  void carry(const PackedShiftMix& op, const Part& part);
  // A piece of the op, row by row where states in between are wanted.
  template <typename Wkv>
  void run_rows_of_piece(const Wkv& op, const Part& part, size_t piece);
  void run_piece(const PackedWkv4& op, const Part& part, size_t piece);
  void run_piece(const PackedWkv6& op, const Part& part, size_t piece);
  void run_piece(const PackedWkv7& op, const Part& part, size_t piece);
  HeadArgs head_args(const Part& part, size_t head, size_t size, Value r, Value k, Value v,
                     std::optional<Value> gate, Value out, StateId state);

  double sweep();  // bounds.cpp

  // linear.cpp
  static size_t job_bytes(const PackedLinear& op);
  size_t staged_bytes(const PackedLinear& op, size_t rows) const;
  const LinearJob* stage_inputs(size_t op, ThreadPool::Serial serial);
  size_t quantize_row(const LinearJob& job, size_t t);  // returns how many values of sparse inputs are not 0
  void compute_chunk(const LinearJob& job, size_t chunk, float* y) const;
  void publish_chunk(const LinearJob& job, size_t chunk, const float* y);

  float* row(Value value, size_t t) { return values_[value].as<float>() + t * stride_[value]; }
  const float* row_or_null(const std::optional<Value>& value, size_t offset) {
    return value ? row(*value, 0) + offset : nullptr;
  }
  size_t stride_or_zero(const std::optional<Value>& value) { return value ? stride_[*value] : 0; }
  float* hidden(size_t t) { return hidden_.as<float>() + t * hidden_stride_; }

  std::shared_ptr<const Plan> plan_;
  const KernelTable& table_;
  std::string name_;
  Arena arena_;                        // the packed weights
  std::vector<PackedOp> ops_;          // body, then head
  std::vector<Activity> activity_;     // of each op
  size_t n_step_ = 0, n_shared_ = 0;   // the last steps, and how many of them served more than kSparseRows sequences
  bool shared_ = false;                // nearly all did
  size_t tail_ = 0, head_ = 0;         // ops [tail_, head_) need only rows whose logits are wanted, as the head does
  std::vector<Value> tail_inputs_;     // what those read of earlier ops
  Stages body_[2], tail_stages_[2], head_stages_[2], whole_[2];  // few rows, many rows
  std::vector<size_t> stride_;         // of each value, whole 16s
  std::vector<AlignedBuffer> values_;  // [capacity_, stride]
  AlignedBuffer hidden_;               // [capacity_, hidden_stride_]: the norm's output before token shift
  size_t hidden_stride_ = 0;
  Staging staging_;
  std::vector<AlignedBuffer> scratch_;  // one a thread
  size_t capacity_ = 0;
  mutable std::mutex mutex_;
  std::vector<AlignedBuffer> slots_;

  bool profiling_ = false;
  std::vector<double> seconds_, prepare_seconds_;  // of each op
  std::vector<uint64_t> calls_;
  struct ThreadTimes {
    std::vector<double> kernels, preparing;  // of each op
  };
  std::vector<ThreadTimes> times_;  // of each thread
  Clock::time_point lap_;

  struct SweepWay {
    size_t streams, ahead;
  };
  std::optional<SweepWay> best_sweep_;
  AlignedBuffer sweep_buffer_;

  bool collecting_ = false;
  InputCollector collector_;

  // The walk under way.
  const Stages* stages_ = nullptr;
  std::span<const int32_t> tokens_;
  std::vector<Part> parts_;
  std::vector<float*> after_;           // of all parts of a step
  std::vector<const float*> previous_;  // of each row: the hidden row before it
  size_t rows_ = 0;
  const LinearJob* job_ = nullptr;

  ThreadPool pool_;  // the last: its threads end before what they read
};

}  // namespace rwkv::cpu
