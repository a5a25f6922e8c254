// include/rwkv.h: states of other programs, mixing and comparing.
#include <cmath>

#include "api/handles.h"
#include "convert/state_layouts.h"

using namespace rwkv;
using namespace rwkv::api;

extern "C" {

rwkv_status rwkv_snapshot_save_as(const rwkv_snapshot* snapshot, const char* format,
                                  const char* path) {
  return guard([&] {
    require(snapshot, "snapshot");
    require(path, "path");
    save_snapshot_as(snapshot->snapshot, format ? format : "", path);
  });
}

uint64_t rwkv_snapshot_n_token(const rwkv_snapshot* snapshot) { return snapshot->snapshot.n_token; }

rwkv_status rwkv_snapshot_mix(const rwkv_snapshot* const* snapshots, const float* weights, size_t n,
                              rwkv_snapshot** mixed) {
  return guard([&] {
    require(snapshots, "snapshots");
    require(weights, "weights");
    require(mixed, "mixed");
    if (n == 0) throw Error(Code::kArgument, "no snapshots to mix");
    std::vector<std::vector<float>> states;
    for (size_t i = 0; i < n; ++i) {
      require(snapshots[i], "a snapshot");
      if (snapshots[i]->snapshot.model != snapshots[0]->snapshot.model)
        throw Error(Code::kState, "snapshot {} belongs to another model", i + 1);
      if (!std::isfinite(weights[i]))
        throw Error(Code::kArgument, "weight {} is not finite", i + 1);
      states.push_back(snapshots[i]->snapshot.state);
    }
    const auto& model = snapshots[0]->snapshot.model;
    *mixed = new rwkv_snapshot{{model, mix_states(model->plan(), states, {weights, n}), 0}};
  });
}

const char* rwkv_snapshot_text(const rwkv_snapshot* snapshot, const rwkv_snapshot* other) {
  thread_local std::string text;
  const rwkv_status status = guard([&] {
    require(snapshot, "snapshot");
    const Snapshot& s = snapshot->snapshot;
    if (other && other->snapshot.model != s.model)
      throw Error(Code::kState, "the other snapshot belongs to another model");
    text.clear();
    for (const StateArray& a : s.model->plan().state.arrays) {
      double sum = 0, largest = 0;
      for (size_t i = a.offset; i < a.offset + a.size; ++i) {
        const double x = static_cast<double>(s.state[i]) -
                         (other ? static_cast<double>(other->snapshot.state[i]) : 0);
        sum += x * x;
        largest = std::max(largest, std::abs(x));
      }
      text += strf("{}\t{}\t{}\t{}\t{}\n", a.layer, a.name, a.size,
                   std::sqrt(sum / static_cast<double>(a.size)), largest);
    }
  });
  return status == RWKV_OK ? text.c_str() : "";
}

}  // extern "C"
