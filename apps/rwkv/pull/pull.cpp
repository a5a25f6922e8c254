// rwkv pull, list, rm; and how -m and -hf find a pulled model.
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cache.h"
#include "catalogue.h"
#include "download.h"
#include "part_file.h"
#include "sha256.h"
#include "shared.h"
#include "source.h"

namespace command {
namespace fs = std::filesystem;
namespace {

// One file to fetch, with the name under which it is asked for.
struct Item {
  Source source;
  std::string name, sha256;
};

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", std::gmtime(&now));
  return text;
}

HttpRules http_rules(const Endpoints& endpoints, const PullOptions& options) {
  HttpRules rules{.token_origin = endpoints.hugging_face, .stall_s = options.stall_s, .n_retry = options.n_retry};
  if (const char* token = std::getenv("HF_TOKEN"); token && *token) rules.token = token;
  if (rules.token.find_first_of("\r\n") != std::string::npos)
    throw Failure("HF_TOKEN holds a line break");
  for (const auto& [variable, endpoint] : {std::pair{"HF_ENDPOINT", endpoints.hugging_face},
                                           std::pair{"MODELSCOPE_ENDPOINT", endpoints.model_scope}})
    if (std::getenv(variable)) rules.plain_origins.push_back(endpoint);
  return rules;
}

nlohmann::json get_json(Http& http, const std::string& address) {
  auto json = nlohmann::json::parse(http.get(address), nullptr, false);
  if (json.is_discarded()) throw Failure(address + ": the answer is no JSON");
  return json;
}

std::vector<std::string> files_of(Http& http, const Source& source, const Endpoints& endpoints) {
  const std::string address = list_address(source, endpoints);
  const auto json = get_json(http, address);
  std::vector<std::string> files;
  try {
    for (const auto& file : json.at("siblings")) files.push_back(file.at("rfilename"));
  } catch (const nlohmann::json::exception&) {
    throw Failure(address + ": the answer is no list of files");
  }
  return files;
}

// ModelScope tells hashes in its list of files only. Without one the pull goes on unchecked.
std::string modelscope_sha256(Http& http, const Source& source, const Endpoints& endpoints) {
  try {
    const auto json = get_json(http, list_address(source, endpoints));
    for (const auto& file : json.at("Data").at("Files")) {
      if (file.at("Path") != source.file) continue;
      std::string hash = file.at("Sha256");
      for (char& c : hash) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      return is_sha256(hash) ? hash : "";
    }
  } catch (const std::exception&) {
  }
  return {};
}

std::vector<Item> choose_in_repo(Http& http, Source source, const std::string& name,
                                 const Endpoints& endpoints) {
  std::vector<Item> items;
  for (const std::string& file :
       choose_gguf(source.repo, files_of(http, source, endpoints), source.quant)) {
    source.file = file;
    parse_source(to_text(source));  // the hub's word is a stranger's too
    items.push_back({source, name, ""});
  }
  return items;
}

std::vector<Item> resolve(Http& http, Source source, const PullOptions& options,
                          const Endpoints& endpoints) {
  const std::string name = to_text(source);
  if (source.hub == Hub::kCatalogue) {
    const Catalogue& catalogue = Catalogue::built_in();
    const CatalogueModel& model = catalogue.at(source.name);
    const CatalogueFile& file = catalogue.choose(model, source.quant);
    const std::string full = model.name + ":" + file.quant;
    const bool modelscope = options.from == "ms";
    if (modelscope && file.model_scope.empty())
      throw Failure(full +
                    ": not known on ModelScope; without --from ms it comes from Hugging Face");
    Source hub =
        modelscope ? Source{.hub = Hub::kModelScope, .repo = file.model_scope, .revision = "master"}
                   : Source{.hub = Hub::kHuggingFace, .repo = file.repo, .revision = "main"};
    hub.file = file.file;
    hub.quant = file.quant;
    if (!hub.file.empty()) return {{hub, full, file.sha256}};
    return choose_in_repo(http, hub, full, endpoints);
  }
  if (source.hub == Hub::kHuggingFace && source.file.empty())
    return choose_in_repo(http, source, name, endpoints);
  Item item{source, name, ""};
  if (source.hub == Hub::kModelScope) item.sha256 = modelscope_sha256(http, source, endpoints);
  return {item};
}

void wait_for(FileLock& lock, const std::string& name) {
  for (bool said = false; !lock.try_take(); said = true) {
    if (!said) std::fprintf(stderr, "%s: another rwkv pulls it; waiting\n", name.c_str());
    struct timespec pause{0, 200'000'000};
    ::nanosleep(&pause, nullptr);
    if (interrupted) throw stopped();
  }
}

// The lock is held; the file is not there.
void fetch_item(Http& http, const Cache& cache, const Item& item, const fs::path& target,
                const PullOptions& options, const Endpoints& endpoints) {
  CachedModel model{.name = item.name,
                    .source = to_text(item.source),
                    .sha256 = item.sha256,
                    .date = now_text(),
                    .path = target};
  if (item.source.hub == Hub::kHuggingFace || item.source.hub == Hub::kModelScope) {
    Source exact = item.source;
    exact.quant.clear();
    model.source = to_text(exact);
  }
  cache.record(model);  // so that `list` and `rm` see a part that was left
  Progress progress(target.filename().string(), options.quiet);
  const DownloadOptions o{.n_connection = options.n_connection,
                          .n_retry = options.n_retry,
                          .token_sent = std::getenv("HF_TOKEN") != nullptr};
  const Downloaded got =
      download(http, {file_address(item.source, endpoints), target, item.sha256}, o, progress);
  model.sha256 = got.sha256;
  cache.record(model);
  if (!options.quiet)
    std::fprintf(stderr, "%s: %s, SHA-256 %s\n", item.name.c_str(), size_text(got.size).c_str(),
                 got.checked ? "right" : "not known beforehand, so not checked");
}

fs::path pull_item(Http& http, const Cache& cache, const Item& item, const PullOptions& options,
                   const Endpoints& endpoints) {
  const fs::path target = cache.folder() / cache_place(item.source);
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) throw Failure(target.parent_path().string() + ": cannot be made: " + error.message());
  try {
    FileLock lock(target.string() + ".lock");
    wait_for(lock, item.name);
    if (!fs::exists(target)) {
      fetch_item(http, cache, item, target, options, endpoints);
    } else if (!options.quiet) {
      std::fprintf(stderr, "%s: is there already\n", item.name.c_str());
    }
  } catch (...) {
    cache.tidy(target);
    throw;
  }
  return target;
}

