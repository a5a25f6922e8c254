#include "cache.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "failure.h"
#include "part_file.h"

namespace command {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kRecord = ".pulled.json";

bool ends_with(const fs::path& path, std::string_view ending) {
  return path.filename().string().ends_with(ending);
}

// A record that cannot be read hides its model from the list and hurts nobody.
bool read_record(const fs::path& path, CachedModel& model) {
  std::ifstream in(path);
  const auto json = nlohmann::json::parse(in, nullptr, false);
  if (!json.is_object()) return false;
  try {
    model.name = json.at("name");
    model.source = json.at("source");
    model.sha256 = json.value("sha256", "");
    model.date = json.value("date", "");
  } catch (const nlohmann::json::exception&) {
    return false;
  }
  const std::string file = path.string();
  model.path = file.substr(0, file.size() - kRecord.size());
  std::error_code none;
  model.complete = fs::exists(model.path, none);
  const fs::path bytes = model.complete ? model.path : part_path(model.path);
  if (!fs::exists(bytes, none)) return false;
  const auto size = fs::file_size(bytes, none);
  model.size = none ? 0 : size;
  return true;
}

std::string without_quant(const std::string& name) {
  if (name.find("://") != std::string::npos) return name;
  const size_t colon = name.rfind(':');
  return colon == std::string::npos || colon < 3 ? name : name.substr(0, colon);
}

}  // namespace

fs::path record_path(const fs::path& model) {
  fs::path out = model;
  out += kRecord;
  return out;
}

Cache Cache::of_user() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value && *value ? std::string(value) : std::string();
  };
  if (const std::string own = set("RWKV_CACHE"); !own.empty()) return Cache(fs::absolute(own));
  if (const std::string base = set("XDG_CACHE_HOME"); !base.empty())
    return Cache(fs::absolute(base) / "rwkv");
  if (const std::string home = set("HOME"); !home.empty())
    return Cache(fs::path(home) / ".cache" / "rwkv");
  throw Failure("no folder for models: neither RWKV_CACHE, XDG_CACHE_HOME nor HOME is set");
}

std::vector<CachedModel> Cache::list() const {
  std::vector<CachedModel> out;
  std::error_code error;
  for (auto i = fs::recursive_directory_iterator(folder_, error);
       !error && i != fs::recursive_directory_iterator(); i.increment(error)) {
    CachedModel model;
    if (ends_with(i->path(), kRecord) && read_record(i->path(), model))
      out.push_back(std::move(model));
  }
  std::sort(out.begin(), out.end(), [](const CachedModel& a, const CachedModel& b) {
    return std::tie(a.name, a.path) < std::tie(b.name, b.path);
  });
  return out;
}

std::vector<CachedModel> Cache::find(const std::string& text) const {
  std::vector<CachedModel> exact, loose;
  for (CachedModel& model : list()) {
    const std::string file = model.path.filename().string(), stem = model.path.stem().string();
    if (model.name == text || model.source == text) {
      exact.push_back(std::move(model));
    } else if (without_quant(model.name) == text || file == text || stem == text) {
      loose.push_back(std::move(model));
    }
  }
  return exact.empty() ? loose : exact;
}

void Cache::record(const CachedModel& model) const {
  const nlohmann::json json = {{"name", model.name},
                               {"source", model.source},
                               {"sha256", model.sha256},
                               {"date", model.date}};
  write_whole(record_path(model.path), json.dump() + "\n");
}

void Cache::remove(const CachedModel& model) const {
  {
    FileLock lock(model.path.string() + ".lock");
    if (!lock.try_take()) throw Failure(model.name + ": is being pulled right now");
    std::error_code error;
    for (const fs::path& path :
         {part_path(model.path), part_state_path(model.path), model.path, record_path(model.path)})
      if (fs::remove(path, error); error)
        throw Failure(path.string() + ": cannot be removed: " + error.message());
  }
  tidy(model.path);
}

void Cache::tidy(const fs::path& model) const {
  std::error_code error;
  if (!fs::exists(model, error) && !fs::exists(part_path(model), error))
    fs::remove(record_path(model), error);
  // Up to the cache folder itself; a folder with something in it is not removed.
  for (fs::path folder = model.parent_path(); folder != folder_ && folder.has_relative_path();
       folder = folder.parent_path())
    if (!fs::remove(folder, error)) break;
}

}  // namespace command
