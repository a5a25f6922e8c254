// PyTorch checkpoints (torch.save since 1.6): a zip of stored entries with <root>/data.pkl, a
// pickle that describes dicts of tensors, and <root>/data/<key>, the bytes of each storage. Tensors
// point into the map.
//
//   tensor = _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
//   storage = persistent id ("storage", torch.FloatStorage, key, device, number of values)
//
// Devices are ignored. Left out: the format before 1.6, sparse and quantized tensors, whole
// modules.
#include <array>
#include <cstring>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "formats/formats.h"
#include "formats/pickle.h"
#include "formats/zip.h"

namespace rwkv {
namespace {

using Id = Pickle::Id;
using Kind = Pickle::Kind;
using Use = PickleGlobal::Use;

constexpr size_t kMaxRank = 8;
constexpr size_t kMaxDepth = 16;  // of dicts, lists and tuples around a tensor
constexpr size_t kMaxPthName = 1024;
constexpr size_t kSharedVisits = size_t{1}
                                 << 20;  // values that may be met again through a shared dict

enum Global : size_t { kRebuildTensor, kRebuildParameter, kSize, kOrderedDict, kFirstStorage };
constexpr std::array<DType, 10> kStorageTypes = {
    DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64,
    DType::kI32, DType::kI16, DType::kI8,  DType::kU8,   DType::kU8};
constexpr PickleGlobal kGlobals[] = {
    {"torch._utils._rebuild_tensor_v2", Use::kCall},
    {"torch._utils._rebuild_parameter", Use::kCall},
    {"torch.Size", Use::kCall},
    {"collections.OrderedDict", Use::kDict},
    // In the order of kStorageTypes.
    {"torch.DoubleStorage", Use::kName},
    {"torch.FloatStorage", Use::kName},
    {"torch.HalfStorage", Use::kName},
    {"torch.BFloat16Storage", Use::kName},
    {"torch.LongStorage", Use::kName},
    {"torch.IntStorage", Use::kName},
    {"torch.ShortStorage", Use::kName},
    {"torch.CharStorage", Use::kName},
    {"torch.ByteStorage", Use::kName},
    {"torch.BoolStorage", Use::kName},
    // Element types as plain data.
    {"torch.float64", Use::kName},
    {"torch.float32", Use::kName},
    {"torch.float16", Use::kName},
    {"torch.bfloat16", Use::kName},
    {"torch.int64", Use::kName},
    {"torch.int32", Use::kName},
    {"torch.int16", Use::kName},
    {"torch.int8", Use::kName},
    {"torch.uint8", Use::kName},
    {"torch.bool", Use::kName},
};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Storage {
  DType dtype;
  size_t count;  // values
  std::span<const std::byte> bytes;
};

class PthReader {
 public:
  PthReader(const Zip& zip, std::string root, TensorFile& out)
      : zip_(zip),
        root_(std::move(root)),
        out_(out),
        pickle_(Pickle::parse(pickle_bytes(), out.path(), kGlobals)),
        visits_left_(pickle_bytes().size() + kSharedVisits) {}

