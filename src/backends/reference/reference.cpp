#include "backends/reference/reference.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "backends/reference/ops.h"
#include "base/error.h"

namespace rwkv {
namespace {

using reference::Array;

class ReferenceExecutor final : public Executor {
 public:
  explicit ReferenceExecutor(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {}

  const Plan& plan() const override { return *plan_; }
  std::string_view device() const override { return "reference (double, 1 thread)"; }

  Slot new_slot() override {
    const std::lock_guard lock(mutex_);
    const Slot slot = next_++;
    slots_.emplace(slot, initial());
    return slot;
  }
  void free_slot(Slot slot) noexcept override {
    const std::lock_guard lock(mutex_);
    slots_.erase(slot);
  }
  void reset_slot(Slot slot) override {
    const std::lock_guard lock(mutex_);
    slots_.at(slot) = initial();
  }
  void copy_slot(Slot from, Slot to) override {
    const std::lock_guard lock(mutex_);
    slots_.at(to) = slots_.at(from);
  }
  void read_slot(Slot slot, std::span<float> canonical) override {
    const std::lock_guard lock(mutex_);
    const Array& state = slots_.at(slot);
    std::transform(state.begin(), state.end(), canonical.begin(),
                   [](double x) { return static_cast<float>(x); });
  }
  void write_slot(Slot slot, std::span<const float> canonical) override {
    const std::lock_guard lock(mutex_);
    slots_.at(slot).assign(canonical.begin(), canonical.end());
  }

  void run(const Step& step, std::span<float> logits) override {
    const std::lock_guard lock(mutex_);
    size_t row = 0, logit = 0;
    const bool states_wanted = std::any_of(step.segments.begin(), step.segments.end(),
                                           [](const Segment& segment) { return !segment.after.empty(); });
    if (!states_wanted) return run_locked(step, logits);
    for (const Segment& segment : step.segments)  // one token at a time, so that there are states to copy
      for (size_t i = 0; i < segment.n_row; ++i, ++row) {
        const Segment one{segment.slot, 1};
        const bool wanted = logit < step.logit_rows.size() && step.logit_rows[logit] == row;
        const uint32_t first = 0;
        run_locked({step.tokens.subspan(row, 1), {&one, 1}, {&first, wanted ? 1u : 0u}},
                   logits.subspan(logit * plan_->n_vocab, wanted ? plan_->n_vocab : 0));
        logit += wanted;
        if (i < segment.after.size()) slots_.at(segment.after[i]) = slots_.at(segment.slot);
      }
  }
  void set_collecting(bool on) override {
    const std::lock_guard lock(mutex_);
    collecting_ = on;
    if (on) collector_.begin(*plan_);
  }
  std::vector<InputSums> collected() const override { return collector_.collected(*plan_); }

 private:
  void run_locked(const Step& step, std::span<float> logits) {
    std::vector<Array*> states;
    for (const Segment& segment : step.segments) states.push_back(&slots_.at(segment.slot));
    std::vector<Array> values = make_values(step.tokens.size());
    reference::Context body{*plan_, step.tokens, step.segments, states, values, step.tokens.size()};
    run_ops(plan_->body, body);
    if (step.logit_rows.empty()) return;

    std::vector<Array> wanted = make_values(step.logit_rows.size());
    reference::Context head{*plan_, {}, {}, {}, wanted, step.logit_rows.size()};
    for (size_t i = 0; i < step.logit_rows.size(); ++i)
      std::copy_n(body.row(plan_->x, step.logit_rows[i]), plan_->n_embd, head.row(plan_->x, i));
    run_ops(plan_->head, head);
    const Array& out = wanted[plan_->logits];
    std::transform(out.begin(), out.end(), logits.begin(),
                   [](double x) { return static_cast<float>(x); });
  }
  void run_ops(const std::vector<Op>& ops, reference::Context& c) {
    for (const Op& op : ops) {
      if (const auto* linear = std::get_if<LinearOp>(&op); linear && collecting_)
        for (const LinearPart& part : linear->parts)
          collector_.add(part, c.row(part.in, 0) + part.in_offset, plan_->value_width[part.in], c.rows);
      std::visit([&](const auto& o) { reference::run(c, o); }, op);
    }
  }
  Array initial() const {
    Array state(plan_->state.size);
    for (const StateArray& array : plan_->state.arrays)
      for (size_t i = 0; i < array.size; ++i)
        state[array.offset + i] =
            static_cast<double>(array.start.empty() ? array.initial : array.start[i]);
    return state;
  }
  std::vector<Array> make_values(size_t rows) const {
    std::vector<Array> values;
    for (const size_t width : plan_->value_width) values.emplace_back(rows * width);
    return values;
  }

  std::shared_ptr<const Plan> plan_;
  std::mutex mutex_;
  std::map<Slot, Array> slots_;
  Slot next_ = 0;
  bool collecting_ = false;
  InputCollector collector_;
};

}  // namespace

std::unique_ptr<Executor> make_reference_executor(std::shared_ptr<const Plan> plan) {
  return std::make_unique<ReferenceExecutor>(std::move(plan));
}

}  // namespace rwkv
