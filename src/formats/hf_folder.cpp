// A Hugging Face folder: config.json, and the weights as one file or as shards with an index that
// says which shard holds which tensor. The first of these that is there counts: model.safetensors,
// its index, the only
// *.safetensors of another name, pytorch_model.bin, its index.
#include <charconv>
#include <filesystem>
#include <set>
#include <system_error>

#include "base/error.h"
#include "base/json.h"
#include "formats/formats.h"

namespace rwkv {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxConfig = size_t{16} << 20;
constexpr size_t kMaxIndex = size_t{100} << 20;

using Reader = std::unique_ptr<TensorFile> (*)(const std::string&, std::shared_ptr<MappedFile>);

std::string join(const std::string& folder, const std::string& name) {
  return folder + (folder.ends_with('/') ? "" : "/") + name;
}

Json read_json(const std::string& path, size_t limit) {
  const auto map = MappedFile::open(path);
  const auto bytes = map->bytes();
  if (bytes.size() > limit)
    throw Error(Code::kFormat, "{}: {} bytes, the limit is {}", path, bytes.size(), limit);
  Json json = Json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
  if (!json.is(Json::Kind::kObject)) throw Error(Code::kFormat, "{}: expected a JSON object", path);
  return json;
}

class HfFolder {
 public:
  explicit HfFolder(const std::string& path) : path_(path) {}

  std::unique_ptr<TensorFile> read() {
    list();
    if (!files_.contains("config.json"))
      throw Error(Code::kMissing, "{}: a folder without config.json, expected a Hugging Face model",
                  path_);
    const Json config = read_json(join(path_, "config.json"), kMaxConfig);
    std::unique_ptr<TensorFile> out = weights();
    add_config(config, *out);
    for (const std::string& name : files_)
      if (is_companion(name)) out->meta()["folder." + name] = join(path_, name);
    return out;
  }

 private:
  void list() {
    std::error_code error;
    for (fs::directory_iterator at(path_, error), end; !error && at != end; at.increment(error))
      files_.insert(at->path().filename().string());
    if (error) throw Error(Code::kIo, "{}: the folder cannot be read: {}", path_, error.message());
  }

  static bool is_companion(const std::string& name) {
    return name == "tokenizer.json" || name == "tokenizer_config.json" || (name.starts_with("rwkv_vocab") && name.ends_with(".txt"));
  }

  std::unique_ptr<TensorFile> weights() const {
    if (files_.contains("model.safetensors")) return single("model.safetensors", read_safetensors);
    if (files_.contains("model.safetensors.index.json"))
      return shards("model.safetensors.index.json", ".safetensors", read_safetensors,
                    "safetensors");
    std::vector<std::string> others;
    for (const std::string& name : files_)
      if (name.ends_with(".safetensors")) others.push_back(name);
    if (others.size() == 1) return single(others[0], read_safetensors);
    if (files_.contains("pytorch_model.bin")) return single("pytorch_model.bin", read_pth);
    if (files_.contains("pytorch_model.bin.index.json"))
      return shards("pytorch_model.bin.index.json", ".bin", read_pth, "pth");
    if (!others.empty())
      throw Error(Code::kMissing,
                  "{}: {} *.safetensors files ({}, {} ...) and no model.safetensors.index.json",
                  path_, others.size(), others[0], others[1]);
    throw Error(Code::kMissing,
                "{}: no weights, expected model.safetensors, its index, or pytorch_model.bin",
                path_);
  }

  std::unique_ptr<TensorFile> single(const std::string& name, Reader reader) const {
    auto out = std::make_unique<TensorFile>(path_, reader == read_pth ? "pth" : "safetensors");
    const std::string path = join(path_, name);
    append(*reader(path, MappedFile::open(path)), *out);
    return out;
  }
  static void append(TensorFile& part, TensorFile& out) {
    for (const Tensor& tensor : part.tensors()) out.add_tensor(tensor);
    for (const auto& map : part.maps()) out.add_map(map);
    out.meta().insert(part.meta().begin(), part.meta().end());
  }

  std::unique_ptr<TensorFile> shards(const std::string& index, std::string_view suffix,
                                     Reader reader, const std::string& format) const {
    const std::string index_path = join(path_, index);
    const Json json = read_json(index_path, kMaxIndex);
    const Json* map = json.find("weight_map");
    if (!map || !map->is(Json::Kind::kObject) || map->object().empty())
      throw Error(Code::kFormat, "{}: expected \"weight_map\": {tensor: file}", index_path);
    std::map<std::string, std::set<std::string_view>> listed;  // shard -> its tensors
    for (const auto& [tensor, shard] : map->object()) {
      if (!shard.is(Json::Kind::kString))
        throw Error(Code::kFormat, "{}: tensor {}: expected a file name", index_path, tensor);
      check_shard_name(index_path, shard.string(), suffix);
      listed[shard.string()].insert(tensor);
    }
    auto out = std::make_unique<TensorFile>(path_, format);
    for (const auto& [shard, tensors] : listed) {
      if (!files_.contains(shard))
        throw Error(Code::kMissing, "{}: the index names {}, which is not in the folder", path_,
                    shard);
      const std::string path = join(path_, shard);
      const auto part = reader(path, MappedFile::open(path));
      for (const std::string_view tensor : tensors)
        if (!part->find(tensor))
          throw Error(Code::kMissing, "{}: no tensor {}, which the index puts there", path, tensor);
      for (const Tensor& tensor : part->tensors())
        if (!tensors.contains(tensor.name))
          throw Error(Code::kFormat, "{}: tensor {} is here, but the index does not put it there",
                      path, tensor.name);
      append(*part, *out);
    }
    return out;
  }
  // A shard lies in the folder itself; no index leads out of it.
  static void check_shard_name(const std::string& index, const std::string& name,
                               std::string_view suffix) {
    if (!name.ends_with(suffix) ||
        name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
      throw Error(Code::kFormat, "{}: shard {}: expected a plain file name that ends in {}", index,
                  json_quote(name.substr(0, 200)), suffix);
  }

  void add_config(const Json& config, TensorFile& out) const {
    for (const auto& [key, value] : config.object()) {
      const std::string name = "config." + key;
      switch (value.kind()) {
        case Json::Kind::kBool: out.meta()[name] = value.boolean(); break;
        case Json::Kind::kString: out.meta()[name] = value.string(); break;
        case Json::Kind::kNumber: out.meta()[name] = number(key, value); break;
        default: break;
      }
    }
  }
  // Written as a whole number: kept as one.
  MetaValue number(const std::string& key, const Json& value) const {
    const std::string& text = value.number_text();
    const char* const end = text.data() + text.size();
    int64_t whole = 0;
    const auto result = std::from_chars(text.data(), end, whole);
    if (result.ec == std::errc() && result.ptr == end) return whole;
    double real = 0;
    if (std::from_chars(text.data(), end, real).ec != std::errc())
      throw Error(Code::kFormat, "{}: {}: the number lies outside of double's range",
                  join(path_, "config.json"), json_quote(key));
    return real;
  }

  std::string path_;
  std::set<std::string> files_;
};

}  // namespace

std::unique_ptr<TensorFile> read_hf_folder(const std::string& path) {
  return HfFolder(path).read();
}

std::string tokenizer_in_folder(const TensorFile& file) {
  std::string json;
  for (const auto& [key, value] : file.meta()) {
    if (key.rfind("folder.rwkv_vocab", 0) == 0) return std::get<std::string>(value);
    if (key == "folder.tokenizer.json") json = std::get<std::string>(value);
  }
  return json;
}

}  // namespace rwkv