  void read() {
    if (const ZipEntry* order = zip_.find(root_ + "/byteorder");
        order && text_of(order->bytes) != "little")
      throw Error(Code::kUnsupported, "{}: byte order {}, expected \"little\"", out_.path(),
                  json_quote(replace_invalid_utf8(text_of(order->bytes).substr(0, 32))));
    const Id root = pickle_.root();
    if (pickle_.is(root, Kind::kList)) {  // a state of the pip package: names are "0", "1" ...
      walk(root, "", 0);
    } else if (pickle_.is(root, Kind::kDict)) {
      scalars(root);
      walk(unwrapped(root), "", 0);
    } else {
      throw Error(Code::kUnsupported, "{}: the checkpoint is not a dict of tensors", out_.path());
    }
    if (out_.tensors().empty()) fail("no tensor in the file");
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail(std::string_view text, const Args&... args) const {
    throw Error(Code::kFormat, "{}: {}", out_.path(), strf(text, args...));
  }
  std::span<const std::byte> pickle_bytes() const { return zip_.find(root_ + "/data.pkl")->bytes; }

  bool calls(Id id, Global global) const {
    return pickle_.is(id, Kind::kCall) && pickle_.global(pickle_.callee(id)) == global;
  }
  bool is_tensor(Id id) const { return calls(id, kRebuildTensor) || calls(id, kRebuildParameter); }

  // Calls f(key, value) for each pair of a dict.
  template <typename F>
  void for_each_pair(Id dict, const F& f) const {
    for (Id node = pickle_.first(dict); node != Pickle::kNil;) {
      const Id value = pickle_.next(node);
      f(pickle_.at(node), pickle_.at(value));
      node = pickle_.next(value);
    }
  }

  void scalars(Id root) {
    for_each_pair(root, [&](Id key, Id value) {
      if (!pickle_.is(key, Kind::kString) || pickle_.text(key).size() > kMaxPthName) return;
      const std::string name = "pth." + std::string(pickle_.text(key));
      switch (pickle_.kind(value)) {
        case Kind::kBool: out_.meta()[name] = pickle_.integer(value) != 0; break;
        case Kind::kInt: out_.meta()[name] = pickle_.integer(value); break;
        case Kind::kFloat: out_.meta()[name] = pickle_.real(value); break;
        // One string may stand under many keys; a copy of each must stay small.
        case Kind::kString:
          if (pickle_.text(value).size() <= kMaxPthName)
            out_.meta()[name] = std::string(pickle_.text(value));
          break;
        default: break;
      }
    });
  }

  // Trainers wrap the tensors: {"state_dict": {...}, "epoch": 3}.
  Id unwrapped(Id root) const {
    Id state_dict = Pickle::kNil, model = Pickle::kNil;
    bool flat = false;
    for_each_pair(root, [&](Id key, Id value) {
      flat = flat || is_tensor(value);
      if (!pickle_.is(key, Kind::kString) || !pickle_.is(value, Kind::kDict)) return;
      if (pickle_.text(key) == "state_dict") state_dict = value;
      if (pickle_.text(key) == "model") model = value;
    });
    if (flat) return root;
    if (state_dict != Pickle::kNil) return state_dict;
    return model != Pickle::kNil ? model : root;
  }

  // Adds the tensors under `id`; other data is passed over. A dict that holds itself ends at
  // kMaxDepth; dicts that share each other level by level (8^16 ways through a kilobyte) end at
  // visits_left_.
  void walk(Id id, const std::string& prefix, size_t depth) {
    if (depth > kMaxDepth)
      fail("{}...: nested deeper than {} levels", prefix.substr(0, 80), kMaxDepth);
    size_t index = 0;
    switch (pickle_.kind(id)) {
      case Kind::kDict:
        for_each_pair(id, [&](Id key, Id value) { visit(value, prefix, key, 0, depth); });
        break;
      case Kind::kList:
        for (Id node = pickle_.first(id); node != Pickle::kNil; node = pickle_.next(node))
          visit(pickle_.at(node), prefix, Pickle::kNil, index++, depth);
        break;
      case Kind::kTuple:
        for (const Id item : pickle_.tuple(id)) visit(item, prefix, Pickle::kNil, index++, depth);
        break;
      default: break;
    }
  }
  void visit(Id value, const std::string& prefix, Id key, size_t index, size_t depth) {
    if (visits_left_-- == 0) fail("its dicts hold each other again and again");
    const Kind kind = pickle_.kind(value);
    const bool inner = kind == Kind::kDict || kind == Kind::kList || kind == Kind::kTuple;
    if (!inner && !is_tensor(value)) return;
    const std::string name = prefix + (key == Pickle::kNil ? std::to_string(index) : key_text(key));
    if (name.size() > kMaxPthName) fail("a tensor name of more than {} bytes", kMaxPthName);
    if (inner)
      walk(value, name + ".", depth + 1);
    else
      add(name, value);
  }
  std::string key_text(Id key) const {
    if (pickle_.is(key, Kind::kInt)) return std::to_string(pickle_.integer(key));
    if (!pickle_.is(key, Kind::kString)) fail("a dict's key is neither text nor a whole number");
    return std::string(pickle_.text(key).substr(0, kMaxPthName + 1));
  }

  void add(const std::string& name, Id call) {
    if (name.empty() || name.find('\0') != std::string::npos)
      fail("a tensor without a proper name");
    if (calls(call, kRebuildParameter)) {
      const auto arguments = pickle_.tuple(pickle_.arguments(call));
      if (arguments.size() != 3 || !calls(arguments[0], kRebuildTensor))
        fail("tensor {}: _rebuild_parameter expects (tensor, requires_grad, hooks)", name);
      call = arguments[0];
    }
    const auto arguments = pickle_.tuple(pickle_.arguments(call));
    if (arguments.size() != 6 && arguments.size() != 7)
      fail("tensor {}: _rebuild_tensor_v2 has {} arguments, expected 6 or 7", name,
           arguments.size());
    const Storage storage = take_storage(name, arguments[0]);
    const size_t offset = whole(name, "storage offset", arguments[1]);
    const Shape shape = sizes(name, "size", arguments[2]);
    const Shape stride = sizes(name, "stride", arguments[3]);
    const size_t count = contiguous_count(name, shape, stride);
    if (offset > storage.count || count > storage.count - offset)
      fail("tensor {}: {} values from {} on, its storage holds {}", name, count, offset,
           storage.count);
    const size_t width = info(storage.dtype).block_bytes;
    out_.add_tensor(
        {name, storage.dtype, shape, storage.bytes.subspan(offset * width, count * width)});
  }

  Storage take_storage(const std::string& name, Id id) const {
    if (!pickle_.is(id, Kind::kPersistent) || !pickle_.is(pickle_.persistent(id), Kind::kTuple))
      fail("tensor {}: its first part is not a storage", name);
    const auto parts = pickle_.tuple(pickle_.persistent(id));
    if (parts.size() != 5 || !is_text(parts[0]) || pickle_.text(parts[0]) != "storage" ||
        !pickle_.is(parts[1], Kind::kGlobal) || !is_text(parts[2]))
      fail("tensor {}: expected (\"storage\", type, key, device, count) as its storage", name);
    const size_t global = pickle_.global(parts[1]);
    if (global < kFirstStorage || global - kFirstStorage >= kStorageTypes.size())
      fail("tensor {}: {} is not a storage type", name, kGlobals[global].name);
    Storage storage{
        kStorageTypes[global - kFirstStorage], whole(name, "storage count", parts[4]), {}};
    const std::string key(pickle_.text(parts[2]).substr(0, kMaxPthName));
    const ZipEntry* entry = zip_.find(root_ + "/data/" + key);
    if (!entry) fail("tensor {}: no entry data/{} with its bytes", name, key);
    const size_t width = info(storage.dtype).block_bytes;
    if (entry->bytes.size() / width < storage.count)
      fail("tensor {}: entry data/{} has {} bytes, expected {} values of {}", name, key,
           entry->bytes.size(), storage.count, info(storage.dtype).name);
    storage.bytes = entry->bytes;
    return storage;
  }
  bool is_text(Id id) const { return pickle_.is(id, Kind::kString); }

  size_t whole(const std::string& name, std::string_view what, Id id) const {
    if (!pickle_.is(id, Kind::kInt) || pickle_.integer(id) < 0)
      fail("tensor {}: expected a whole number from 0 to 2^63 as {}", name, what);
    return static_cast<size_t>(pickle_.integer(id));
  }
  Shape sizes(const std::string& name, std::string_view what, Id id) const {
    if (calls(id, kSize) && pickle_.tuple(pickle_.arguments(id)).size() == 1)
      id = pickle_.tuple(pickle_.arguments(id))[0];
    if (!pickle_.is(id, Kind::kTuple)) fail("tensor {}: expected a tuple as {}", name, what);
    const auto items = pickle_.tuple(id);
    if (items.size() > kMaxRank)
      fail("tensor {}: {} dimensions in its {}, expected at most {}", name, items.size(), what,
           kMaxRank);
    Shape shape;
    for (const Id item : items) shape.push_back(whole(name, what, item));
    return shape;
  }

  // Product of the sizes. A dimension of 1 is never stepped along, so its stride may be anything.
  size_t contiguous_count(const std::string& name, const Shape& shape, const Shape& stride) const {
    if (shape.size() != stride.size())
      fail("tensor {}: size {} and stride {} differ in length", name, to_string(shape),
           to_string(stride));
    for (const size_t size : shape)
      if (size == 0) return 0;
    size_t count = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      if (shape[i] != 1 && stride[i] != count)
        throw Error(Code::kUnsupported,
                    "{}: tensor {}: size {} with stride {} is not contiguous (a transposed or "
                    "expanded view; "
                    "call .contiguous() before torch.save)",
                    out_.path(), name, to_string(shape), to_string(stride));
      if (__builtin_mul_overflow(count, shape[i], &count))
        fail("tensor {}: the sizes {} overflow", name, to_string(shape));
    }
    return count;
  }

