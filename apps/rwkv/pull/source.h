// What a user may write after `rwkv pull`, `-hf` and `-m`, and the addresses that it stands for.
//
//   rwkv7-g1d-0.4b            a name of the catalogue (data/models.json)
//   rwkv7-g1d-0.4b:q8_0       the same with a quantization
//   hf:OWNER/REPO/PATH/FILE   a file on Hugging Face; @REVISION may follow REPO
//   hf:OWNER/REPO[:QUANT]     the GGUF of a Hugging Face repository, as -hf OWNER/REPO[:QUANT]
//   ms:OWNER/REPO/PATH/FILE   a file on ModelScope
//   https://HOST/PATH/FILE    any address
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace command {

enum class Hub { kCatalogue, kHuggingFace, kModelScope, kAddress };

struct Source {
  Hub hub = Hub::kCatalogue;
  std::string name{};      // kCatalogue: the name; kAddress: the address
  std::string repo{};      // OWNER/REPO of a hub
  std::string revision{};  // "main" (Hugging Face) and "master" (ModelScope) unless given
  std::string file{};      // path in the repository; empty: to be chosen by `quant`
  std::string quant{};     // lower case; empty: the default
  bool operator==(const Source&) const = default;
};

std::string lower(std::string_view text);  // ASCII

// Failure with what is wrong and what is expected. Paths that leave their folder are refused.
Source parse_source(std::string_view text);
std::string to_text(const Source& source);  // parse_source(to_text(s)) == s

struct Endpoints {
  std::string hugging_face = "https://huggingface.co";
  std::string model_scope = "https://modelscope.cn";
};
Endpoints endpoints_from_environment();  // HF_ENDPOINT, MODELSCOPE_ENDPOINT

std::string file_address(const Source& source, const Endpoints& endpoints);
// The address that lists a repository's files as JSON.
std::string list_address(const Source& source, const Endpoints& endpoints);

// Where a file lies below the cache folder: hf/OWNER/REPO/PATH/FILE, url/HOST/PATH/FILE.
std::string cache_place(const Source& source);

// Picks the .gguf files of one quantization out of a repository's files: `quant` if given, else
// Q8_0, else Q4_K_M, else the only one. All parts of a split file come back, in order.
std::vector<std::string> choose_gguf(const std::string& repo, const std::vector<std::string>& files,
                                     const std::string& quant);

}  // namespace command
