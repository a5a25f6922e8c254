#include "support/random_model.h"

#include <cmath>
#include <cstring>

#include "base/half.h"

namespace rwkv::test {
namespace {

class Maker {
 public:
  explicit Maker(const RandomModel& spec) : spec_(spec), random_(spec.seed) {}

  std::shared_ptr<TensorFile> make();

 private:
  float normal() { return std::normal_distribution<float>()(random_); }
  float uniform(float low, float high) {
    return std::uniform_real_distribution<float>(low, high)(random_);
  }

  void add(const std::string& name, Shape shape, DType type, std::vector<std::byte> bytes) {
    entries_.push_back({name, type, std::move(shape), bytes_.size(), bytes.size()});
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  template <typename F>
  void floats(const std::string& name, Shape shape, F value) {
    std::vector<float> values(count_of(shape));
    for (float& x : values) x = value();
    std::vector<std::byte> bytes(values.size() * 4);
    std::memcpy(bytes.data(), values.data(), bytes.size());
    add(name, std::move(shape), DType::kF32, std::move(bytes));
  }
  void vector(const std::string& name, size_t n, float low, float high) {
    floats(name, {n}, [&] { return uniform(low, high); });
  }
  void norm(const std::string& name, size_t n, bool bias = true) {
    vector(name + ".weight", n, 0.6f, 1.4f);
    if (bias) vector(name + ".bias", n, -0.2f, 0.2f);
  }
  // A matrix of the model's type; block types get random blocks with scales that fit.
  void matrix(const std::string& name, size_t rows, size_t cols) {
    const float size = 0.7f / std::sqrt(static_cast<float>(cols));
    const DTypeInfo& type = info(spec_.type);
    if (type.block_values > 1 && cols % type.block_values == 0) return blocks(name, rows, cols, size);
    std::vector<std::byte> bytes(rows * cols * (spec_.type == DType::kF32 ? 4 : 2));
    for (size_t i = 0; i < rows * cols; ++i) {
      const float x = normal() * size;
      const uint16_t half = spec_.type == DType::kBF16 ? f32_to_bf16(x) : f32_to_f16(x);
      if (spec_.type == DType::kF32) std::memcpy(&bytes[4 * i], &x, 4);
      else std::memcpy(&bytes[2 * i], &half, 2);
    }
    const DType plain = spec_.type == DType::kF32 || spec_.type == DType::kBF16 ? spec_.type : DType::kF16;
    add(name, {rows, cols}, plain, std::move(bytes));
  }
  void blocks(const std::string& name, size_t rows, size_t cols, float size) {
    const DTypeInfo& type = info(spec_.type);
    std::vector<std::byte> bytes(bytes_of(spec_.type, rows * cols));
    for (std::byte& b : bytes) b = static_cast<std::byte>(random_());
    // Halves that are scales or minima, by type; the rest may be anything.
    const auto set = [&](size_t block, size_t offset, float value) {
      const uint16_t half = f32_to_f16(value);
      std::memcpy(&bytes[block * type.block_bytes + offset], &half, 2);
    };
    for (size_t b = 0; b < bytes.size() / type.block_bytes; ++b) switch (spec_.type) {
        case DType::kQ4_0: case DType::kIQ4_NL: set(b, 0, size / (spec_.type == DType::kQ4_0 ? 5 : 70)); break;
        case DType::kQ5_0: set(b, 0, size / 10); break;
        case DType::kQ8_0: set(b, 0, size / 80); break;
        case DType::kQ4_1: set(b, 0, size / 5), set(b, 2, -1.5f * size); break;
        case DType::kQ5_1: set(b, 0, size / 10), set(b, 2, -1.5f * size); break;
        case DType::kQ2_K: set(b, 80, size / 12), set(b, 82, size / 8); break;
        case DType::kQ3_K: set(b, 108, size / 40); break;
        case DType::kQ4_K: set(b, 0, size / 250), set(b, 2, size / 40); break;
        case DType::kQ5_K: set(b, 0, size / 500), set(b, 2, size / 40); break;
        case DType::kQ6_K: set(b, 208, size / 1500); break;
        case DType::kIQ4_XS: set(b, 0, size / 1200); break;
        case DType::kIQ1_S: set(b, 0, size / 6); break;
        case DType::kIQ2_XXS: case DType::kIQ2_XS: case DType::kIQ2_S: set(b, 0, size / 60); break;
        case DType::kIQ3_XXS: case DType::kIQ3_S: set(b, 0, size / 140); break;
        case DType::kTQ1_0: set(b, 52, size); break;
        case DType::kTQ2_0: set(b, 64, size); break;
        case DType::kQ1_0: case DType::kQ2_0: set(b, 0, size); break;
        case DType::kIQ1_M: {  // a nibble of the half tops each of four words
          const uint16_t half = f32_to_f16(size / 6);
          for (size_t i = 0; i < 4; ++i) {
            std::byte& top = bytes[b * type.block_bytes + 49 + 2 * i];
            top = (top & std::byte{15}) | static_cast<std::byte>((half >> 4 * i & 15) << 4);
          }
          break;
        }
        case DType::kMXFP4: bytes[b * type.block_bytes] = static_cast<std::byte>(128 + std::ilogb(size / 5)); break;
        case DType::kNVFP4:
          for (size_t i = 0; i < 4; ++i) {  // 2^-7 .. 2^-6
            std::byte& scale = bytes[b * type.block_bytes + i];
            scale = (scale & std::byte{7}) | std::byte{8};
          }
          break;
        default: break;
      }
    add(name, {rows, cols}, spec_.type, std::move(bytes));
  }
  // A low-rank factor as BlinkDL stores it: in x out.
  void factor(const std::string& name, size_t in, size_t out, float size) {
    floats(name, {in, out}, [&] { return normal() * size / std::sqrt(static_cast<float>(in)); });
  }
  bool is(const char* version) const { return spec_.version == version; }
  bool starts(const char* version) const { return spec_.version.rfind(version, 0) == 0; }

  void time_mix_45(const std::string& p);
  void time_mix_6(const std::string& p, bool qwen);
  void time_mix_7(const std::string& p, size_t layer);
  void channel_mix(const std::string& p);

  struct Placed {
    std::string name;
    DType type;
    Shape shape;
    size_t at, size;
  };
  RandomModel spec_;
  std::mt19937_64 random_;
  std::vector<Placed> entries_;
  std::vector<std::byte> bytes_;
};

void Maker::time_mix_45(const std::string& p) {
  const size_t C = spec_.n_embd, H = C / spec_.head_size;
  for (const char* mix : {"k", "v", "r"}) vector(p + "time_mix_" + mix, C, 0, 1);
  for (const char* m : {"receptance", "key", "value", "output"}) matrix(p + m + ".weight", C, C);
  if (is("v4")) {
    vector(p + "time_decay", C, -5, 1);
    vector(p + "time_first", C, -1, 1);
    return;
  }
  norm(p + "ln_x", C);
  if (!is("v5.0")) {
    vector(p + "time_mix_g", C, 0, 1);
    matrix(p + "gate.weight", C, C);
  }
  const bool channel = is("v5.2");
  floats(p + "time_decay", channel ? Shape{H, spec_.head_size} : Shape{H}, [&] { return uniform(-5, 1); });
  floats(p + (channel ? "time_faaaa" : "time_first"), channel ? Shape{H, spec_.head_size} : Shape{H},
         [&] { return uniform(-0.5f, 0.5f); });
}

void Maker::time_mix_6(const std::string& p, bool qwen) {
  const size_t C = spec_.n_embd, H = C / spec_.head_size, kv = qwen ? spec_.head_size : C;
  for (const char* mix : {"x", "w", "k", "v", "r", "g"}) vector(p + "time_maa_" + mix, C, 0, 1);
  factor(p + "time_maa_w1", C, 5 * spec_.rank, 0.5f);
  floats(p + "time_maa_w2", {5, spec_.rank, C}, [&] { return normal() * 0.1f; });
  vector(p + "time_decay", C, -5, 1);
  factor(p + "time_decay_w1", C, spec_.rank, 0.5f);
  factor(p + "time_decay_w2", spec_.rank, C, 0.5f);
  for (const char* m : {"receptance", "gate", "output"}) matrix(p + m + ".weight", C, C);
  for (const char* m : {"key", "value"}) matrix(p + m + ".weight", kv, C);
  if (qwen) {
    vector(p + "key.bias", kv, -0.2f, 0.2f);
    return;
  }
  floats(p + "time_faaaa", {H, spec_.head_size}, [&] { return uniform(-0.5f, 0.5f); });
  norm(p + "ln_x", C);
}

void Maker::time_mix_7(const std::string& p, size_t layer) {
  const size_t C = spec_.n_embd, H = C / spec_.head_size, R = spec_.rank;
  for (const char* mix : {"r", "w", "k", "v", "a", "g"}) vector(p + "x_" + mix, C, 0, 1);
  for (const char* m : {"receptance", "key", "value", "output"}) matrix(p + m + ".weight", C, C);
  for (const char* lora : {"w", "a", "v", "g"}) {
    if (*lora == 'v' && layer == 0) continue;
    factor(p + lora + "1", C, R, 0.7f);
    factor(p + lora + "2", R, C, 0.7f);
    if (*lora != 'g') vector(p + lora + "0", C, -2, 2);
  }
  vector(p + "k_k", C, 0.5f, 1.2f);
  vector(p + "k_a", C, 0.5f, 1.2f);
  floats(p + "r_k", {H, spec_.head_size}, [&] { return normal() * 0.2f; });
  norm(p + "ln_x", C);
}

void Maker::channel_mix(const std::string& p) {
  const size_t C = spec_.n_embd, F = spec_.n_ffn;
  if (is("rwkv6qwen2") || is("arwkv7")) {
    matrix(p + "gate.weight", F, C);
    matrix(p + "up.weight", F, C);
    matrix(p + "down.weight", C, F);
    return;
  }
  matrix(p + "key.weight", F, C);
  matrix(p + "value.weight", C, F);
  if (starts("v7")) {
    vector(p + "x_k", C, 0, 1);
  } else {
    const std::string mix = is("v6") ? "time_maa_" : "time_mix_";
    vector(p + mix + "k", C, 0, 1);
    vector(p + mix + "r", C, 0, 1);
    matrix(p + "receptance.weight", C, C);
  }
  if (is("v7a")) {
    const size_t R = 4;
    floats(p + "s_emb.weight", {spec_.n_vocab, R * R}, [&] { return normal() * 0.3f; });
    floats(p + "s_emb_x.weight", {R * R, C}, [&] { return normal() * 0.05f; });
    factor(p + "s1", C, R, 1);
    factor(p + "s2", R, F, 0.5f);
    vector(p + "s0", F, 0.5f, 1.5f);
  }
}

std::shared_ptr<TensorFile> Maker::make() {
  const bool qwen = is("rwkv6qwen2") || is("arwkv7");
  floats("emb.weight", {spec_.n_vocab, spec_.n_embd}, [&] { return normal(); });
  if (!qwen) norm("blocks.0.ln0", spec_.n_embd);
  for (size_t i = 0; i < spec_.n_layer; ++i) {
    const std::string p = "blocks." + std::to_string(i) + ".";
    norm(p + "ln1", spec_.n_embd, !qwen);
    norm(p + "ln2", spec_.n_embd, !qwen);
    if (starts("v4") || starts("v5")) time_mix_45(p + "att.");
    else if (starts("v6") || is("rwkv6qwen2")) time_mix_6(p + "att.", qwen);
    else time_mix_7(p + "att.", i);
    channel_mix(p + "ffn.");
  }
  norm("ln_out", spec_.n_embd, !qwen);
  matrix("head.weight", spec_.n_vocab, spec_.n_embd);

  auto file = std::make_shared<TensorFile>("random-" + spec_.version, "test");
  const auto map = MappedFile::from_bytes("random", std::move(bytes_));
  for (const Placed& e : entries_)
    file->add_tensor({e.name, e.type, e.shape, map->bytes().subspan(e.at, e.size)});
  file->meta()["config.head_size"] = static_cast<int64_t>(spec_.head_size);
  file->add_map(map);
  return file;
}

}  // namespace

std::shared_ptr<TensorFile> make_file(const RandomModel& spec) { return Maker(spec).make(); }

}  // namespace rwkv::test
