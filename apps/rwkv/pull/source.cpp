#include "source.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>

#include "failure.h"

namespace command {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

namespace {

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == by) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

// Each part becomes a folder or a file on this machine.
void check_part(std::string_view part, std::string_view text) {
  const bool plain = std::all_of(part.begin(), part.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '\\' && c != '/';
  });
  if (part.empty() || part[0] == '.' || part.size() > 200 || !plain)
    throw Failure(std::string(text) + ": \"" + std::string(part) + "\" cannot be part of a name");
}

std::string percent_encoded(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (std::isalnum(static_cast<unsigned char>(c)) ||
        std::string_view("-._~/").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4];
      out += "0123456789ABCDEF"[c & 15];
    }
  }
  return out;
}

Source parse_hub(std::string_view text, Hub hub, std::string_view rest) {
  Source source{.hub = hub, .revision = hub == Hub::kModelScope ? "master" : "main"};
  const std::vector<std::string> parts = split(rest, '/');
  const char* expected =
      hub == Hub::kModelScope ? "ms:OWNER/REPO/FILE" : "hf:OWNER/REPO/FILE or hf:OWNER/REPO:QUANT";
  if (parts.size() < 2 || (hub == Hub::kModelScope && parts.size() < 3))
    throw Failure(std::string(text) + ": expected " + expected);
  std::string repo = parts[1];
  if (parts.size() == 2) {
    if (const size_t colon = repo.find(':'); colon != std::string::npos) {
      source.quant = lower(repo.substr(colon + 1));
      repo.resize(colon);
      check_part(source.quant, text);
    }
  }
  if (const size_t at = repo.find('@'); at != std::string::npos) {
    source.revision = repo.substr(at + 1);
    repo.resize(at);
    check_part(source.revision, text);
  }
  check_part(parts[0], text);
  check_part(repo, text);
  source.repo = parts[0] + "/" + repo;
  for (size_t i = 2; i < parts.size(); ++i) {
    check_part(parts[i], text);
    source.file += (i > 2 ? "/" : "") + parts[i];
  }
  return source;
}

std::string environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  std::string out = value && *value ? value : otherwise;
  if (out.find("://") == std::string::npos) out = "https://" + out;
  while (!out.empty() && out.back() == '/') out.pop_back();
  return out;
}

// model-00001-of-00003.gguf -> model.gguf
std::string without_part_number(const std::string& file) {
  const size_t n = file.size(), tail = std::string_view("-00001-of-00003.gguf").size();
  if (n <= tail) return file;
  for (size_t i = 0; i < tail; ++i) {
    const char want = "-00000-of-00000.gguf"[i], c = file[n - tail + i];
    if (want == '0' ? c < '0' || c > '9' : std::tolower(static_cast<unsigned char>(c)) != want)
      return file;
  }
  return file.substr(0, n - tail) + ".gguf";
}

// q4_k is in "model-q4_k.gguf" and not in "model-q4_k_m.gguf".
bool holds_word(const std::string& text, const std::string& word) {
  const auto of_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !of_word(text[at - 1])) && (end == text.size() || !of_word(text[end])))
      return true;
  }
  return false;
}

}  // namespace

Source parse_source(std::string_view text) {
  if (text.empty())
    throw Failure("no model is named: rwkv pull NAME (rwkv pull --list shows the names)");
  if (text.starts_with("hf:")) return parse_hub(text, Hub::kHuggingFace, text.substr(3));
  if (text.starts_with("ms:")) return parse_hub(text, Hub::kModelScope, text.substr(3));
  if (text.find("://") != std::string_view::npos) {
    Source source{.hub = Hub::kAddress, .name = std::string(text)};
    cache_place(source);  // its parts must be fit for names of files
    return source;
  }
  const size_t colon = text.find(':');
  Source source{.name = std::string(text.substr(0, colon))};
  if (source.name.find('/') != std::string::npos)
    throw Failure(std::string(text) +
                  ": neither a file nor a known form: hf:OWNER/REPO/FILE, "
                  "ms:OWNER/REPO/FILE, https://..., or a name of the catalogue");
  check_part(source.name, text);
  if (colon != std::string_view::npos) {
    source.quant = lower(text.substr(colon + 1));
    check_part(source.quant, text);
  }
  return source;
}

