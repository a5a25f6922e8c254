// GGUF v2 and v3, one file or split in shards. Layout: docs/formats.md and ggml's gguf specification.
#include <algorithm>
#include <array>
#include <bit>

#include "base/byte_reader.h"
#include "base/utf8.h"
#include "formats/formats.h"
#include "formats/gguf_layout.h"

namespace rwkv {
namespace {

constexpr size_t kMaxKey = 65535;
constexpr size_t kMaxString = size_t{1} << 30;
constexpr size_t kMaxArray = size_t{1} << 24;  // values; the largest there is are vocabularies
constexpr std::array<size_t, gguf::kValueTypes> kValueBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};

// Names for the refusal of types that exist but are not run here.
std::string type_name(uint32_t id) {
  switch (id) {
    case 4: return "Q4_2 (retired)";
    case 5: return "Q4_3 (retired)";
    case 9: return "Q8_1";
    case 15: return "Q8_K";
    case 31: case 32: case 33: return "Q4_0_4_4 or a relative (retired)";
    case 36: case 37: case 38: return "IQ4_NL_4_4 or a relative (retired)";
    default: return "unknown";
  }
}

class GgufReader {
  using enum gguf::ValueType;

 public:
  GgufReader(std::string path, std::shared_ptr<MappedFile> map, TensorFile& out)
      : path_(std::move(path)), map_(std::move(map)), bytes_(map_->bytes(), path_), out_(out) {}

  void read_meta(std::map<std::string, MetaValue>& meta) {
    header();
    for (uint64_t i = 0; i < n_meta_; ++i) metadata_pair(meta);
  }
  // Afterwards, with the same `meta`.
  void read_tensors(const std::map<std::string, MetaValue>& meta) {
    uint64_t alignment = 32;
    if (const auto found = meta.find("general.alignment"); found != meta.end()) {
      const auto* value = std::get_if<int64_t>(&found->second);
      if (!value || *value < 8 || *value > 65536 || !std::has_single_bit(static_cast<uint64_t>(*value)))
        throw Error(Code::kFormat, "{}: key general.alignment: expected a power of two from 8 to 65536",
                    path_);
      alignment = static_cast<uint64_t>(*value);
    }
    tensors(alignment);
    out_.add_map(map_);
  }

 private:
  void header() {
    const auto magic = bytes_.text(4, "the magic \"GGUF\"");
    if (magic != "GGUF")
      throw Error(Code::kFormat, "{}: byte 0: expected the magic \"GGUF\"", path_);
    const auto version = bytes_.number<uint32_t>("the version");
    if ((version & 0xffffu) == 0 && version != 0)
      throw Error(Code::kUnsupported, "{}: a big-endian GGUF file; expected little-endian", path_);
    if (version != 2 && version != 3)
      throw Error(Code::kUnsupported, "{}: GGUF version {}, expected 2 or 3", path_, version);
    n_tensor_ = bytes_.number<uint64_t>("the number of tensors");
    n_meta_ = bytes_.number<uint64_t>("the number of metadata pairs");
    // The smallest tensor entry takes 25 bytes, the smallest pair 14.
    if (n_tensor_ > bytes_.left() / 25 || n_meta_ > bytes_.left() / 14)
      throw Error(Code::kFormat, "{}: {} tensors and {} metadata pairs do not fit into {} bytes", path_,
                  n_tensor_, n_meta_, bytes_.left());
  }

  std::string string(std::string_view what, size_t limit) {
    const auto size = bytes_.number<uint64_t>(what);
    if (size > limit || size > bytes_.left())
      throw Error(Code::kFormat, "{}: byte {}: {} of {} bytes, {} bytes are left and {} is the limit",
                  path_, bytes_.at(), what, size, bytes_.left(), limit);
    return std::string(bytes_.text(size, what));
  }
  std::string name(std::string_view what, size_t limit) {
    std::string value = string(what, limit);
    if (value.empty() || !is_valid_utf8(value) || value.find('\0') != std::string::npos)
      throw Error(Code::kFormat, "{}: byte {}: expected {} in UTF-8 that is not empty", path_,
                  bytes_.at(), what);
    return value;
  }

  void metadata_pair(std::map<std::string, MetaValue>& meta) {
    std::string key = name("a metadata key", kMaxKey);
    MetaValue value = scalar_or_array(key, bytes_.number<uint32_t>("a value type"));
    if (!meta.emplace(key, std::move(value)).second)
      throw Error(Code::kFormat, "{}: metadata key {} stands in the file twice", path_, key);
  }

