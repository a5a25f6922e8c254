#include "catalogue.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "failure.h"
#include "models_json.h"  // made by CMake from data/models.json: kModelsJson
#include "sha256.h"

namespace command {
namespace {

CatalogueFile read_file(const nlohmann::json& json) {
  CatalogueFile file{.quant = json.at("quant"),
                     .repo = json.at("repo"),
                     .file = json.value("file", ""),
                     .model_scope = json.value("modelscope", ""),
                     .size = json.value("size", uint64_t{0}),
                     .sha256 = json.value("sha256", "")};
  if (!file.sha256.empty() && !is_sha256(file.sha256))
    throw Failure(file.file + ": sha256 has not 64 hexadecimal digits");
  parse_source("hf:" + file.repo + (file.file.empty() ? "" : "/" + file.file));
  return file;
}

}  // namespace

Catalogue::Catalogue(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    for (const auto& entry : json.at("models")) {
      CatalogueModel model{.name = entry.at("name"),
                           .about = entry.value("about", ""),
                           .licence = entry.at("licence")};
      for (const auto& file : entry.at("files")) model.files.push_back(read_file(file));
      if (model.files.empty()) throw Failure(model.name + ": no files");
      models_.push_back(std::move(model));
    }
    for (const auto& [name, of] : json.at("aliases").items()) {
      aliases_.push_back({name, of});
      at(name);
    }
  } catch (const nlohmann::json::exception& error) {
    throw Failure(std::string("the catalogue of models: ") + error.what());
  }
}

const Catalogue& Catalogue::built_in() {
  static const Catalogue catalogue{std::string(kModelsJson)};
  return catalogue;
}

const std::string& Catalogue::target(const std::string& name) const {
  for (const Alias& alias : aliases_)
    if (alias.name == name) return alias.of;
  return name;
}

bool Catalogue::has(const std::string& name) const {
  const std::string& want = target(name);
  return std::any_of(models_.begin(), models_.end(),
                     [&](const CatalogueModel& m) { return m.name == want; });
}

const CatalogueModel& Catalogue::at(const std::string& name) const {
  const std::string& want = target(name);
  std::string near;
  const std::string family = want.substr(0, want.find('-'));
  for (const CatalogueModel& model : models_) {
    if (model.name == want) return model;
    if (model.name.starts_with(family)) near += (near.empty() ? "" : ", ") + model.name;
  }
  throw Failure(name + ": no such name in the catalogue" +
                (near.empty() ? "; rwkv pull --list shows the names" : "; it has " + near));
}

const CatalogueFile& Catalogue::choose(const CatalogueModel& model,
                                       const std::string& quant) const {
  std::string list;
  for (const CatalogueFile& file : model.files) list += (list.empty() ? "" : ", ") + file.quant;
  for (const std::string& want :
       quant.empty() ? std::vector<std::string>{"q8_0", "q4_k_m"} : std::vector{quant})
    for (const CatalogueFile& file : model.files)
      if (file.quant == want) return file;
  if (quant.empty()) return model.files.front();
  std::string others;
  for (const CatalogueModel& other : models_)
    for (const CatalogueFile& file : other.files)
      if (file.quant == quant) others += (others.empty() ? "" : ", ") + other.name;
  throw Failure(model.name + ": not known as " + quant + ", but as " + list +
                (others.empty() ? "" : "; as " + quant + " there are " + others));
}

}  // namespace command
