#include "plan/plan.h"

#include "base/error.h"

namespace rwkv {

StateId StateLayout::add(StateArray array) {
  array.offset = size;
  size += array.size;
  arrays.push_back(std::move(array));
  return static_cast<StateId>(arrays.size() - 1);
}

StateId StateLayout::find(std::string_view name, size_t layer) const {
  for (size_t i = 0; i < arrays.size(); ++i)
    if (arrays[i].layer == layer && arrays[i].name == name) return static_cast<StateId>(i);
  throw Error(Code::kInternal, "no state {} in layer {}", name, layer);
}

StateId PlanBuilder::state_vector(std::string name, size_t layer, size_t size, float initial) {
  StateArray array;
  array.name = std::move(name);
  array.layer = layer;
  array.size = size;
  array.initial = initial;
  return plan.state.add(std::move(array));
}

StateId PlanBuilder::state_heads(size_t layer, size_t n_head, size_t head_size, Vector start) {
  StateArray array;
  array.name = "wkv";
  array.layer = layer;
  array.n_head = n_head;
  array.head_size = head_size;
  array.size = n_head * head_size * head_size;
  array.start = std::move(start);
  return plan.state.add(std::move(array));
}

std::string_view op_name(const Op& op) noexcept {
  static constexpr std::string_view kNames[] = {"embed", "norm", "norm_shift_mix", "linear", "wkv4",
                                                "wkv6",  "wkv7", "deep_embed",     "scale"};
  static_assert(std::size(kNames) == std::variant_size_v<Op>);
  return kNames[op.index()];
}

}  // namespace rwkv