  MetaValue scalar_or_array(const std::string& key, uint32_t type) {
    switch (type) {
      case kString: return string("a string", kMaxString);
      case kArray: return array(key);
      case kBool: return bool_value();
      case kF32: case kF64: return float_value(type);
      case kU64: return bytes_.number<uint64_t>("a value");
      default: return int_value(key, type);
    }
  }
  bool bool_value() { return bytes_.number<uint8_t>("a truth value") != 0; }
  double float_value(uint32_t type) {
    if (type == kF64) return bytes_.number<double>("a value");
    return static_cast<double>(bytes_.number<float>("a value"));
  }
  int64_t int_value(const std::string& key, uint32_t type) {
    switch (type) {
      case kU8: return bytes_.number<uint8_t>("a value");
      case kI8: return bytes_.number<int8_t>("a value");
      case kU16: return bytes_.number<uint16_t>("a value");
      case kI16: return bytes_.number<int16_t>("a value");
      case kU32: return bytes_.number<uint32_t>("a value");
      case kI32: return bytes_.number<int32_t>("a value");
      case kU64: return static_cast<int64_t>(bytes_.number<uint64_t>("a value"));
      case kI64: return bytes_.number<int64_t>("a value");
      default:
        throw Error(Code::kFormat, "{}: key {}: value type {}, expected 0 to 12", path_, key, type);
    }
  }

  MetaValue array(const std::string& key) {
    const auto type = bytes_.number<uint32_t>("an element type");
    const auto count = bytes_.number<uint64_t>("an array's length");
    if (type >= kValueTypes || type == kArray)
      throw Error(Code::kFormat, "{}: key {}: array of type {}, expected numbers or strings", path_, key,
                  type);
    if (count > kMaxArray || count > bytes_.left() / kValueBytes[type])
      throw Error(Code::kFormat, "{}: key {}: an array of {} elements does not fit into {} bytes", path_,
                  key, count, bytes_.left());
    if (type == kString) {
      std::vector<std::string> values;
      values.reserve(count);
      for (uint64_t i = 0; i < count; ++i) values.push_back(string("a string", kMaxString));
      return values;
    }
    if (type == kF32 || type == kF64) {
      std::vector<double> values(count);
      for (double& value : values) value = float_value(type);
      return values;
    }
    std::vector<int64_t> values(count);
    for (int64_t& value : values) value = type == kBool ? bool_value() : int_value(key, type);
    return values;
  }

  struct Entry {
    Tensor tensor;
    uint64_t offset = 0, bytes = 0;
  };

  Entry tensor_entry() {
    Entry entry;
    entry.tensor.name = name("a tensor name", gguf::kMaxName);
    const auto n_dim = bytes_.number<uint32_t>("the number of dimensions");
    if (n_dim > gguf::kMaxDims)
      throw Error(Code::kFormat, "{}: tensor {}: {} dimensions, expected at most {}", path_,
                  entry.tensor.name, n_dim, gguf::kMaxDims);
    size_t count = 1;
    for (uint32_t i = 0; i < n_dim; ++i) {
      const auto size = bytes_.number<uint64_t>("a dimension");
      if (size == 0 || size >> 63 || __builtin_mul_overflow(count, size, &count))
        throw Error(Code::kFormat, "{}: tensor {}: dimension {} is {}, expected 1 or more and a product "
                    "below 2^64", path_, entry.tensor.name, i, size);
      entry.tensor.shape.insert(entry.tensor.shape.begin(), size);
    }
    const auto type = bytes_.number<uint32_t>("a tensor type");
    const DTypeInfo* dtype = find_dtype_by_gguf_id(type);
    if (!dtype)
      throw Error(Code::kUnsupported, "{}: tensor {}: type {} ({}) can't be run; see docs/status.md", path_,
                  entry.tensor.name, type, type_name(type));
    entry.tensor.dtype = dtype->dtype;
    const size_t width = n_dim == 0 ? 1 : entry.tensor.shape.back();
    if (width % dtype->block_values != 0 ||
        __builtin_mul_overflow(count / dtype->block_values, dtype->block_bytes, &entry.bytes))
      throw Error(Code::kFormat, "{}: tensor {}: {} {}, expected rows of whole blocks of {}", path_,
                  entry.tensor.name, dtype->name, to_string(entry.tensor.shape), dtype->block_values);
    entry.offset = bytes_.number<uint64_t>("a tensor's offset");
    return entry;
  }

