// What a backend offers: a plan with its weights on a device, slots for states, and run(step).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/input_sums.h"
#include "plan/plan.h"

namespace rwkv {

using Slot = uint32_t;

struct Segment {
  Slot slot;      // where the sequence's state is; advanced by n_row tokens
  size_t n_row;   // >= 1; rows follow each other in the order of the segments
  // Slots that get the state after each row but the last, [n_row - 1]; empty: not wanted.
  std::span<const Slot> after = {};
};

// What runs at once: one decode token, a prompt chunk, or many conversations. A row's result depends only
// on its own sequence.
struct Step {
  std::span<const int32_t> tokens;         // [rows], each in [0, n_vocab)
  std::span<const Segment> segments;       // n_row sums up to rows; slots differ from each other
  std::span<const uint32_t> logit_rows;    // rows whose logits are wanted, rising
};

// What a device could do at best, measured now with its threads, and what one token asks for.
struct Bounds {
  double bytes_per_s = 0;                          // best way of sweeping a buffer of the weights' size, median
  double dot_per_s = 0, fma_per_s = 0;             // operations per second: integer dot products (of the model's mix), f32
  double bytes_per_token = 0;                      // of weights in the file, read by one decode step
  double dot_per_token = 0, fma_per_token = 0;     // operations on quantized and on float weights
  size_t n_thread = 1;
};

// What one kind of op took since profiling began. Names tell ops of a kind apart by their first matrix:
// "linear att.key", "wkv7".
struct OpProfile {
  std::string name;
  uint64_t calls = 0;
  double seconds = 0;
  double bytes = 0;  // of weights read, as they lie in the file, once a call
  // Of `seconds`, in the mean of all threads: in kernels that multiply weights or update states; and in what goes before them (norms,
  // mixes, quantizing), which with few rows one thread does while the others wait. The rest is writing results and waiting.
  double kernel_seconds = 0, prepare_seconds = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;

  virtual const Plan& plan() const = 0;
  virtual std::string_view device() const = 0;  // "cpu (avx512, 2 threads)"

  // A new slot in the initial state. Any thread. Error{kMemory}.
  virtual Slot new_slot() = 0;
  virtual void free_slot(Slot slot) noexcept = 0;
  virtual void reset_slot(Slot slot) = 0;                               // to the initial state
  virtual void copy_slot(Slot from, Slot to) = 0;
  virtual void read_slot(Slot slot, std::span<float> canonical) = 0;    // [state.size]
  virtual void write_slot(Slot slot, std::span<const float> canonical) = 0;

  // logits [logit_rows.size(), n_vocab], f32. One call runs at a time; others wait. The step has been
  // checked (check_step). Afterwards the slots hold the state after their last row.
  virtual void run(const Step& step, std::span<float> logits) = 0;

  // Takes some seconds, for large models more. Error{kUnsupported} where it makes no sense.
  virtual Bounds measure_bounds();
  virtual double measure_bandwidth();  // bytes per second of one more sweep

  // Times every op from now on (or not), and what it has found since it was switched on. Costs two clock
  // readings a piece of work. Empty where a backend does not measure.
  virtual void set_profiling(bool) {}
  virtual std::vector<OpProfile> profile() const { return {}; }

  // Sums the squared inputs of every matrix from now on (forgetting what was), or not; and what there is.
  virtual void set_collecting(bool on);  // Error{kUnsupported} where a backend cannot
  virtual std::vector<InputSums> collected() const { return {}; }
};

// Error{kArgument} names the first token out of range, empty segment, slot used twice ...
void check_step(const Plan& plan, const Step& step);

}  // namespace rwkv
