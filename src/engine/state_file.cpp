// State files: a header of fixed size, then the canonical state as f32. Little-endian. See docs/states.md.
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "base/atomic_file.h"
#include "base/byte_reader.h"
#include "base/hash.h"
#include "convert/state_layouts.h"
#include "engine/session.h"
#include "formats/formats.h"

namespace rwkv {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "RWKVSTAT";
constexpr uint32_t kVersion = 1;

struct Header {  // 64 bytes
  char magic[8];
  uint32_t version, header_bytes;
  uint64_t fingerprint;  // LoadedModel::fingerprint
  uint64_t n_float;      // state floats that follow
  uint64_t n_token;      // tokens seen
  uint64_t checksum;     // Hash64 of the floats
  uint64_t own_checksum; // Hash64 of all before; 0 in files of the first releases
  uint64_t reserved;     // 0
};
static_assert(sizeof(Header) == 64);

uint64_t checksum_of(std::span<const std::byte> data) {
  Hash64 hash;
  hash.add(data);
  return hash.value();
}

uint64_t own_checksum_of(const Header& header) {
  return checksum_of(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, own_checksum)));
}

void check_finite(std::span<const float> state, const std::string& path) {
  for (const float x : state)
    if (!std::isfinite(x)) throw Error(Code::kState, "{}: the state holds a value that is not finite", path);
}

// The pip package's list, or a state-tuned checkpoint: initial head states, token shifts zero.
Snapshot from_checkpoint(std::shared_ptr<LoadedModel> model, const std::string& path,
                         std::shared_ptr<MappedFile> map) {
  const Plan& plan = model->plan();
  std::shared_ptr<TensorFile> file = std::string_view(reinterpret_cast<const char*>(map->bytes().data()), 2) ==
                                             "PK"
                                         ? read_pth(path, map)
                                         : read_safetensors(path, map);
  if (is_pip_state(*file)) {
    StateAndLength list = parse_pip_state(plan, *file);
    check_finite(list.state, path);
    return {std::move(model), std::move(list.state), list.n_token};
  }
  Weights weights(file);
  for (const Tensor& t : file->tensors())
    if (is_weight_type(t.dtype)) weights.add(t.name, {t.name, t.dtype, t.shape, t.bytes});
  weights.scheme = "BlinkDL";
  weights.version = model->model.version + " state for this";
  const bool by_key = is_by_key(model->model.version);
  Snapshot out{model, std::vector<float>(plan.state.size, 0.0f), 0};
  bool has_heads = false;
  for (const auto& [name, entry] : weights.entries())
    if (name.ends_with(".att.time_state") && Layer{weights, plan.n_layer}.full("att.time_state") == name)
      throw Error(Code::kState, "{}: has {}, but the model only {} layers: it is another model's", path, name, plan.n_layer);
  for (const StateArray& array : plan.state.arrays) {
    if (array.n_head == 0) continue;
    has_heads = true;
    const Layer layer{weights, array.layer};
    weights.at(layer.full("att.time_state"));  // must be there
    const Vector start = layer.start_state(array.n_head, array.head_size, by_key);
    std::copy(start.begin(), start.end(), out.state.begin() + static_cast<ptrdiff_t>(array.offset));
  }
  if (!has_heads)
    throw Error(Code::kState, "{}: expected a state file (RWKVSTAT): an RWKV {} model has no head states to "
                "be tuned", path, model->model.version);
  check_finite(out.state, path);
  return out;
}

}  // namespace

void save_snapshot(const Snapshot& snapshot, const std::string& path) {
  const auto data = std::as_bytes(std::span(snapshot.state));
  Header header{};
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  header.version = kVersion;
  header.header_bytes = sizeof header;
  header.fingerprint = snapshot.model->fingerprint;
  header.n_float = snapshot.state.size();
  header.n_token = snapshot.n_token;
  header.checksum = checksum_of(data);
  header.own_checksum = own_checksum_of(header);
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&header, 1)));
  file.write(data);
  file.commit();
}

void save_snapshot_as(const Snapshot& snapshot, const std::string& format, const std::string& path) {
  if (format.empty() || format == "librwkv") return save_snapshot(snapshot, path);
  write_foreign_state(snapshot.model->plan(), {snapshot.state, snapshot.n_token}, snapshot.model->model.version, format,
                      path);
}

Snapshot parse_snapshot(std::shared_ptr<LoadedModel> model, std::span<const std::byte> bytes,
                        const std::string& path) {
  ByteReader reader(bytes, path);
  const auto header = reader.number<Header>("a state file's header");
  if (std::string_view(header.magic, sizeof header.magic) != kMagic)
    throw Error(Code::kState, "{}: byte 0: expected the magic RWKVSTAT of a state file", path);
  if (header.version != kVersion || header.header_bytes != sizeof(Header))
    throw Error(Code::kState, "{}: state file version {}, expected {}", path, header.version, kVersion);
  const size_t n = model->plan().state.size;
  if (header.fingerprint != model->fingerprint || header.n_float != n)
    throw Error(Code::kState, "{}: the state was saved with another model: fingerprint {}, {} floats; expected "
                "{}, {}", path, hex(header.fingerprint), header.n_float, hex(model->fingerprint), n);
  if ((header.own_checksum != 0 && header.own_checksum != own_checksum_of(header)) || header.reserved != 0)
    throw Error(Code::kState, "{}: the checksum of its first {} bytes fails: the file is damaged", path, sizeof(Header));
  if (reader.left() != n * sizeof(float))
    throw Error(Code::kState, "{}: {} bytes of state, expected {} (is the file cut?)", path, reader.left(),
                n * sizeof(float));
  const auto data = reader.take(n * sizeof(float), "the state");
  if (checksum_of(data) != header.checksum)
    throw Error(Code::kState, "{}: the checksum fails: the file is damaged", path);
  Snapshot out{std::move(model), std::vector<float>(n), header.n_token};
  std::memcpy(out.state.data(), data.data(), data.size());
  check_finite(out.state, path);
  return out;
}

Snapshot load_snapshot(std::shared_ptr<LoadedModel> model, const std::string& path) {
  const auto map = MappedFile::open(path);
  const auto bytes = map->bytes();
  if (bytes.size() >= 8 && std::memcmp(bytes.data(), kMagic.data(), 8) == 0)
    return parse_snapshot(std::move(model), bytes, path);
  const bool zip = bytes.size() > 4 && std::memcmp(bytes.data(), "PK\3\4", 4) == 0;
  const bool safetensors = bytes.size() > 9 && static_cast<char>(bytes[8]) == '{';
  if (zip || safetensors) try {
      return from_checkpoint(std::move(model), path, map);
    } catch (const Error& error) {  // a tensor is missing or of another shape: the state does not fit
      if (error.code() != Code::kMissing && error.code() != Code::kShape) throw;
      throw Error(Code::kState, "{}", error.sentence());
    }
  if (is_llama_state(bytes) || bytes.size() == model->plan().state.size * sizeof(float)) {
    StateAndLength other = is_llama_state(bytes) ? parse_llama_state(model->plan(), bytes, path)
                                                 : parse_rwkv_cpp_state(model->plan(), bytes, path);
    check_finite(other.state, path);
    return {std::move(model), std::move(other.state), other.n_token};
  }
  throw Error(Code::kState, "{}: expected a state file (RWKVSTAT), a state-tuned .pth or safetensors, or a state of "
              "rwkv.cpp ({} bytes here), llama.cpp or the pip package", path,
              model->plan().state.size * sizeof(float));
}

}  // namespace rwkv