std::string to_text(const Source& source) {
  const std::string quant = source.quant.empty() ? "" : ":" + source.quant;
  if (source.hub == Hub::kAddress) return source.name;
  if (source.hub == Hub::kCatalogue) return source.name + quant;
  const bool modelscope = source.hub == Hub::kModelScope;
  const std::string revision =
      source.revision == (modelscope ? "master" : "main") ? "" : "@" + source.revision;
  return (modelscope ? "ms:" : "hf:") + source.repo + revision +
         (source.file.empty() ? quant : "/" + source.file);
}

Endpoints endpoints_from_environment() {
  const Endpoints usual;
  return {environment("HF_ENDPOINT", usual.hugging_face),
          environment("MODELSCOPE_ENDPOINT", usual.model_scope)};
}

std::string file_address(const Source& source, const Endpoints& endpoints) {
  if (source.hub == Hub::kAddress) return source.name;
  const std::string base =
      source.hub == Hub::kModelScope ? endpoints.model_scope + "/models" : endpoints.hugging_face;
  return base + "/" + percent_encoded(source.repo) + "/resolve/" +
         percent_encoded(source.revision) + "/" + percent_encoded(source.file);
}

std::string list_address(const Source& source, const Endpoints& endpoints) {
  if (source.hub == Hub::kModelScope)
    return endpoints.model_scope + "/api/v1/models/" + percent_encoded(source.repo) +
           "/repo/files?Recursive=true&Revision=" + percent_encoded(source.revision);
  return endpoints.hugging_face + "/api/models/" + percent_encoded(source.repo) + "/revision/" +
         percent_encoded(source.revision);
}

std::string cache_place(const Source& source) {
  if (source.hub == Hub::kAddress) {
    const std::string_view text = source.name;
    std::string_view rest = text.substr(text.find("://") + 3);
    rest = rest.substr(0, rest.find_first_of("?#"));
    const std::vector<std::string> parts = split(rest, '/');
    if (parts.size() < 2) throw Failure(source.name + ": the address names no file");
    std::string place = "url";
    for (const std::string& part : parts) {
      check_part(part, text);
      place += "/" + part;
    }
    return place;
  }
  const bool modelscope = source.hub == Hub::kModelScope;
  const std::string revision =
      source.revision == (modelscope ? "master" : "main") ? "" : "@" + source.revision;
  return (modelscope ? "ms/" : "hf/") + source.repo + revision + "/" + source.file;
}

std::vector<std::string> choose_gguf(const std::string& repo, const std::vector<std::string>& files,
                                     const std::string& quant) {
  std::map<std::string, std::vector<std::string>> models;  // name without part numbers -> files
  for (const std::string& file : files)
    if (lower(file).ends_with(".gguf") && lower(file).find("mmproj") == std::string::npos)
      models[without_part_number(file)].push_back(file);
  if (models.empty()) throw Failure(repo + ": no .gguf file in this repository");
  const auto with = [&](const std::string& word) {
    std::vector<std::string> names;
    for (const auto& [name, parts] : models)
      if (holds_word(lower(name), word)) names.push_back(name);
    return names;
  };
  std::vector<std::string> found;
  if (!quant.empty()) {
    found = with(lower(quant));
  } else {
    for (const char* usual : {"q8_0", "q4_k_m"})
      if (found.empty()) found = with(usual);
    if (found.empty())
      for (const auto& [name, parts] : models) found.push_back(name);
  }
  if (found.size() != 1) {
    std::string list;
    if (found.empty())
      for (const auto& [name, parts] : models) found.push_back(name);
    for (const std::string& name : found) list += (list.empty() ? "" : ", ") + name;
    throw Failure(
        repo + ": " +
        (quant.empty() ? "several files; name one" : "not exactly one file for \"" + quant + "\"") +
        " (hf:" + repo + "/FILE or :QUANT): " + list);
  }
  std::vector<std::string>& parts = models[found[0]];
  std::sort(parts.begin(), parts.end());
  return parts;
}

}  // namespace command
