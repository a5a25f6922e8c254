#include "engine/imatrix.h"

#include "models/names/names.h"

namespace rwkv {

Imatrix collected_imatrix(const LoadedModel& model) {
  Imatrix out;
  for (const InputSums& sums : model.runner().collected()) {
    const std::string gguf = gguf_name(model.model.version, sums.name);
    ImatrixEntry& entry = out.entries[gguf.empty() ? sums.name : gguf];
    entry.sums.insert(entry.sums.end(), sums.sums.begin(), sums.sums.end());
    entry.counts.push_back(static_cast<double>(sums.n_row));
  }
  return out;
}

}  // namespace rwkv
