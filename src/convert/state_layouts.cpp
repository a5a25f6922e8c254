#include "convert/state_layouts.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/atomic_file.h"
#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "formats/writers.h"

namespace rwkv {
namespace {

constexpr uint32_t kLlamaMagic = 0x67677371, kLlamaVersion = 3;
constexpr uint32_t kMaxFedTokens = 1u << 30;

bool is_shift(const StateArray& a) { return a.name == "att_shift" || a.name == "ffn_shift"; }

// The arrays by layer; in a layer those that `rank` puts first.
template <typename Rank>
std::vector<const StateArray*> ordered(const Plan& plan, Rank rank) {
  std::vector<const StateArray*> out;
  for (const StateArray& a : plan.state.arrays) out.push_back(&a);
  std::stable_sort(out.begin(), out.end(), [&](const StateArray* a, const StateArray* b) {
    return std::pair(a->layer, rank(*a)) < std::pair(b->layer, rank(*b));
  });
  return out;
}
std::vector<const StateArray*> rwkv_cpp_order(const Plan& plan) {
  return ordered(plan, [](const StateArray& a) {
    return a.name == "ffn_shift" ? 0 : a.name == "att_shift" ? 1 : 2;
  });
}
std::vector<const StateArray*> pip_order(const Plan& plan) {
  return ordered(plan, [](const StateArray& a) {
    return a.name == "att_shift" ? 0 : a.name == "ffn_shift" ? 2 : 1;
  });
}

void take_floats(std::span<const std::byte> bytes, std::vector<float>& state, const StateArray& a) {
  std::memcpy(state.data() + a.offset, bytes.data(), a.size * sizeof(float));
}
std::span<const std::byte> bytes_of_array(const std::vector<float>& state, const StateArray& a) {
  return std::as_bytes(std::span(state.data() + a.offset, a.size));
}

void write_rwkv_cpp(const Plan& plan, const StateAndLength& s, const std::string& path) {
  AtomicFile file(path);
  for (const StateArray* a : rwkv_cpp_order(plan)) file.write(bytes_of_array(s.state, *a));
  file.commit();
}

void write_pip(const Plan& plan, const StateAndLength& s, const std::string& path) {
  const auto order = pip_order(plan);
  std::vector<TensorSpec> specs;
  for (const StateArray* a : order)
    specs.push_back({"", DType::kF32,
                     a->n_head ? Shape{a->n_head, a->head_size, a->head_size} : Shape{a->size}});
  write_pth_list(path, specs,
                 [&](size_t i, const ByteSink& sink) { sink(bytes_of_array(s.state, *order[i])); });
}

void write_tuned(const Plan& plan, const StateAndLength& s, bool by_key, const std::string& path) {
  std::vector<TensorSpec> specs;
  std::vector<const StateArray*> heads;
  for (const StateArray& a : plan.state.arrays) {
    if (a.n_head == 0) continue;
    heads.push_back(&a);
    specs.push_back({strf("blocks.{}.att.time_state", a.layer),
                     DType::kF32,
                     {a.n_head, a.head_size, a.head_size}});
  }
  if (heads.empty())
    throw Error(Code::kUnsupported,
                "{}: this model has no head states, so there is nothing to be tuned", path);
  write_pth(path, specs, [&](size_t i, const ByteSink& sink) {
    const StateArray& a = *heads[i];
    const size_t n = a.head_size;
    std::vector<float> out(s.state.begin() + static_cast<ptrdiff_t>(a.offset),
                           s.state.begin() + static_cast<ptrdiff_t>(a.offset + a.size));
    for (size_t h = 0; by_key && h < a.n_head; ++h)
      for (size_t k = 0; k < n; ++k)
        for (size_t v = 0; v < n; ++v)
          out[(h * n + v) * n + k] = s.state[a.offset + (h * n + k) * n + v];
    sink(std::as_bytes(std::span(out)));
  });
}

// One record a layer: type, bytes, floats.
void write_llama(const Plan& plan, const StateAndLength& s, const std::string& version, const std::string& path) {
  if (version.rfind("v4", 0) == 0 || version.rfind("v5", 0) == 0)
    throw Error(Code::kUnsupported, "{}: llama.cpp runs no RWKV {}", path, version);
  if (s.n_token > INT32_MAX)
    throw Error(Code::kUnsupported, "{}: llama.cpp counts up to {} tokens, the state has {}", path, INT32_MAX, s.n_token);
  ByteWriter out;
  out.number(kLlamaMagic);
  out.number(kLlamaVersion);
  out.number<uint32_t>(0);  // no tokens: nobody needs them to go on
  out.number<uint32_t>(1);  // one cell
  out.number(static_cast<int32_t>(s.n_token ? s.n_token - 1 : 0));
  out.number<uint32_t>(0);
  out.number<uint32_t>(0);
  out.number(static_cast<uint32_t>(plan.n_layer));
  for (const bool heads : {false, true})
    for (size_t layer = 0; layer < plan.n_layer; ++layer) {
      size_t size = 0;
      for (const StateArray& a : plan.state.arrays)
        if (a.layer == layer && is_shift(a) != heads) size += a.size;
      out.number<uint32_t>(0);  // F32
      out.number<uint64_t>(size * sizeof(float));
      for (const StateArray& a : plan.state.arrays)
        if (a.layer == layer && is_shift(a) != heads) {
          const auto bytes = bytes_of_array(s.state, a);
          out.text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        }
    }
  AtomicFile file(path);
  file.write(out.bytes());
  file.commit();
}

}  // namespace

bool is_llama_state(std::span<const std::byte> bytes) {
  uint32_t magic = 0;
  if (bytes.size() >= sizeof magic) std::memcpy(&magic, bytes.data(), sizeof magic);
  return magic == kLlamaMagic;
}

StateAndLength parse_llama_state(const Plan& plan, std::span<const std::byte> bytes,
                                 const std::string& path) {
  ByteReader in(bytes, path);
  const auto expect = [&](std::string_view what, uint64_t found, uint64_t wanted) {
    if (found != wanted)
      throw Error(Code::kState, "{}: byte {}: {} is {}, expected {}", path, in.at(), what, found,
                  wanted);
  };
  expect("the magic", in.number<uint32_t>("the magic"), kLlamaMagic);
  expect("the version", in.number<uint32_t>("the version"), kLlamaVersion);
  const auto n_token = in.number<uint32_t>("a number of tokens");
  if (n_token > kMaxFedTokens)
    throw Error(Code::kState, "{}: {} tokens, expected fewer", path, n_token);
  in.take(size_t{n_token} * 4, "the tokens");
  expect("the number of cells", in.number<uint32_t>("a number of cells"), 1);
  const auto position = in.number<int32_t>("a position");
  const auto n_sequence = in.number<uint32_t>("a number of sequences");
  if (n_sequence > 64) throw Error(Code::kState, "{}: a cell of {} sequences", path, n_sequence);
  in.take(size_t{n_sequence} * 4, "sequence ids");
  expect("s_trans", in.number<uint32_t>("s_trans"), 0);
  expect("the number of layers", in.number<uint32_t>("a number of layers"), plan.n_layer);
  StateAndLength out{std::vector<float>(plan.state.size),
                     position >= 0 ? static_cast<uint64_t>(position) + 1 : 0};
  for (const bool heads : {false, true})
    for (size_t layer = 0; layer < plan.n_layer; ++layer) {
      size_t size = 0;
      for (const StateArray& a : plan.state.arrays)
        if (a.layer == layer && is_shift(a) != heads) size += a.size * sizeof(float);
      expect("the type of a layer", in.number<uint32_t>("a type"), 0);
      expect("the bytes of a layer", in.number<uint64_t>("a size"), size);
      for (const StateArray& a : plan.state.arrays)
        if (a.layer == layer && is_shift(a) != heads)
          take_floats(in.take(a.size * sizeof(float), "a layer's state"), out.state, a);
    }
  if (in.left() != 0) throw Error(Code::kState, "{}: {} bytes after the state", path, in.left());
  return out;
}

StateAndLength parse_rwkv_cpp_state(const Plan& plan, std::span<const std::byte> bytes,
                                    const std::string& path) {
  if (bytes.size() != plan.state.size * sizeof(float))
    throw Error(Code::kState, "{}: {} bytes, expected {} for a raw state of this model", path,
                bytes.size(), plan.state.size * sizeof(float));
  ByteReader in(bytes, path);
  StateAndLength out{std::vector<float>(plan.state.size), 0};
  for (const StateArray* a : rwkv_cpp_order(plan))
    take_floats(in.take(a->size * sizeof(float), "a state"), out.state, *a);
  return out;
}

bool is_pip_state(const TensorFile& file) {
  return file.find("0") && file.find(std::to_string(file.tensors().size() - 1));
}

StateAndLength parse_pip_state(const Plan& plan, const TensorFile& file) {
  const auto order = pip_order(plan);
  if (file.tensors().size() != order.size())
    throw Error(Code::kState, "{}: a list of {} tensors, expected {} for this model", file.path(),
                file.tensors().size(), order.size());
  StateAndLength out{std::vector<float>(plan.state.size), 0};
  for (size_t i = 0; i < order.size(); ++i) {
    const Tensor* t = file.find(std::to_string(i));
    if (!t || !is_weight_type(t->dtype) || count_of(t->shape) != order[i]->size)
      throw Error(Code::kState,
                  "{}: tensor {} of the list is {}, expected {} floats ({} of layer {})",
                  file.path(), i, t ? to_string(t->shape) : "missing", order[i]->size,
                  order[i]->name, order[i]->layer);
    info(t->dtype).decode(t->bytes.data(), order[i]->size, out.state.data() + order[i]->offset);
  }
  return out;
}

bool is_by_key(const std::string& version) { return version.rfind("v7", 0) != 0 && version != "arwkv7"; }

void write_foreign_state(const Plan& plan, const StateAndLength& s, const std::string& version,
                         const std::string& format, const std::string& path) {
  RWKV_CHECK(s.state.size() == plan.state.size);
  if (format == "rwkv.cpp") return write_rwkv_cpp(plan, s, path);
  if (format == "pip") return write_pip(plan, s, path);
  if (format == "tuned") return write_tuned(plan, s, is_by_key(version), path);
  if (format == "llama.cpp") return write_llama(plan, s, version, path);
  throw Error(Code::kArgument,
              "state format \"{}\": expected librwkv, rwkv.cpp, pip, llama.cpp or tuned", format);
}

std::vector<float> mix_states(const Plan& plan, std::span<const std::vector<float>> states,
                              std::span<const float> weights) {
  RWKV_CHECK(states.size() == weights.size());
  std::vector<float> out(plan.state.size, 0.0f);
  for (size_t i = 0; i < states.size(); ++i)
    for (size_t j = 0; j < out.size(); ++j) out[j] += weights[i] * states[i][j];
  for (const StateArray& pp : plan.state.arrays) {
    if (pp.name != "pp") continue;  // v4: aa and bb are scaled by exp(pp)
    const StateArray& aa = plan.state.arrays[plan.state.find("aa", pp.layer)];
    const StateArray& bb = plan.state.arrays[plan.state.find("bb", pp.layer)];
    for (size_t c = 0; c < pp.size; ++c) {
      float top = -INFINITY;  // of those that count
      for (size_t i = 0; i < states.size(); ++i)
        if (weights[i] != 0) top = std::max(top, states[i][pp.offset + c]);
      if (top == -INFINITY) top = states[0][pp.offset + c];
      out[pp.offset + c] = top;
      out[aa.offset + c] = out[bb.offset + c] = 0;
      for (size_t i = 0; i < states.size(); ++i) {
        if (weights[i] == 0) continue;
        const float scale = weights[i] * std::exp(states[i][pp.offset + c] - top);
        out[aa.offset + c] += scale * states[i][aa.offset + c];
        out[bb.offset + c] += scale * states[i][bb.offset + c];
      }
    }
  }
  for (const float x : out)
    if (!std::isfinite(x)) throw Error(Code::kArgument, "the mix of the states holds a value that is not finite");
  return out;
}

}  // namespace rwkv
