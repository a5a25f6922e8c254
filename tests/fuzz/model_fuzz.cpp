// libFuzzer target: a valid model of any version whose tensors the bytes drop, rename, reshape or
// retype ends in an Error or in a model that can run a step. The readers are not part of it.
#include <algorithm>
#include <array>

#include "model_target.h"
#include "support/random_model.h"

namespace {

using namespace rwkv;

class Script {
 public:
  Script(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool done() const { return at_ >= size_; }
  size_t below(size_t n) { return done() ? 0 : data_[at_++] % n; }

 private:
  const uint8_t* data_;
  size_t size_, at_ = 0;
};

constexpr size_t kVersions = std::size(test::kVersions);

const TensorFile& model(size_t version) {
  static const auto files = [] {
    std::array<std::shared_ptr<TensorFile>, kVersions> out;
    for (size_t i = 0; i < kVersions; ++i)
      out[i] = test::make_file({.version = test::kVersions[i],
                                .n_embd = 32,
                                .head_size = 8,
                                .n_ffn = 32,
                                .n_vocab = 32,
                                .rank = 2});
    return out;
  }();
  return *files[version];
}

// One change; a tensor whose bytes then do not fit its shape gets new ones of `store`.
void change(Script& script, std::vector<Tensor>& tensors, TensorFile& out) {
  if (tensors.empty()) return;
  const size_t victim = script.below(256) % tensors.size();
  Tensor& t = tensors[victim];
  switch (script.below(9)) {
    case 0: tensors.erase(tensors.begin() + static_cast<ptrdiff_t>(victim)); return;
    case 1: std::swap(t.name, tensors[script.below(256) % tensors.size()].name); return;
    case 2: t.name = tensors[script.below(256) % tensors.size()].name; return;
    case 3: std::reverse(t.shape.begin(), t.shape.end()); return;
    case 4:
      t.shape.insert(t.shape.begin() + static_cast<ptrdiff_t>(script.below(t.shape.size() + 1)), 1);
      return;
    case 5:
      if (!t.shape.empty()) t.shape[script.below(t.shape.size())] = script.below(65);
      return;
    case 6: t.dtype = static_cast<DType>(script.below(static_cast<size_t>(DType::kCount))); return;
    case 7: t.shape.resize(script.below(5), 1 + script.below(40)); return;
    default: out.meta()["config.head_size"] = static_cast<int64_t>(script.below(80)) - 1; return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Script script(data, size);
  const TensorFile& whole = model(script.below(kVersions));
  return fuzz::errors_only([&] {
    auto file = std::make_shared<TensorFile>("fuzz", script.below(8) == 0 ? "ggmf" : "test");
    file->meta() = whole.meta();
    std::vector<Tensor> tensors = whole.tensors();
    for (size_t n = 0; n < 8 && !script.done(); ++n) change(script, tensors, *file);
    for (Tensor& t : tensors) {
      size_t bytes = bytes_of(t.dtype, count_of(t.shape));
      if (bytes != t.bytes.size() && bytes < (size_t{1} << 20)) {
        const auto map = MappedFile::from_bytes("new", std::vector<std::byte>(bytes));
        file->add_map(map);
        t.bytes = map->bytes();
      }
      file->add_tensor(std::move(t));
    }
    fuzz::build_and_step(file);
  });
}