  const Zip& zip_;
  std::string root_;
  TensorFile& out_;
  Pickle pickle_;
  size_t visits_left_;
};

// The folder inside the archive, named after the file when it was written.
std::string find_root(const Zip& zip, const std::string& path) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string root;
  for (const ZipEntry& entry : zip.entries()) {
    if (!entry.name.ends_with(kPickle) ||
        entry.name.find('/') != entry.name.size() - kPickle.size())
      continue;
    if (!root.empty())
      throw Error(Code::kFormat, "{}: two checkpoints (data.pkl) in one file", path);
    root = entry.name.substr(0, entry.name.size() - kPickle.size());
  }
  if (root.empty())
    throw Error(Code::kFormat,
                "{}: a zip file without <name>/data.pkl, so not a PyTorch checkpoint", path);
  return root;
}

}  // namespace

std::unique_ptr<TensorFile> read_pth(const std::string& path, std::shared_ptr<MappedFile> map) {
  if (starts_with(map->bytes(), "\x80\2\x8a\x0a"))
    throw Error(Code::kUnsupported,
                "{}: legacy PyTorch format: load and save it again with torch >= 1.6", path);
  if (!starts_with(map->bytes(), "PK\3\4"))
    throw Error(Code::kFormat, "{}: expected a PyTorch checkpoint (a zip file)", path);
  auto out = std::make_unique<TensorFile>(path, "pth");
  const Zip zip = Zip::parse(map->bytes(), path);
  PthReader(zip, find_root(zip, path), *out).read();
  out->add_map(std::move(map));
  return out;
}

}  // namespace rwkv