int list_catalogue() {
  for (const CatalogueModel& model : Catalogue::built_in().models()) {
    std::string quants;
    for (const CatalogueFile& file : model.files) {
      quants += (quants.empty() ? "" : ", ") + file.quant;
      if (file.size) quants += " (" + size_text(file.size) + ")";
    }
    std::printf("%-22s %s; %s; %s\n", model.name.c_str(), model.about.c_str(), quants.c_str(),
                model.licence.c_str());
  }
  for (const auto& [name, of] : Catalogue::built_in().aliases()) std::printf("%-22s = %s\n", name.c_str(), of.c_str());
  return 0;
}

// The paths of all files of one source; the first is the one to open.
std::vector<fs::path> pull_all(const Source& source, const PullOptions& options) {
  // A connection that is gone is an error that is reported, not a signal.
  std::signal(SIGPIPE, SIG_IGN);
  const Endpoints endpoints = endpoints_from_environment();
  const Cache cache = Cache::of_user();
  Http http(http_rules(endpoints, options));
  std::vector<fs::path> paths;
  for (const Item& item : resolve(http, source, options, endpoints))
    paths.push_back(pull_item(http, cache, item, options, endpoints));
  return paths;
}

Source source_of_hf_option(const std::string& text) {
  return parse_source(text.starts_with("hf:") ? text : "hf:" + text);
}

bool has_address(const std::string& text) {
  return text.starts_with("hf:") || text.starts_with("ms:") ||
         text.find("://") != std::string::npos;
}

