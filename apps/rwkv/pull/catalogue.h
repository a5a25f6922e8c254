// The published models that have short names: data/models.json, built into the command.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "source.h"

namespace command {

struct CatalogueFile {
  std::string quant{};         // "bf16" (a .pth), "q8_0"
  std::string repo{}, file{};  // on Hugging Face; an empty file is chosen by quant
  std::string model_scope{};   // the repository there that has the same file; may be empty
  uint64_t size = 0;           // 0: unknown
  std::string sha256{};        // empty: unknown to us; the hub says it when the file is pulled
};

struct CatalogueModel {
  std::string name{}, about{}, licence{};
  std::vector<CatalogueFile> files{};
};

class Catalogue {
 public:
  explicit Catalogue(const std::string& json);  // Failure when it is malformed
  static const Catalogue& built_in();

  const std::vector<CatalogueModel>& models() const { return models_; }
  bool has(const std::string& name) const;
  // Follows aliases: "rwkv7-g1-0.4b" is the newest of its line. Failure with near names.
  const CatalogueModel& at(const std::string& name) const;
  // The file of a quantization; "" is Q8_0, else Q4_K_M, else the first.
  const CatalogueFile& choose(const CatalogueModel& model, const std::string& quant) const;

  struct Alias {
    std::string name, of;
  };
  const std::vector<Alias>& aliases() const { return aliases_; }

 private:
  const std::string& target(const std::string& name) const;
  std::vector<CatalogueModel> models_;
  std::vector<Alias> aliases_;
};

}  // namespace command
