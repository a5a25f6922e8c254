// The folder of pulled models: $RWKV_CACHE, else $XDG_CACHE_HOME/rwkv, else ~/.cache/rwkv.
// Beside each model FILE lies FILE.pulled.json, which says where it is from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace command {

struct CachedModel {
  std::string name{};            // as it was asked for: "rwkv7-g1d-0.4b:q8_0", "hf:OWNER/REPO/FILE"
  std::string source{};          // the file's own: "hf:OWNER/REPO/FILE", "https://..."
  std::string sha256{}, date{};  // date: "2026-01-31 12:00", UTC
  uint64_t size = 0;             // bytes on the disk
  std::filesystem::path path{};
  bool complete = true;  // false: a part waits for `rwkv pull` to go on
};

class Cache {
 public:
  explicit Cache(std::filesystem::path folder) : folder_(std::move(folder)) {}
  static Cache of_user();  // Failure without HOME

  const std::filesystem::path& folder() const { return folder_; }
  std::vector<CachedModel> list() const;  // by name
  // Those that `text` may mean, complete or not: a name with or without its quantization, a
  // source, a file name with or without its ending. An exact name outranks all else.
  std::vector<CachedModel> find(const std::string& text) const;
  void record(const CachedModel& model) const;  // writes FILE.pulled.json
  void remove(const CachedModel& model) const;  // the model, what lies beside it, empty folders
  // After a failed pull: the record of a model of which not a byte came, and empty folders.
  void tidy(const std::filesystem::path& model) const;

 private:
  std::filesystem::path folder_;
};

std::filesystem::path record_path(const std::filesystem::path& model);

}  // namespace command
