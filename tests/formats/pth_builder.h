// Writers of small zip files, pickles and checkpoints, honest unless told to lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv::test {

using Bytes = std::vector<std::byte>;

inline Bytes to_bytes(std::string_view text) {
  Bytes bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}
template <typename T>
std::string le(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// What the two headers of an entry say; hooks change it before it is written.
struct ZipHeader {
  std::string name;
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0, packed = 0, size = 0, offset = 0;
  std::string extra;
};

class ZipBuilder {
 public:
  using Hook = std::function<void(ZipHeader&)>;
  bool zip64 = false;        // end records as torch writes them
  bool descriptors = false;  // sizes behind the content, as torch writes them
  bool wide_descriptors = false;
  size_t alignment = 1;
  std::string comment;
  // Lies in the end record: entries, directory bytes, directory offset.
  std::function<void(uint64_t& n, uint64_t& bytes, uint64_t& offset)> end_hook;

  ZipBuilder& add(const std::string& name, std::string_view content,
                  const Hook& local_hook = nullptr, const Hook& central_hook = nullptr) {
    ZipHeader header;
    header.name = name;
    header.crc = 0x12345678;  // nobody computes it
    header.packed = header.size = static_cast<uint32_t>(content.size());
    header.offset = static_cast<uint32_t>(out_.size());
    if (descriptors) header.flags = 0x0808;
    ZipHeader local = header;
    if (descriptors) local.crc = local.packed = local.size = 0;
    const size_t begin = out_.size() + 30 + name.size() + 4;
    if (alignment > 1) {
      const size_t pad = (alignment - begin % alignment) % alignment;
      local.extra = "FB" + le(static_cast<uint16_t>(pad)) + std::string(pad, 'Z');
    }
    if (local_hook) local_hook(local);
    out_ += "PK\3\4" + le(uint16_t{0}) + le(local.flags) + le(local.method) + le(uint32_t{0}) +
            le(local.crc) + le(local.packed) + le(local.size) +
            le(static_cast<uint16_t>(local.name.size())) +
            le(static_cast<uint16_t>(local.extra.size())) + local.name + local.extra;
    out_ += content;
    if (descriptors && wide_descriptors)
      out_ += "PK\7\x8" + le(header.crc) + le(uint64_t{header.packed}) + le(uint64_t{header.size});
    else if (descriptors)
      out_ += "PK\7\x8" + le(header.crc) + le(header.packed) + le(header.size);
    if (central_hook) central_hook(header);
    directory_ += "PK\1\2" + le(uint16_t{0}) + le(uint16_t{0}) + le(header.flags) +
                  le(header.method) + le(uint32_t{0}) + le(header.crc) + le(header.packed) +
                  le(header.size) + le(static_cast<uint16_t>(header.name.size())) +
                  le(static_cast<uint16_t>(header.extra.size())) + le(uint16_t{0}) +
                  le(uint16_t{0}) + le(uint16_t{0}) + le(uint32_t{0}) + le(header.offset) +
                  header.name + header.extra;
    ++n_entry_;
    return *this;
  }

  std::string text() const {
    uint64_t n = n_entry_, bytes = directory_.size(), offset = out_.size();
    if (end_hook) end_hook(n, bytes, offset);
    std::string out = out_ + directory_;
    if (zip64) {
      const uint64_t at = out.size();
      out += "PK\6\6" + le(uint64_t{44}) + le(uint16_t{45}) + le(uint16_t{45}) + le(uint32_t{0}) +
             le(uint32_t{0}) + le(n) + le(n) + le(bytes) + le(offset);
      out += "PK\6\7" + le(uint32_t{0}) + le(at) + le(uint32_t{1});
    }
    return out + "PK\5\6" + le(uint32_t{0}) + le(static_cast<uint16_t>(n)) +
           le(static_cast<uint16_t>(n)) + le(static_cast<uint32_t>(bytes)) +
           le(static_cast<uint32_t>(offset)) + le(static_cast<uint16_t>(comment.size())) + comment;
  }
  Bytes bytes() const { return to_bytes(text()); }

 private:
  std::string out_, directory_;
  size_t n_entry_ = 0;
};

// Pieces of a pickle; concatenated they are one.
namespace pickle {
inline std::string text(std::string_view value) {
  return "X" + le(static_cast<uint32_t>(value.size())) + std::string(value);
}
inline std::string integer(int64_t value) { return std::string("\x8a\x8", 2) + le(value); }
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string tuple(const std::vector<int64_t>& values) {
  std::string out = "(";
  for (const int64_t value : values) out += integer(value);
  return out + "t";
}
inline std::string storage(std::string_view type, std::string_view key, int64_t count) {
  return "(" + text("storage") + global("torch", type) + text(key) + text("cuda:0") +
         integer(count) + "tQ";
}
inline std::string tensor(const std::string& stored, int64_t offset,
                          const std::vector<int64_t>& size, const std::vector<int64_t>& stride) {
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + stored + integer(offset) +
         tuple(size) + tuple(stride) + "\x89" + global("collections", "OrderedDict") + ")RtR";
}
inline std::string dict(const std::string& items) { return "}(" + items + "u"; }
inline std::string whole(const std::string& body) { return "\x80\2" + body + "."; }
}  // namespace pickle

// A checkpoint as torch writes it: {"emb.weight": f32 [2, 3], "head.bias": bf16 [4], "epoch": 7}.
struct PthBuilder {
  std::string items = pickle::text("emb.weight") +
                      pickle::tensor(pickle::storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1}) +
                      pickle::text("head.bias") +
                      pickle::tensor(pickle::storage("BFloat16Storage", "1", 4), 0, {4}, {1}) +
                      pickle::text("epoch") + pickle::integer(7);
  std::string data_pkl;              // empty: a dict of `items`
  std::string byteorder = "little";  // empty: no such entry
  std::vector<std::string> storages = {std::string(24, 'a'), std::string(8, 'b')};

  std::string text() const {
    ZipBuilder zip;
    zip.zip64 = zip.descriptors = true;
    zip.alignment = 64;
    zip.add("model/data.pkl", data_pkl.empty() ? pickle::whole(pickle::dict(items)) : data_pkl);
    if (!byteorder.empty()) zip.add("model/byteorder", byteorder);
    for (size_t i = 0; i < storages.size(); ++i)
      zip.add("model/data/" + std::to_string(i), storages[i]);
    zip.add("model/version", "3\n");
    return zip.text();
  }
  Bytes bytes() const { return to_bytes(text()); }
};

// The sentence of the Error that f throws, "" when none.
template <typename E, typename F>
std::string sentence_of(const F& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace rwkv::test