  void tensors(uint64_t alignment) {
    std::vector<Entry> entries;
    entries.reserve(n_tensor_);
    for (uint64_t i = 0; i < n_tensor_; ++i) entries.push_back(tensor_entry());
    if (entries.empty()) return;
    const auto all = map_->bytes();
    const size_t start = (bytes_.at() + alignment - 1) / alignment * alignment;
    for (Entry& entry : entries) {
      const size_t room = start <= all.size() ? all.size() - start : 0;
      if (entry.offset % alignment != 0 || entry.offset > room || entry.bytes > room - entry.offset)
        throw Error(Code::kFormat, "{}: tensor {}: {} bytes at offset {}, expected a multiple of {} within "
                    "the {} bytes of data (is the file cut?)", path_, entry.tensor.name, entry.bytes,
                    entry.offset, alignment, room);
      entry.tensor.bytes = all.subspan(start + entry.offset, entry.bytes);
    }
    check_overlap(entries);
    for (Entry& entry : entries) out_.add_tensor(std::move(entry.tensor));
  }

  void check_overlap(const std::vector<Entry>& entries) const {
    std::vector<const Entry*> order;
    for (const Entry& entry : entries) order.push_back(&entry);
    std::sort(order.begin(), order.end(),
              [](const Entry* a, const Entry* b) { return a->offset < b->offset; });
    for (size_t i = 1; i < order.size(); ++i)
      if (order[i]->offset < order[i - 1]->offset + order[i - 1]->bytes)
        throw Error(Code::kFormat, "{}: tensors {} and {} overlap", path_, order[i - 1]->tensor.name,
                    order[i]->tensor.name);
  }

  std::string path_;
  std::shared_ptr<MappedFile> map_;
  ByteReader bytes_;
  TensorFile& out_;
  uint64_t n_tensor_ = 0, n_meta_ = 0;
};

int64_t split_number(const std::map<std::string, MetaValue>& meta, const std::string& key,
                     const std::string& path) {
  const auto found = meta.find(key);
  if (found == meta.end()) return 0;
  const auto* value = std::get_if<int64_t>(&found->second);
  if (!value || *value < 0)
    throw Error(Code::kFormat, "{}: key {}: expected a whole number", path, key);
  return *value;
}

// "dir/model-00002-of-00003.gguf" with another number in its place.
std::string shard_path(const std::string& path, int64_t number, int64_t count) {
  const auto five = [](int64_t n) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  const std::string tail = "-of-" + five(count) + ".gguf";
  const size_t cut = tail.size() + 6;  // "-00002" stands before it
  if (path.size() < cut || path.compare(path.size() - tail.size(), tail.size(), tail) != 0)
    throw Error(Code::kFormat, "{}: part of {} files, expected a name that ends in -00001{}", path, count,
                tail);
  return path.substr(0, path.size() - cut) + "-" + five(number) + tail;
}

}  // namespace

std::unique_ptr<TensorFile> read_gguf(const std::string& path, std::shared_ptr<MappedFile> map) {
  auto file = std::make_unique<TensorFile>(path, "gguf");
  std::map<std::string, MetaValue> meta;
  GgufReader reader(path, std::move(map), *file);
  reader.read_meta(meta);
  reader.read_tensors(meta);
  const int64_t count = split_number(meta, "split.count", path);
  const int64_t given = split_number(meta, "split.no", path);
  if (count > 99999 || (count > 1 && given >= count))
    throw Error(Code::kFormat, "{}: part {} of {} parts", path, given + 1, count);
  if (given == 0) file->meta() = meta;
  for (int64_t no = 0; count > 1 && no < count; ++no) {
    if (no == given) continue;
    const std::string shard = shard_path(path, no + 1, count);
    std::map<std::string, MetaValue> shard_meta;
    GgufReader part(shard, MappedFile::open(shard), *file);
    part.read_meta(shard_meta);
    if (split_number(shard_meta, "split.no", shard) != no ||
        split_number(shard_meta, "split.count", shard) != count)
      throw Error(Code::kFormat, "{}: expected part {} of {} of {}", shard, no + 1, count, path);
    part.read_tensors(shard_meta);
    if (no == 0) file->meta() = std::move(shard_meta);
  }
  const int64_t total = split_number(file->meta(), "split.tensors.count", path);
  if (count > 1 && static_cast<size_t>(total) != file->tensors().size())
    throw Error(Code::kFormat, "{}: its {} parts hold {} tensors, expected {}", path, count,
                file->tensors().size(), total);
  return file;
}

}  // namespace rwkv
