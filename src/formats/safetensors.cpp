// safetensors: eight bytes of header length, a JSON object {name: {dtype, shape, data_offsets}},
// then the bytes, without holes. "__metadata__" holds strings.
#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/byte_reader.h"
#include "base/json.h"
#include "formats/formats.h"

namespace rwkv {
namespace {

constexpr size_t kMaxHeader = 100'000'000;  // the limit of the format's own reader
constexpr size_t kMaxJsonDepth = 3;  // {name: {"shape": [...]}} has two levels below the root

struct TypeRow {
  std::string_view name;
  DType dtype;
};
constexpr TypeRow kTypeRows[] = {
    {"F64", DType::kF64}, {"F32", DType::kF32}, {"F16", DType::kF16}, {"BF16", DType::kBF16},
    {"I64", DType::kI64}, {"I32", DType::kI32}, {"I16", DType::kI16}, {"I8", DType::kI8},
    {"U8", DType::kU8},   {"BOOL", DType::kU8},
};

struct Entry {
  std::string_view name;
  DType dtype;
  Shape shape;
  uint64_t begin, end;
};

class SafetensorsReader {
 public:
  SafetensorsReader(std::span<const std::byte> bytes, TensorFile& out)
      : bytes_(bytes, out.path()), out_(out) {}

  void read() {
    const auto size = bytes_.number<uint64_t>("the header's length");
    if (size < 2 || size > kMaxHeader)
      fail("a header of {} bytes, expected 2 to {}", size, kMaxHeader);
    const auto text = bytes_.text(size, "the header");
    if (text[0] != '{') fail("byte 8: expected '{'");
    const Json header = Json::parse(text, out_.path(), kMaxJsonDepth);
    for (const auto& [name, value] : header.object()) {
      if (name == "__metadata__")
        metadata(value);
      else
        entries_.push_back(entry(name, value));
    }
    add_all(bytes_.take(bytes_.left(), "the tensors"));
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail(std::string_view text, const Args&... args) const {
    throw Error(Code::kFormat, "{}: {}", out_.path(), strf(text, args...));
  }

  void metadata(const Json& value) {
    if (!value.is(Json::Kind::kObject)) fail("__metadata__: expected an object of strings");
    for (const auto& [key, item] : value.object()) {
      if (!item.is(Json::Kind::kString))
        fail("__metadata__: {}: expected a string", json_quote(key));
      out_.meta()["safetensors." + key] = item.string();
    }
  }

  Entry entry(const std::string& name, const Json& value) const {
    if (name.empty() || name.find('\0') != std::string::npos)
      fail("a tensor without a proper name");
    const Json* dtype = value.find("dtype");
    const Json* shape = value.find("shape");
    const Json* offsets = value.find("data_offsets");
    if (!dtype || !shape || !offsets || value.object().size() != 3 ||
        !dtype->is(Json::Kind::kString) || !shape->is(Json::Kind::kArray) ||
        !offsets->is(Json::Kind::kArray) || offsets->array().size() != 2)
      fail(
          "tensor {}: expected {\"dtype\": text, \"shape\": [...], \"data_offsets\": [begin, end]}",
          name);
    Entry out{name, type(name, dtype->string()), {}, 0, 0};
    for (const Json& size : shape->array()) out.shape.push_back(whole(name, "shape", size));
    out.begin = whole(name, "data_offsets", offsets->array()[0]);
    out.end = whole(name, "data_offsets", offsets->array()[1]);
    if (out.end < out.begin)
      fail("tensor {}: data_offsets [{}, {}] run backwards", name, out.begin, out.end);
    return out;
  }
  DType type(const std::string& name, const std::string& text) const {
    for (const TypeRow& row : kTypeRows)
      if (row.name == text) return row.dtype;
    throw Error(Code::kUnsupported, "{}: tensor {}: element type {} is not read here", out_.path(),
                name, json_quote(text.substr(0, 40)));
  }
  // Digits only: "1.0" and "1e3" are JSON numbers, but no sizes.
  uint64_t whole(const std::string& name, std::string_view what, const Json& value) const {
    uint64_t number = 0;
    if (value.is(Json::Kind::kNumber)) {
      const std::string& text = value.number_text();
      const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
      if (result.ec == std::errc() && result.ptr == text.data() + text.size()) return number;
    }
    fail("tensor {}: expected whole numbers from 0 to 2^64 in {}", name, what);
  }

  // The header may name the tensors in any order; their bytes follow each other.
  void add_all(std::span<const std::byte> data) {
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    uint64_t at = 0;
    for (Entry& entry : entries_) {
      if (entry.begin != at)
        fail("tensor {}: its bytes begin at {}, expected {} ({})", entry.name, entry.begin, at,
             entry.begin < at ? "two tensors overlap" : "a hole");
      if (entry.end > data.size())
        fail("tensor {}: its bytes end at {}, the file has {} after the header", entry.name,
             entry.end, data.size());
      out_.add_tensor({std::string(entry.name), entry.dtype, std::move(entry.shape),
                       data.subspan(entry.begin, entry.end - entry.begin)});
      at = entry.end;
    }
    if (at != data.size()) fail("{} bytes after the last tensor", data.size() - at);
  }

  ByteReader bytes_;
  TensorFile& out_;
  std::vector<Entry> entries_;
};

}  // namespace

std::unique_ptr<TensorFile> read_safetensors(const std::string& path,
                                             std::shared_ptr<MappedFile> map) {
  auto out = std::make_unique<TensorFile>(path, "safetensors");
  SafetensorsReader(map->bytes(), *out).read();
  out->add_map(std::move(map));
  return out;
}

}  // namespace rwkv
