// Files that hold a tokenizer: tokenizer.json, or a World vocabulary.
#include "base/error.h"
#include "base/mapped_file.h"
#include "tokenizers/tokenizer.h"

namespace rwkv {

std::string read_tokenizer_file(const std::string& path) {
  constexpr size_t kMaxBytes = size_t{64} << 20;
  const auto map = MappedFile::open(path);
  if (map->bytes().size() > kMaxBytes)
    throw Error(Code::kFormat, "{}: {} bytes, expected a tokenizer of at most {}", path, map->bytes().size(), kMaxBytes);
  return {reinterpret_cast<const char*>(map->bytes().data()), map->bytes().size()};
}

bool is_tokenizer_json(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.find('{'); }

}  // namespace rwkv
