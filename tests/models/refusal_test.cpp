// Files that hold no model that can be run, or lack or bend a part of one: one sentence, never a
// crash.
#include <cstring>
#include <functional>
#include <set>

#include "backends/cpu/cpu.h"
#include "base/error.h"
#include "support/golden.h"
#include "support/random_model.h"

namespace rwkv::test::refusal_test {
namespace {

struct Refusal {
  bool refused = false;
  Code code = Code::kInternal;
  std::string sentence = "no error";
};
Refusal refusal_of(const std::shared_ptr<TensorFile>& file) {
  try {
    build_model(file, {});
  } catch (const Error& error) {
    return {true, error.code(), error.sentence()};
  }
  return {};
}

// A copy of the file with each tensor passed through `change`, which may drop it (false), or change
// it.
using Change = std::function<bool(Tensor&)>;
std::shared_ptr<TensorFile> changed(const TensorFile& file, const Change& change) {
  auto out = std::make_shared<TensorFile>(file.path(), file.format());
  out->meta() = file.meta();
  for (const auto& map : file.maps()) out->add_map(map);
  for (Tensor tensor : file.tensors())
    if (change(tensor)) out->add_tensor(std::move(tensor));
  return out;
}
std::shared_ptr<TensorFile> with(const TensorFile& file, const std::string& name) {
  auto out = changed(file, [](Tensor&) { return true; });
  const auto map = MappedFile::from_bytes(name, std::vector<std::byte>(16));
  out->add_map(map);
  out->add_tensor({name, DType::kF32, {2, 2}, map->bytes()});
  return out;
}

RandomModel spec_of(const std::string& version) {
  RandomModel spec;
  spec.version = version;
  return spec;
}

class Version : public testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<TensorFile> file_ = make_file(spec_of(GetParam()));
};

// Tensors that a model may lack (docs/models/): the hybrids' biases, and their head, whose place
// the embedding takes.
bool is_optional(const std::string& version, const std::string& name) {
  const bool hybrid = version == "rwkv6qwen2" || version == "arwkv7";
  return hybrid && (name == "head.weight" || name.find(".key.bias") != std::string::npos);
}

TEST_P(Version, lacks_one_tensor) {
  ASSERT_EQ(refusal_of(file_).sentence, "no error");
  for (const Tensor& victim : file_->tensors()) {
    SCOPED_TRACE(victim.name);
    const Refusal found =
        refusal_of(changed(*file_, [&](Tensor& t) { return t.name != victim.name; }));
    if (is_optional(GetParam(), victim.name)) {
      EXPECT_FALSE(found.refused) << found.sentence;
      continue;
    }
    EXPECT_TRUE(found.refused);
    EXPECT_TRUE(found.code == Code::kMissing || found.code == Code::kUnsupported) << found.sentence;
    EXPECT_NE(found.sentence.find(file_->path()), std::string::npos) << found.sentence;
    EXPECT_NE(found.sentence.find(victim.name), std::string::npos) << found.sentence;
  }
}

// Every tensor with one row less, as a row, as a stack, and with its axes swapped. Square matrices
// look the same transposed, vectors may be [n] or [1, n].
TEST_P(Version, one_tensor_of_another_shape) {
  for (const Tensor& victim : file_->tensors()) {
    SCOPED_TRACE(victim.name);
    const auto refusal_with = [&](const std::function<void(Tensor&)>& bend) {
      return refusal_of(changed(*file_, [&](Tensor& t) {
        if (t.name == victim.name) bend(t);
        return true;
      }));
    };
    const Refusal shrunk = refusal_with([](Tensor& t) {
      t.bytes = t.bytes.first(t.bytes.size() / t.shape.front() * (t.shape.front() - 1));
      --t.shape.front();
    });
    EXPECT_TRUE(shrunk.refused);
    EXPECT_NE(shrunk.code, Code::kInternal) << shrunk.sentence;
    EXPECT_NE(shrunk.sentence.find("random-"), std::string::npos) << shrunk.sentence;
    const Refusal empty = refusal_with([](Tensor& t) {
      t.bytes = t.bytes.first(0);
      t.shape.front() = 0;
    });
    EXPECT_TRUE(empty.refused);
    EXPECT_NE(empty.sentence.find(victim.name), std::string::npos) << empty.sentence;
    const Refusal one = refusal_with([](Tensor& t) {
      t.bytes = t.bytes.first(4);
      t.dtype = DType::kF32;
      t.shape = {};
    });
    EXPECT_TRUE(one.refused);
    EXPECT_NE(one.code, Code::kInternal) << one.sentence;
    const size_t n_embd = spec_of(GetParam()).n_embd;  // [heads, head size] is read as a vector
    if (victim.shape.size() < 2 || victim.shape[0] == victim.shape[1]) continue;
    const Refusal turned = refusal_with([](Tensor& t) { std::swap(t.shape[0], t.shape[1]); });
    EXPECT_TRUE(turned.refused || count_of(victim.shape) == n_embd) << "transposed";
    EXPECT_NE(turned.code == Code::kInternal && turned.refused, true) << turned.sentence;
  }
}

TEST_P(Version, one_tensor_of_integers) {
  for (const Tensor& victim : file_->tensors()) {
    if (is_optional(GetParam(), victim.name)) continue;
    SCOPED_TRACE(victim.name);
    const Refusal found = refusal_of(changed(*file_, [&](Tensor& t) {
      if (t.name == victim.name) t.dtype = DType::kI32;
      return true;
    }));
    EXPECT_TRUE(found.refused);
    EXPECT_NE(found.sentence.find(victim.name), std::string::npos) << found.sentence;
  }
}

// A block must not be cut by rows: [1, 32] in one block is no column of 32 rows.
TEST_P(Version, blocks_where_a_column_is_expected) {
  RandomModel spec = spec_of(GetParam());
  spec.n_embd = spec.head_size = 32;
  spec.n_ffn = spec.n_vocab = 32;
  spec.rank = 1;
  const auto file = make_file(spec);
  ASSERT_EQ(refusal_of(file).sentence, "no error");
  const auto block = MappedFile::from_bytes("block", std::vector<std::byte>(34));
  for (const Tensor& victim : file->tensors()) {
    if (count_of(victim.shape) != 32) continue;
    SCOPED_TRACE(victim.name);
    const auto bent = changed(*file, [&](Tensor& t) {
      if (t.name == victim.name) t = {t.name, DType::kQ8_0, {1, 32}, block->bytes()};
      return true;
    });
    bent->add_map(block);
    try {  // a vector may well be one block; then it must run
      const Model model = build_model(bent, {});
      const auto executor = make_cpu_executor(model.plan, {.n_thread = 1, .isa = "scalar"});
      const int32_t token = 31;
      const Segment segment{executor->new_slot(), 1};
      executor->run({{&token, 1}, {&segment, 1}, {}}, {});
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Code::kInternal) << error.sentence();
    }
  }
}

