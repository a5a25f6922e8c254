#include "convert/load.h"

#include <map>

#include "base/log.h"
#include "convert/lora.h"
#include "convert/types.h"

namespace rwkv {
namespace {

bool stays_mapped(const OutTensor& t) {
  return t.role == WeightRole::kVector || t.role == WeightRole::kEmbedding;
}

}  // namespace

Model build_changed_model(std::shared_ptr<TensorFile> file, const ModelOptions& options,
                          const LoadChanges& changes) {
  std::vector<std::string> notes;
  const auto weights = canonical_weights(std::move(file));
  const LoraSet lora(*weights, changes.lora,
                     notes);  // vectors are in place before the plan reads them
  const Model model = build_model(weights, options);
  std::vector<OutTensor> tensors = lay_out(model, Target::kGguf).tensors;
  TypeOptions types;
  types.type = changes.quant;
  if (!changes.quant.empty()) choose_types(tensors, model, Target::kGguf, types, notes);

  EncodeHooks hooks;
  hooks.patch = [&](const std::string& name) { return lora.patch(name); };
  Encoder encoder(*weights, changes.n_thread ? changes.n_thread : default_thread_count(),
                  std::move(hooks));
  std::map<std::string, Weights::Entry> made;
  size_t done = 0;
  for (OutTensor& t : tensors) {
    if (changes.progress)
      changes.progress(static_cast<float>(done++) / static_cast<float>(tensors.size()));
    const std::string& name = t.from.front();
    const Weights::Entry& old = weights->at(name);
    const bool patched = lora.patch(name) != nullptr;
    if (made.contains(name) ||
        (!patched && (stays_mapped(t) || changes.quant.empty() || t.spec.dtype == old.dtype)))
      continue;
    t.spec.shape = old.shape;
    Weights::Entry entry{
        old.source, t.spec.dtype, old.shape, {}, std::make_shared<std::vector<std::byte>>()};
    entry.owned->reserve(t.spec.bytes());
    encoder.encode(t, [&](std::span<const std::byte> bytes) {
      entry.owned->insert(entry.owned->end(), bytes.begin(), bytes.end());
    });
    entry.bytes = *entry.owned;
    made.emplace(name, std::move(entry));
  }
  for (auto& [name, entry] : made) weights->replace(name, std::move(entry));
  for (const std::string& note : notes) log(LogLevel::kWarning, note);
  return build_model(weights, options);
}

}  // namespace rwkv