std::string only_path(const std::vector<CachedModel>& found, const std::string& text) {
  std::string list;
  std::vector<const CachedModel*> whole;
  for (const CachedModel& model : found)
    if (model.complete) whole.push_back(&model);
  if (whole.empty())
    throw Failure(text + ": only a part is there; rwkv pull " + found.front().name + " goes on");
  for (const CachedModel* model : whole) {
    // The parts of a split model carry one name; any of them opens it.
    if (model->name != whole.front()->name) list += ", " + model->name;
  }
  if (!list.empty()) throw Failure(text + ": several pulled models: " + whole.front()->name + list);
  return whole.front()->path.string();
}

}  // namespace

int pull(const PullOptions& options) {
  if (options.list) return list_catalogue();
  catch_interrupt();
  const std::string name = !options.hf.empty() ? options.hf : options.name;
  const Source source = !options.hf.empty() ? source_of_hf_option(name) : parse_source(name);
  for (const fs::path& path : pull_all(source, options)) std::printf("%s\n", path.c_str());
  return 0;
}

int list_models(bool json) {
  const std::vector<CachedModel> models = Cache::of_user().list();
  if (json) {
    auto out = nlohmann::json::array();
    for (const CachedModel& m : models)
      out.push_back({{"name", m.name},
                     {"source", m.source},
                     {"size", m.size},
                     {"date", m.date},
                     {"sha256", m.sha256},
                     {"path", m.path.string()},
                     {"complete", m.complete}});
    std::printf("%s\n", out.dump(1).c_str());
    return 0;
  }
  if (models.empty())
    std::fprintf(stderr, "no models in %s; rwkv pull NAME gets one\n",
                 Cache::of_user().folder().c_str());
  for (const CachedModel& m : models)
    std::printf("%-28s %9s  %s  %s%s\n", neutralise(m.name).c_str(),
                m.complete ? size_text(m.size).c_str() : "-", neutralise(m.date).c_str(),
                neutralise(m.path.string()).c_str(),
                m.complete ? "" : " (a part; rwkv pull goes on)");
  return 0;
}

int remove_model(const std::string& name) {
  const Cache cache = Cache::of_user();
  const std::vector<CachedModel> found = cache.find(name);
  if (found.empty())
    throw Failure(name + ": no such model in " + cache.folder().string() + " (rwkv list)");
  std::string list;
  for (const CachedModel& model : found)
    if (model.name != found.front().name) list += ", " + model.name;
  if (!list.empty()) throw Failure(name + ": several pulled models: " + found.front().name + list);
  for (const CachedModel& model : found) {
    cache.remove(model);
    std::printf("removed %s\n", model.path.c_str());
  }
  return 0;
}

std::string find_model(const Options& options) {
  if (!options.hf.empty()) {
    const Source source = source_of_hf_option(options.hf);
    PullOptions pull_options;
    pull_options.quiet = options.quiet;
    // With a file or a quantization that is there already, nothing is asked over the network.
    const auto found = Cache::of_user().find(to_text(source));
    if (!found.empty() &&
        std::all_of(found.begin(), found.end(), [](const CachedModel& m) { return m.complete; }))
      return found.front().path.string();
    catch_interrupt();
    return pull_all(source, pull_options).front().string();
  }
  const std::string& text = options.model;
  std::error_code none;
  if (text.empty() || fs::exists(text, none)) return text;
  if (!has_address(text) && text.find('/') != std::string::npos)
    return text;  // a path: opening it says why not
  Source source;
  try {
    source = parse_source(text);
  } catch (const Failure&) {
    return text;
  }
  std::vector<CachedModel> found = Cache::of_user().find(text);
  const bool in_catalogue = source.hub == Hub::kCatalogue && Catalogue::built_in().has(source.name);
  if (found.empty() && in_catalogue) {  // an alias
    const std::string quant = source.quant.empty() ? "" : ":" + source.quant;
    found = Cache::of_user().find(Catalogue::built_in().at(source.name).name + quant);
  }
  if (!found.empty()) return only_path(found, text);
  if (in_catalogue || has_address(text))
    throw Failure(text + ": not pulled yet: rwkv pull " + text);
  return text;
}

}  // namespace command
