// GGUF v3. Offsets follow each other in file order with 32 bytes of alignment, as ggml's reader
// insists.
#include <algorithm>
#include <limits>
#include <memory>

#include "base/atomic_file.h"
#include "base/byte_writer.h"
#include "base/error.h"
#include "formats/gguf_layout.h"
#include "formats/writers.h"

namespace rwkv {
namespace {

constexpr size_t kAlignment = 32, kMaxParts = 99999;

template <typename T>
bool fits(int64_t value) {
  return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
}

class GgufHeader {
  using enum gguf::ValueType;

 public:
  void string(std::string_view text) {
    out_.number<uint64_t>(text.size());
    out_.text(text);
  }
  void key(const std::string& key, uint32_t type) {
    string(key);
    out_.number(type);
  }
  void pair(const std::string& name, const MetaValue& value) {
    string(name);
    std::visit([&](const auto& v) { this->value(v); }, value);
  }
  ByteWriter& out() { return out_; }

 private:
  void value(bool v) {
    out_.number<uint32_t>(kBool);
    out_.number<uint8_t>(v ? 1 : 0);
  }
  void value(uint64_t v) {
    out_.number<uint32_t>(kU64);
    out_.number(v);
  }
  // Readers that look at the stored type want u32 for sizes, ids and ranks.
  void value(int64_t v) {
    if (fits<uint32_t>(v)) {
      out_.number<uint32_t>(kU32);
      out_.number(static_cast<uint32_t>(v));
    } else if (fits<int32_t>(v)) {
      out_.number<uint32_t>(kI32);
      out_.number(static_cast<int32_t>(v));
    } else {
      out_.number<uint32_t>(kI64);
      out_.number(v);
    }
  }
  void value(double v) {
    if (const auto narrow = static_cast<float>(v); static_cast<double>(narrow) == v) {
      out_.number<uint32_t>(kF32);
      out_.number(narrow);
    } else {
      out_.number<uint32_t>(kF64);
      out_.number(v);
    }
  }
  void value(const std::string& v) {
    out_.number<uint32_t>(kString);
    string(v);
  }
  void array(uint32_t type, size_t count) {
    out_.number<uint32_t>(kArray);
    out_.number(type);
    out_.number<uint64_t>(count);
  }
  void value(const std::vector<std::string>& list) {
    array(kString, list.size());
    for (const std::string& v : list) string(v);
  }
  void value(const std::vector<double>& list) {
    array(kF32, list.size());
    for (const double v : list) out_.number(static_cast<float>(v));
  }
  void value(const std::vector<int64_t>& list) {
    const bool narrow = std::all_of(list.begin(), list.end(), fits<int32_t>);
    array(narrow ? kI32 : kI64, list.size());
    for (const int64_t v : list)
      if (narrow)
        out_.number(static_cast<int32_t>(v));
      else
        out_.number(v);
  }

  ByteWriter out_;
};

size_t padded(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct Part {
  size_t no = 0, count = 1, n_tensor_total = 0;  // count > 1: keys split.* are written
};

ByteWriter header_of(const Metadata& meta, const std::vector<const TensorSpec*>& tensors,
                     const Part& part) {
  GgufHeader header;
  ByteWriter& out = header.out();
  out.text("GGUF");
  out.number<uint32_t>(3);
  out.number<uint64_t>(tensors.size());
  out.number<uint64_t>(meta.size() + (part.count > 1 ? 3 : 0));
  // The architecture first: some readers look for it there.
  if (const auto arch = meta.find("general.architecture"); arch != meta.end())
    header.pair(arch->first, arch->second);
  for (const auto& [key, value] : meta)
    if (key != "general.architecture") header.pair(key, value);
  if (part.count > 1) {
    header.key("split.no", gguf::kU16);
    out.number(static_cast<uint16_t>(part.no));
    header.key("split.count", gguf::kU16);
    out.number(static_cast<uint16_t>(part.count));
    header.key("split.tensors.count", gguf::kI32);
    out.number(static_cast<int32_t>(part.n_tensor_total));
  }
  size_t offset = 0;
  for (const TensorSpec* t : tensors) {
    const int id = info(t->dtype).gguf_id;
    if (id < 0 || t->name.size() > gguf::kMaxName || t->shape.size() > gguf::kMaxDims)
      throw Error(Code::kUnsupported, "tensor {}: {} {} cannot stand in a GGUF file", t->name,
                  name(t->dtype), to_string(t->shape));
    header.string(t->name);
    out.number(static_cast<uint32_t>(t->shape.size()));
    for (size_t i = t->shape.size(); i-- > 0;) out.number<uint64_t>(t->shape[i]);
    out.number(static_cast<uint32_t>(id));
    out.number<uint64_t>(offset);
    offset += padded(t->bytes());
  }
  out.pad(kAlignment);
  return out;
}

void write_part(AtomicFile& file, const Metadata& meta, const std::vector<TensorSpec>& tensors,
                const std::vector<size_t>& members, const Part& part, const TensorSource& source) {
  std::vector<const TensorSpec*> specs;
  for (const size_t i : members) specs.push_back(&tensors[i]);
  file.write(header_of(meta, specs, part).bytes());
  static constexpr std::byte kZeros[kAlignment] = {};
  for (const size_t i : members) {
    write_tensor(file, tensors[i], i, source);
    const size_t bytes = tensors[i].bytes();
    file.write({kZeros, padded(bytes) - bytes});
  }
}

}  // namespace

std::string gguf_part_path(const std::string& path, size_t no, size_t count) {
  const auto five = [](size_t n) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  const std::string stem = path.ends_with(".gguf") ? path.substr(0, path.size() - 5) : path;
  return stem + "-" + five(no + 1) + "-of-" + five(count) + ".gguf";
}

void write_tensor(AtomicFile& file, const TensorSpec& tensor, size_t index,
                  const TensorSource& source) {
  size_t written = 0;
  source(index, [&](std::span<const std::byte> bytes) {
    file.write(bytes);
    written += bytes.size();
  });
  RWKV_CHECK(written == tensor.bytes());
}

size_t gguf_header_bytes(const Metadata& meta, const std::vector<TensorSpec>& tensors) {
  std::vector<const TensorSpec*> specs;
  for (const TensorSpec& t : tensors) specs.push_back(&t);
  return header_of(meta, specs, {}).size();
}

void write_gguf(const std::string& path, const Metadata& meta,
                const std::vector<TensorSpec>& tensors, const TensorSource& source) {
  std::vector<size_t> all(tensors.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  AtomicFile file(path);
  write_part(file, meta, tensors, all, {}, source);
  file.commit();
}

std::vector<std::string> write_gguf_parts(const std::string& path, const Metadata& meta,
                                          const std::vector<TensorSpec>& tensors,
                                          const std::vector<size_t>& part_of, size_t n_part,
                                          const TensorSource& source) {
  RWKV_CHECK(part_of.size() == tensors.size() && n_part > 0 && n_part <= kMaxParts);
  std::vector<std::string> paths;
  std::vector<std::unique_ptr<AtomicFile>> files;  // all or none
  for (size_t no = 0; no < n_part; ++no) {
    std::vector<size_t> members;
    for (size_t i = 0; i < tensors.size(); ++i)
      if (part_of[i] == no) members.push_back(i);
    paths.push_back(gguf_part_path(path, no, n_part));
    files.push_back(std::make_unique<AtomicFile>(paths.back()));
    write_part(*files.back(), no == 0 ? meta : Metadata(), tensors, members,
               {no, n_part, tensors.size()}, source);
  }
  for (const auto& file : files) file->commit();
  return paths;
}

}  // namespace rwkv
