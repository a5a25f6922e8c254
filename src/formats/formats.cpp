// The probe table: which reader a file's first bytes ask for. To add a format: a reader, a row here.
#include "formats/formats.h"

#include <sys/stat.h>

#include <cstring>

#include "base/byte_reader.h"
#include "base/error.h"

namespace rwkv {
namespace {

using Bytes = std::span<const std::byte>;

bool is_gguf(Bytes bytes) { return starts_with(bytes, "GGUF"); }
bool is_ggmf(Bytes bytes) { return starts_with(bytes, "fmgg"); }
bool is_pth(Bytes bytes) {
  return starts_with(bytes, std::string_view("PK\3\4", 4)) || starts_with(bytes, "\x80\2\x8a\x0a");
}
// Eight bytes of header length, then a JSON object.
bool is_safetensors(Bytes bytes) {
  if (bytes.size() < 10) return false;
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  return static_cast<char>(bytes[8]) == '{' && header < uint64_t{1} << 40;
}

struct Format {
  bool (*probe)(Bytes);
  std::unique_ptr<TensorFile> (*read)(const std::string&, std::shared_ptr<MappedFile>);
};
constexpr Format kFormats[] = {
    {is_gguf, read_gguf},
    {is_ggmf, read_ggmf},
    {is_pth, read_pth},
    {is_safetensors, read_safetensors},
};

}  // namespace

std::unique_ptr<TensorFile> open_tensor_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return read_hf_folder(path);
  auto map = MappedFile::open(path);
  for (const Format& format : kFormats)
    if (format.probe(map->bytes())) return format.read(path, std::move(map));
  const bool ggml = starts_with(map->bytes(), "lmgg") || starts_with(map->bytes(), "tjgg");
  const bool state = starts_with(map->bytes(), "RWKVSTAT");
  throw Error(Code::kUnsupported, "{}: {}; expected GGUF, PyTorch .pth (zip), safetensors or rwkv.cpp .bin",
              path,
              ggml    ? "an old ggml or ggjt file, which nothing reads today"
              : state ? "the state of a conversation, not a model file"
                      : "not a model file");
}

}  // namespace rwkv