TEST_P(Version, head_size_that_does_not_fit) {
  if (std::string(GetParam()) == "v4") GTEST_SKIP() << "has no heads";
  for (const int64_t size : {0, -1, 1025, 5, 128}) {
    const auto file = changed(*file_, [](Tensor&) { return true; });
    file->meta()["config.head_size"] = size;
    const Refusal found = refusal_of(file);
    EXPECT_TRUE(found.refused) << size;
    EXPECT_NE(found.sentence.find("head"), std::string::npos) << found.sentence;
    EXPECT_NE(found.sentence.find(std::to_string(size)), std::string::npos) << found.sentence;
  }
}

INSTANTIATE_TEST_SUITE_P(all, Version, testing::ValuesIn(kVersions), [](const auto& p) {
  std::string name = p.param;
  for (char& ch : name)
    if (ch == '.') ch = '_';
  return name;
});

#define EXPECT_REFUSED(file, words)                                                  \
  do {                                                                               \
    const Refusal found = refusal_of(file);                                          \
    EXPECT_EQ(found.code, Code::kUnsupported) << found.sentence;                     \
    EXPECT_NE(found.sentence.find(words), std::string::npos) << found.sentence;      \
    EXPECT_EQ(found.sentence.rfind((file)->path() + ": ", 0), 0u) << found.sentence; \
  } while (false)

TEST(refusal, models_that_are_not_run) {
  const auto v4 = make_file(spec_of("v4")), v7 = make_file(spec_of("v7"));
  EXPECT_REFUSED(with(*v4, "blocks.1.att.tiny_q.weight"), "v4a");
  EXPECT_REFUSED(with(*v7, "blocks.0.qkv.qq.weight"), "v7b");
  EXPECT_REFUSED(with(*v7, "blocks.0.qkv.ennk.weight"), "v8");
  EXPECT_REFUSED(with(*v7, "blocks.0.ffn.enn.weight"), "v8");
  EXPECT_REFUSED(with(*v4, "head_q.weight"), "head-QK");
  EXPECT_REFUSED(with(*v4, "head_k.weight"), "head-QK");
  EXPECT_REFUSED(with(*v4, "_strategy"), "pip package rwkv");
  v4->meta()["pth._strategy"] = std::string("cuda fp16");
  EXPECT_REFUSED(v4, "pip package rwkv");
}

TEST(refusal, other_architectures) {
  const TensorFile none("other.pth", "pth");
  EXPECT_REFUSED(with(none, "model.layers.0.self_attn.q_proj.weight"), "no RWKV model known here");
  EXPECT_REFUSED(std::make_shared<TensorFile>("empty.pth", "pth"), "its 0 tensors (none ...)");
  EXPECT_REFUSED(with(none, "emb.weight"), "fit no RWKV version");
  auto gguf = std::make_shared<TensorFile>("llama.gguf", "gguf");
  gguf->meta()["general.architecture"] = std::string("llama");
  EXPECT_REFUSED(gguf, "architecture llama is not an RWKV");
}

TEST(refusal, sizes_out_of_range) {
  const auto v7 = make_file(spec_of("v7"));
  EXPECT_TRUE(refusal_of(with(*v7, "blocks.2.ln1.weight")).refused);  // a third layer
  EXPECT_TRUE(refusal_of(with(*v7, "blocks.99999.ln1.weight")).refused);
  EXPECT_EQ(refusal_of(with(*v7, "blocks.99999999999999999999.x")).sentence,
            "no error");                                                      // no layer
  EXPECT_EQ(refusal_of(with(*v7, "blocks.1.unknown")).sentence, "no error");  // ignored
}

}  // namespace
}  // namespace rwkv::test::refusal_test
