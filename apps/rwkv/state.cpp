// rwkv state: what state files hold, in other programs' layouts, mixed and compared. The model says
// how long each array is, so every action needs -m.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "shared.h"

namespace command {
namespace {

void print_arrays(const char* text) {
  std::printf("layer  array          floats          rms      largest\n");
  std::istringstream lines(text);
  double sum = 0, n = 0, largest = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string layer, array;
    double size = 0, rms = 0, most = 0;
    fields >> layer >> array >> size >> rms >> most;
    std::printf("%5s  %-12s %8.0f %12.5g %12.5g\n", layer.c_str(), array.c_str(), size, rms, most);
    sum += rms * rms * size;
    n += size;
    largest = std::max(largest, most);
  }
  std::printf("  all               %8.0f %12.5g %12.5g\n", n, n > 0 ? std::sqrt(sum / n) : 0.0,
              largest);
}

// "FILE:0.3" -> FILE and 0.3; NAN when no weight is given.
std::pair<std::string, float> split_weight(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon + 1 == text.size()) return {text, NAN};
  char* end = nullptr;
  const float weight = std::strtof(text.c_str() + colon + 1, &end);
  if (*end != '\0' || std::isnan(weight)) return {text, NAN};
  return {text.substr(0, colon), weight};
}

void mix(const rwkv_api::Model& model, const std::vector<std::string>& files) {
  std::vector<rwkv_api::Snapshot> snapshots;
  std::vector<const rwkv_snapshot*> handles;
  std::vector<float> weights;
  for (size_t i = 1; i < files.size(); ++i) {
    const auto [path, weight] = split_weight(files[i]);
    snapshots.push_back(rwkv_api::Snapshot::load(model, path));
    weights.push_back(weight);
  }
  const auto n_given =
      std::count_if(weights.begin(), weights.end(), [](float w) { return !std::isnan(w); });
  if (n_given != 0 && static_cast<size_t>(n_given) != weights.size())
    throw Failure(
        "state mix: some files have a weight and some not: give all (FILE:WEIGHT) or none");
  if (n_given == 0) weights.assign(weights.size(), 1.0f / static_cast<float>(weights.size()));
  for (const auto& snapshot : snapshots) handles.push_back(snapshot.get());
  rwkv_api::Snapshot::mix(handles, weights).save(files[0]);
}

}  // namespace

int state(const Options& options, const StateOptions& s) {
  const rwkv_api::Model model = open_model(options, "none");
  if (s.action == "mix") {
    mix(model, s.files);
    return 0;
  }
  const auto first = rwkv_api::Snapshot::load(model, s.files[0]);
  if (s.action == "convert") {
    first.save_as(s.format, s.files[1]);
  } else if (s.action == "diff") {
    const auto second = rwkv_api::Snapshot::load(model, s.files[1]);
    print_arrays(rwkv_snapshot_text(first.get(), second.get()));
  } else {
    std::printf("%s: %zu floats, %llu tokens seen\n", neutralise(s.files[0]).c_str(),
                model.state_size(), static_cast<unsigned long long>(first.n_token()));
    print_arrays(rwkv_snapshot_text(first.get(), nullptr));
  }
  return 0;
}

}  // namespace command
