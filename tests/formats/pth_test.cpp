#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "formats/formats.h"
#include "mutation.h"
#include "pth_builder.h"

namespace rwkv::pth_test {
namespace {

using namespace std::string_literals;
using test::PthBuilder;
namespace pickle = test::pickle;

std::unique_ptr<TensorFile> read(const std::string& file) {
  return read_pth("a.pth", MappedFile::from_bytes("a.pth", test::to_bytes(file)));
}
std::string refusal(const std::string& file) {
  return test::sentence_of<Error>([&] { read(file); });
}
#define EXPECT_REFUSED(builder, words) \
  EXPECT_NE(refusal((builder).text()).find(words), std::string::npos) << refusal((builder).text())

// A checkpoint of one tensor "w" with these properties, over a storage of 24 bytes.
PthBuilder one(const std::string& type, int64_t stored, int64_t offset,
               const std::vector<int64_t>& size, const std::vector<int64_t>& stride) {
  PthBuilder builder;
  builder.items =
      pickle::text("w") + pickle::tensor(pickle::storage(type, "0", stored), offset, size, stride);
  return builder;
}
PthBuilder with_root(const std::string& body) {
  PthBuilder builder;
  builder.data_pkl = pickle::whole(body);
  return builder;
}

TEST(pth, reads_tensors_and_scalars) {
  const auto file = read(PthBuilder().text());
  EXPECT_EQ(file->format(), "pth");
  ASSERT_EQ(file->tensors().size(), 2u);
  const Tensor* weight = file->find("emb.weight");
  ASSERT_TRUE(weight);
  EXPECT_EQ(weight->dtype, DType::kF32);
  EXPECT_EQ(weight->shape, (Shape{2, 3}));
  EXPECT_EQ(weight->bytes.size(), 24u);
  EXPECT_EQ(static_cast<char>(weight->bytes[23]), 'a');
  const auto map = file->maps()[0]->bytes();
  EXPECT_EQ(static_cast<size_t>(weight->bytes.data() - map.data()) % 64,
            0u);  // in the map, no copy
  const Tensor* bias = file->find("head.bias");
  ASSERT_TRUE(bias);
  EXPECT_EQ(bias->dtype, DType::kBF16);
  int64_t store = 0;
  ASSERT_TRUE(file->meta_int("pth.epoch", store));
  EXPECT_EQ(store, 7);
}

TEST(pth, every_storage_type) {
  const std::pair<const char*, DType> types[] = {
      {"DoubleStorage", DType::kF64}, {"FloatStorage", DType::kF32},
      {"HalfStorage", DType::kF16},   {"BFloat16Storage", DType::kBF16},
      {"LongStorage", DType::kI64},   {"IntStorage", DType::kI32},
      {"ShortStorage", DType::kI16},  {"CharStorage", DType::kI8},
      {"ByteStorage", DType::kU8},    {"BoolStorage", DType::kU8}};
  for (const auto& [name, dtype] : types) {
    const auto file = read(one(name, 3, 1, {2}, {1}).text());
    EXPECT_EQ(file->tensors()[0].dtype, dtype) << name;
    EXPECT_EQ(file->tensors()[0].bytes.size(), 2 * info(dtype).block_bytes) << name;
  }
  EXPECT_REFUSED(one("ComplexFloatStorage", 3, 0, {3}, {1}), "torch.ComplexFloatStorage");
  EXPECT_REFUSED(one("float32", 3, 0, {3}, {1}), "torch.float32 is not a storage type");
}

TEST(pth, wrapped_and_nested) {
  const std::string tensor = pickle::tensor(pickle::storage("FloatStorage", "0", 6), 0, {6}, {1});
  const std::string inner = pickle::dict(pickle::text("w") + tensor);
  for (const char* key : {"state_dict", "model"}) {
    const auto file =
        read(with_root(pickle::dict(pickle::text(key) + inner + pickle::text("note") +
                                    pickle::text("hello") + pickle::text("other") + inner))
                 .text());
    ASSERT_EQ(file->tensors().size(), 1u);
    EXPECT_EQ(file->tensors()[0].name, "w");
    ASSERT_TRUE(file->meta_string("pth.note"));
    EXPECT_EQ(*file->meta_string("pth.note"), "hello");
  }
  const auto nested =
      read(with_root(pickle::dict(pickle::text("a") + inner + pickle::text("b") + "](" + tensor +
                                  inner + "e" + pickle::integer(3) + tensor))
               .text());
  ASSERT_EQ(nested->tensors().size(), 4u);
  for (const char* name : {"a.w", "b.0", "b.1.w", "3"}) EXPECT_TRUE(nested->find(name)) << name;
  // A tensor beside it: "model" is then part of the name.
  const auto flat = read(
      with_root(pickle::dict(pickle::text("model") + inner + pickle::text("v") + tensor)).text());
  EXPECT_TRUE(flat->find("model.w"));
}

TEST(pth, parameters_sizes_and_metadata) {
  const std::string tensor = pickle::global("torch._utils", "_rebuild_tensor_v2") + "(" +
                             pickle::storage("FloatStorage", "0", 6) + "K\0"s +
                             pickle::global("torch", "Size") + pickle::tuple({3, 2}) + "\x85R" +
                             pickle::tuple({2, 1}) + "\x89}tR";
  const std::string parameter =
      pickle::global("torch._utils", "_rebuild_parameter") + tensor + "\x88}\x87R";
  const std::string root = pickle::global("collections", "OrderedDict") + ")R(" +
                           pickle::text("p") + parameter + pickle::text("t") +
                           pickle::global("torch", "bfloat16") + "u}" + pickle::text("_metadata") +
                           "}sb";
  const auto file = read(with_root(root).text());
  ASSERT_EQ(file->tensors().size(), 1u);
  EXPECT_EQ(file->find("p")->shape, (Shape{3, 2}));
  const std::string bad = pickle::global("torch._utils", "_rebuild_parameter") + "K\1\x88}\x87R";
  EXPECT_REFUSED(with_root(pickle::dict(pickle::text("p") + bad)), "_rebuild_parameter expects");
}

TEST(pth, row_82_strides_and_bounds) {
  EXPECT_REFUSED(one("FloatStorage", 6, 0, {2, 3}, {1, 2}), "not contiguous");
  EXPECT_REFUSED(one("FloatStorage", 6, 0, {2, 3}, {0, 1}), "not contiguous");
  EXPECT_REFUSED(one("FloatStorage", 6, 0, {2, 3}, {2, 1}), "not contiguous");
  EXPECT_REFUSED(one("FloatStorage", 6, 0, {2, 3}, {-3, 1}), "whole number");
  EXPECT_REFUSED(one("FloatStorage", 6, 0, {-2, 3}, {3, 1}), "whole number");
  EXPECT_REFUSED(one("FloatStorage", 6, -1, {2}, {1}), "whole number");
  EXPECT_REFUSED(one("FloatStorage", 6, 1, {2, 3}, {3, 1}),
                 "6 values from 1 on, its storage holds 6");
  EXPECT_REFUSED(one("FloatStorage", 6, 7, {0}, {1}), "0 values from 7 on");
  EXPECT_REFUSED(one("FloatStorage", 6, INT64_MAX, {6}, {1}), "its storage holds 6");
  EXPECT_REFUSED(one("FloatStorage", 6, 0, {1, INT64_MAX, INT64_MAX, 4}, {1, 4, 4, 1}), "overflow");
  EXPECT_REFUSED(one("FloatStorage", 6, 0, {INT64_MAX, INT64_MAX, 4}, {-4, 4, 1}), "whole number");
  EXPECT_REFUSED(one("FloatStorage", 6, 0, {8, INT64_MAX}, {INT64_MAX, 1}), "overflow");
  EXPECT_REFUSED(one("FloatStorage", 6, 0, {2, 3}, {1}), "differ in length");
  EXPECT_REFUSED(one("FloatStorage", 6, 0, std::vector<int64_t>(9, 1), std::vector<int64_t>(9, 1)),
                 "9 dimensions");
  EXPECT_EQ(read(one("FloatStorage", 6, 0, {2, 1, 3, 1}, {3, 77, 1, 0}).text())
                ->tensors()[0]
                .bytes.size(),
            24u);
  EXPECT_EQ(read(one("FloatStorage", 6, 5, {}, {}).text())->tensors()[0].bytes.size(), 4u);
  EXPECT_EQ(read(one("FloatStorage", 6, 6, {4, 0}, {9, 9}).text())->tensors()[0].bytes.size(), 0u);

  PthBuilder shared;  // two names for one storage
  const std::string tensor = pickle::tensor(pickle::storage("FloatStorage", "0", 6), 0, {6}, {1});
  shared.items = pickle::text("a") + tensor + pickle::text("b") + tensor;
  const auto file = read(shared.text());
  EXPECT_EQ(file->find("a")->bytes.data(), file->find("b")->bytes.data());
  shared.items = pickle::text("a") + tensor + pickle::text("a") + tensor;
  EXPECT_REFUSED(shared, "twice");
}

TEST(pth, row_83_storages) {
  EXPECT_REFUSED(one("FloatStorage", 7, 0, {6}, {1}),
                 "entry data/0 has 24 bytes, expected 7 values");
  EXPECT_REFUSED(one("FloatStorage", INT64_MAX, 0, {6}, {1}), "entry data/0 has 24 bytes");
  EXPECT_REFUSED(one("FloatStorage", -1, 0, {6}, {1}), "whole number");
  PthBuilder missing;
  missing.storages.pop_back();
  EXPECT_REFUSED(missing, "no entry data/1");
  PthBuilder odd;
  const auto tensor = [](const std::string& stored) {
    return pickle::text("w") + pickle::tensor(stored, 0, {6}, {1});
  };
  odd.items = tensor("K\1");
  EXPECT_REFUSED(odd, "not a storage");
  odd.items = tensor("K\1Q");
  EXPECT_REFUSED(odd, "not a storage");
  odd.items = tensor("K\1\x85Q");
  EXPECT_REFUSED(odd, "as its storage");
  odd.items = pickle::text("w") + pickle::global("torch._utils", "_rebuild_tensor_v2") + ")R";
  EXPECT_REFUSED(odd, "0 arguments");
}

TEST(pth, containers_that_are_none) {
  EXPECT_REFUSED(with_root("K\1"), "not a dict of tensors");
  EXPECT_REFUSED(with_root("}"), "no tensor");
  PthBuilder big;
  big.byteorder = "big";
  EXPECT_REFUSED(big, "byte order \"big\"");
  EXPECT_NE(refusal("\x80\2\x8a\x0al\xfc\x9c\x46\xf9").find("legacy PyTorch format"),
            std::string::npos);
  EXPECT_NE(refusal("hello").find("expected a PyTorch checkpoint"), std::string::npos);
  EXPECT_NE(refusal(test::ZipBuilder().add("a/b", "x").text()).find("data.pkl"), std::string::npos);
  EXPECT_NE(refusal(test::ZipBuilder().add("a/data.pkl", "x").add("b/data.pkl", "x").text())
                .find("two check"),
            std::string::npos);
  EXPECT_REFUSED(with_root(pickle::global("os", "system") + pickle::text("ls") + "\x85R"),
                 "os.system");
  EXPECT_REFUSED(with_root(pickle::dict(
                     "(t" + pickle::dict("") + "K\1](" +
                     pickle::tensor(pickle::storage("FloatStorage", "0", 6), 0, {6}, {1}) + "e")),
                 "neither text nor a whole number");
}

TEST(pth, row_81_cycles_and_shared_dicts) {
  EXPECT_REFUSED(with_root("}q\0"s + pickle::text("a") + "h\0s"s), "nested deeper than");
  EXPECT_REFUSED(with_root("}"s + pickle::text("a") + "]q\0h\0as"s), "nested deeper than");
  // Each dict holds the one before it eight times: 8^14 ways, which nobody walks.
  std::string body = "}q\0"s;
  for (char level = 1; level < 15; ++level) {
    body += "}(";
    for (const char* key : {"a", "b", "c", "d", "e", "f", "g", "h"})
      body += pickle::text(key) + "h" + static_cast<char>(level - 1);
    body += "uq"s + level;
  }
  // The fourteen below stay on the stack; a tuple takes them all.
  EXPECT_REFUSED(with_root("}" + pickle::text("x") + "(" + body + "ts"), "again and again");
}

TEST(pth, row_81_a_name_copied_many_times) {
  // One memo string of a megabyte as key on every level.
  std::string body = pickle::text(std::string(1 << 20, 'n')) + "q\0"s + "0}";
  body += "h\0"s + pickle::tensor(pickle::storage("FloatStorage", "0", 6), 0, {6}, {1}) + "s";
  EXPECT_REFUSED(with_root(body), "a tensor name of more than");
}

TEST(pth, mutations_end_in_an_error_or_success) {
  const auto good = PthBuilder().bytes();
  size_t n_refused = 0;
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    const auto sentence = test::sentence_of<Error>([&] {
      const auto file =
          read_pth("a.pth", MappedFile::from_bytes("a.pth", test::mutate(good, seed)));
      for (const Tensor& tensor : file->tensors())
        EXPECT_EQ(test::Bytes(tensor.bytes.begin(), tensor.bytes.end()).size(),
                  tensor.bytes.size());
    });
    n_refused += !sentence.empty();
  }
  EXPECT_GT(n_refused, 2000u);
  EXPECT_LT(n_refused, 5000u);
}

// The zip around it stays whole, so that the damage reaches the pickle machine and the tensors.
TEST(pth, mutations_of_the_pickle) {
  PthBuilder builder;
  const auto good = test::to_bytes(pickle::whole(pickle::dict(builder.items)));
  size_t n_refused = 0;
  for (uint64_t seed = 0; seed < 10000; ++seed) {
    const auto bytes = test::mutate(good, seed);
    builder.data_pkl.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    n_refused += !refusal(builder.text()).empty();
  }
  EXPECT_GT(n_refused, 5000u);
  EXPECT_LT(n_refused, 10000u);
}

TEST(pth, golden_reverse) {
  const std::string path = RWKV_GOLDEN_DIR "/trained/260123_reverse_L2_only_rwkv7.pth";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no golden folder";
  const auto file = open_tensor_file(path);
  EXPECT_EQ(file->format(), "pth");
  size_t n_value = 0;
  for (const Tensor& tensor : file->tensors()) {
    EXPECT_EQ(tensor.dtype, DType::kF32) << tensor.name;
    n_value += count_of(tensor.shape);
    for (size_t i = 0; i < count_of(tensor.shape); ++i) {
      float value = 0;
      std::memcpy(&value, tensor.bytes.data() + 4 * i, sizeof value);
      ASSERT_TRUE(std::isfinite(value) && std::abs(value) < 1e4f) << tensor.name;
    }
  }
  EXPECT_EQ(n_value, 39564u);
  ASSERT_TRUE(file->find("e.weight"));
  EXPECT_EQ(file->find("e.weight")->shape, (Shape{12, 32}));
  ASSERT_TRUE(file->find("o.bias"));
  EXPECT_EQ(file->find("o.bias")->shape, (Shape{12}));
}

}  // namespace
}  // namespace rwkv::pth_test
