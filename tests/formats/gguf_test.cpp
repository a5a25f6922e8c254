#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "base/error.h"
#include "formats/formats.h"
#include "gguf_builder.h"
#include "model_mutation.h"
#include "support/golden.h"

namespace rwkv::test::gguf_test {
namespace {

using G = GgufBuilder;

std::unique_ptr<TensorFile> read(const std::string& bytes) {
  return read_gguf("m.gguf", MappedFile::from_bytes("m.gguf", as_byte_vector(bytes)));
}
std::string sentence_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.sentence();
  }
  return "no error";
}
std::string refusal(const std::string& bytes) {
  return sentence_of([&] { read(bytes); });
}
// One sentence that names the file and the words.
#define EXPECT_NAMES(sentence, words)                         \
  do {                                                        \
    const std::string found = (sentence);                     \
    EXPECT_EQ(found.rfind("m.gguf: ", 0), 0u) << found;       \
    EXPECT_NE(found.find(words), std::string::npos) << found; \
  } while (false)
#define EXPECT_REFUSED(bytes, words) EXPECT_NAMES(refusal(bytes), words)

GgufBuilder small() {
  GgufBuilder out;
  out.string_key("general.architecture", "rwkv7").key("n", G::kU32, uint32_t{5});
  out.tensor("a", {2, 3}, 0, std::string(24, 'a')).tensor("b", {64}, 8, std::string(68, 'b'));
  return out;
}
GgufBuilder one_tensor(std::vector<uint64_t> ne, uint32_t type = 0, size_t n_byte = 24) {
  GgufBuilder out;
  out.tensor("a", std::move(ne), type, std::string(n_byte, 'a'));
  return out;
}

TEST(gguf, reads_tensors_as_row_major) {
  const auto file = read(small().bytes());
  EXPECT_EQ(file->format(), "gguf");
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->tensors()[0].name, "a");
  EXPECT_EQ(file->tensors()[0].shape, (Shape{3, 2}));
  EXPECT_EQ(file->tensors()[0].dtype, DType::kF32);
  EXPECT_EQ(file->tensors()[1].dtype, DType::kQ8_0);
  ASSERT_EQ(file->tensors()[1].bytes.size(), 68u);
  EXPECT_EQ(file->tensors()[1].bytes[67], static_cast<std::byte>('b'));
}

TEST(gguf, reads_version_2_and_no_tensors_and_rank_0) {
  GgufBuilder file = small();
  file.version = 2;
  EXPECT_EQ(read(file.bytes())->tensors().size(), 2u);
  EXPECT_EQ(read(GgufBuilder().bytes())->tensors().size(), 0u);
  EXPECT_EQ(read(one_tensor({}, 0, 4).bytes())->tensors()[0].shape, Shape{});
}

TEST(gguf, reads_every_value_type) {
  GgufBuilder file;
  file.key("u8", G::kU8, uint8_t{255}).key("i8", G::kI8, int8_t{-128});
  file.key("u16", G::kU16, uint16_t{65535}).key("i16", G::kI16, int16_t{-2});
  file.key("u32", G::kU32, uint32_t{0xffffffff}).key("i32", G::kI32, int32_t{-3});
  file.key("u64", G::kU64, uint64_t{1} << 63).key("i64", G::kI64, int64_t{-4});
  file.key("f32", G::kF32, 0.5f).key("f64", G::kF64, 1e300).key("bool", G::kBool, uint8_t{1});
  file.string_key("string", "\xc3\xa9\n");
  file.key("numbers", G::array(G::kI16, 2, G::le(int16_t{-1}) + G::le(int16_t{7})));
  file.key("floats", G::array(G::kF32, 1, G::le(0.25f)));
  file.key("bools", G::array(G::kBool, 2, std::string("\1\0", 2)));
  file.key("strings", G::array(G::kString, 2, G::text("") + G::text(std::string("a\0b", 3))));
  file.key("none", G::array(G::kU32, 0, ""));
  const auto meta = read(file.bytes())->meta();
  EXPECT_EQ(meta.at("u8"), MetaValue(int64_t{255}));
  EXPECT_EQ(meta.at("i8"), MetaValue(int64_t{-128}));
  EXPECT_EQ(meta.at("u16"), MetaValue(int64_t{65535}));
  EXPECT_EQ(meta.at("i16"), MetaValue(int64_t{-2}));
  EXPECT_EQ(meta.at("u32"), MetaValue(int64_t{0xffffffff}));
  EXPECT_EQ(meta.at("i32"), MetaValue(int64_t{-3}));
  EXPECT_EQ(meta.at("u64"), MetaValue(uint64_t{1} << 63));
  EXPECT_EQ(meta.at("i64"), MetaValue(int64_t{-4}));
  EXPECT_EQ(meta.at("f32"), MetaValue(0.5));
  EXPECT_EQ(meta.at("f64"), MetaValue(1e300));
  EXPECT_EQ(meta.at("bool"), MetaValue(true));
  EXPECT_EQ(meta.at("string"), MetaValue(std::string("\xc3\xa9\n")));
  EXPECT_EQ(meta.at("numbers"), MetaValue(std::vector<int64_t>{-1, 7}));
  EXPECT_EQ(meta.at("floats"), MetaValue(std::vector<double>{0.25}));
  EXPECT_EQ(meta.at("bools"), MetaValue(std::vector<int64_t>{1, 0}));
  EXPECT_EQ(meta.at("strings"), MetaValue(std::vector<std::string>{"", std::string("a\0b", 3)}));
  EXPECT_EQ(meta.at("none"), MetaValue(std::vector<int64_t>{}));
}

TEST(gguf, cut_anywhere) {
  const GgufBuilder file = small();
  const std::string bytes = file.bytes();
  for (size_t n = 0; n < file.header().size(); ++n) EXPECT_REFUSED(bytes.substr(0, n), "");
  for (size_t n = file.header().size(); n < bytes.size(); n += n + 64 < bytes.size() ? 64 : 1)
    EXPECT_REFUSED(bytes.substr(0, n), "tensor ");
}

TEST(gguf, other_files_and_versions) {
  const auto change = [](const char* magic, uint32_t version) {
    GgufBuilder file = small();
    file.magic = magic;
    file.version = version;
    return file.bytes();
  };
  EXPECT_REFUSED(change("GGML", 3), "expected the magic \"GGUF\"");
  EXPECT_REFUSED(change("GGUF", 0), "GGUF version 0, expected 2 or 3");
  EXPECT_REFUSED(change("GGUF", 1), "GGUF version 1, expected 2 or 3");
  EXPECT_REFUSED(change("GGUF", 99), "GGUF version 99, expected 2 or 3");
  EXPECT_REFUSED(change("GGUF", 0x03000000), "big-endian");
}

TEST(gguf, counts_that_lie) {
  for (const int64_t lie : {int64_t{1}, int64_t{1} << 31, int64_t{1} << 60, INT64_MIN}) {
    GgufBuilder file = small();
    file.more_tensors = lie;
    EXPECT_REFUSED(file.bytes(), "");
    file = small();
    file.more_keys = lie;
    EXPECT_REFUSED(file.bytes(), "");
  }
  GgufBuilder file = small();
  file.more_tensors = INT64_MIN;
  EXPECT_REFUSED(file.bytes(), "9223372036854775810 tensors");
}

TEST(gguf, strings_and_arrays_that_lie) {
  const auto value = [](const std::string& encoded) { return small().key("k", encoded).bytes(); };
  for (const uint64_t n : {uint64_t{1} << 30, uint64_t{1} << 60, UINT64_MAX}) {
    EXPECT_REFUSED(value(G::le(uint32_t{G::kString}) + G::le(n)), std::to_string(n));
    EXPECT_REFUSED(value(G::le(uint32_t{G::kArray}) + G::le(uint32_t{G::kString}) + G::le(n)),
                   std::to_string(n));
    for (const uint32_t type : {G::kU8, G::kBool, G::kF64, G::kU64})
      EXPECT_REFUSED(value(G::array(type, n, "")), "key k: an array of " + std::to_string(n));
  }
  EXPECT_REFUSED(value(G::array(G::kU32, 1000, "abcd")), "key k: an array of 1000");
  EXPECT_REFUSED(value(G::array(G::kString, 1, G::le(UINT64_MAX))), std::to_string(UINT64_MAX));
  EXPECT_REFUSED(value(G::array(13, 1, "abcd")), "key k: array of type 13");
  EXPECT_REFUSED(value(G::le(uint32_t{13})), "key k: value type 13");
  EXPECT_REFUSED(value(G::le(UINT32_MAX)), "key k: value type 4294967295");
}

TEST(gguf, nested_arrays) {
  std::string nested = G::le(uint32_t{G::kArray});
  for (int depth = 0; depth < 10000; ++depth)
    nested += G::le(uint32_t{G::kArray}) + G::le(uint64_t{1});
  EXPECT_REFUSED(small().key("k", nested).bytes(), "key k: array of type 9");
  EXPECT_REFUSED(small().key("k", G::array(G::kArray, uint64_t{1} << 29, "")).bytes(),
                 "key k: array of type 9");
}

TEST(gguf, dimensions_that_lie) {
  EXPECT_REFUSED(one_tensor({1, 1, 1, 1, 1}).bytes(), "tensor a: 5 dimensions");
  std::string bytes = one_tensor({6}).bytes();
  const uint32_t many = 0xffffffff;
  std::memcpy(&bytes[24 + 9], &many, 4);  // behind the counts and the name
  EXPECT_REFUSED(bytes, "tensor a: 4294967295 dimensions");
  EXPECT_REFUSED(one_tensor({0}, 0, 0).bytes(), "tensor a: dimension 0 is 0");
  EXPECT_REFUSED(one_tensor({6, 0}).bytes(), "tensor a: dimension 1 is 0");
  EXPECT_REFUSED(one_tensor({UINT64_MAX}).bytes(), "tensor a: dimension 0 is 18446744073709551615");
  EXPECT_REFUSED(one_tensor({uint64_t{1} << 63}).bytes(), "tensor a: dimension 0");
  EXPECT_REFUSED(one_tensor({uint64_t{1} << 32, uint64_t{1} << 32}).bytes(),
                 "tensor a: dimension 1");
  EXPECT_REFUSED(one_tensor({uint64_t{1} << 62}).bytes(), "tensor a: F32");  // bytes overflow
  EXPECT_REFUSED(one_tensor({uint64_t{1} << 61}).bytes(), "tensor a: 9223372036854775808 bytes");
  EXPECT_REFUSED(one_tensor({7}).bytes(), "tensor a: 28 bytes");
}

TEST(gguf, types_that_are_not_run) {
  const std::pair<uint32_t, const char*> types[] = {
      {4, "Q4_2"},     {5, "Q4_3"},     {9, "Q8_1"},      {15, "Q8_K"},    {31, "retired"},       {33, "retired"},
      {36, "retired"}, {38, "retired"}, {43, "unknown"}, {255, "unknown"}, {UINT32_MAX, "unknown"}};
  for (const auto& [type, name] : types) {
    EXPECT_REFUSED(one_tensor({256}, type, 256).bytes(), "tensor a: type " + std::to_string(type));
    EXPECT_REFUSED(one_tensor({256}, type, 256).bytes(), name);
  }
}

TEST(gguf, rows_of_part_of_a_block) {
  EXPECT_REFUSED(one_tensor({16, 2}, 8, 34).bytes(),
                 "tensor a: Q8_0 [2, 16], expected rows of whole blocks");
  EXPECT_REFUSED(one_tensor({32}, 12, 144).bytes(), "tensor a: Q4_K [32]");
  EXPECT_REFUSED(one_tensor({}, 8, 34).bytes(), "tensor a: Q8_0 []");
}

TEST(gguf, offsets_that_lie) {
  const auto with_offset = [](uint64_t offset) {
    GgufBuilder file = small();
    file.at("b").offset = offset;
    return file.bytes();
  };
  EXPECT_REFUSED(with_offset(0), "tensors a and b overlap");
  EXPECT_REFUSED(with_offset(33), "tensor b: 68 bytes at offset 33, expected a multiple of 32");
  EXPECT_REFUSED(with_offset(64), "tensor b: 68 bytes at offset 64");
  EXPECT_REFUSED(with_offset(UINT64_MAX), "tensor b: ");
  EXPECT_REFUSED(with_offset(UINT64_MAX - 31), "tensor b: ");  // aligned; offset + size overflows
  GgufBuilder file = small();  // in another order, with a hole: fine
  std::swap(file.tensors[0], file.tensors[1]);
  EXPECT_NE(read(file.bytes() + std::string(64, 'x')), nullptr);
}

TEST(gguf, alignment) {
  for (const uint32_t bad : {0u, 1u, 3u, 4u, 48u, 1u << 17, 1u << 31})
    EXPECT_REFUSED(small().key("general.alignment", G::kU32, bad).bytes(), "key general.alignment");
  EXPECT_REFUSED(small().string_key("general.alignment", "32").bytes(), "key general.alignment");
  EXPECT_REFUSED(small().key("general.alignment", G::kF32, 32.0f).bytes(), "key general.alignment");
  GgufBuilder wide;
  wide.alignment = 4096;
  wide.key("general.alignment", G::kU32, uint32_t{4096});
  wide.tensor("a", {4}, 0, "0123456789abcdef").tensor("b", {4}, 0, "fedcba9876543210");
  EXPECT_EQ(read(wide.bytes())->tensors()[1].bytes[0], static_cast<std::byte>('f'));
}

TEST(gguf, names_and_keys) {
  const auto named = [](const std::string& name) {
    return GgufBuilder().tensor(name, {1}, 0, "abcd").bytes();
  };
  EXPECT_REFUSED(named(""), "a tensor name");
  EXPECT_REFUSED(named(std::string(64, 'n')), "a tensor name of 64 bytes");
  EXPECT_REFUSED(named("a\xff"), "a tensor name in UTF-8");
  EXPECT_REFUSED(named("\xc0\x80"), "a tensor name in UTF-8");
  EXPECT_REFUSED(named(std::string("a\0b", 3)), "a tensor name");
  EXPECT_EQ(read(named(std::string(63, 'n')))->tensors().size(), 1u);
  const auto keyed = [](const std::string& key) {
    return small().key(key, G::kU8, uint8_t{1}).bytes();
  };
  EXPECT_REFUSED(keyed(""), "a metadata key");
  EXPECT_REFUSED(keyed(std::string(65536, 'k')), "a metadata key of 65536 bytes");
  EXPECT_REFUSED(keyed("\xed\xa0\x80"), "a metadata key in UTF-8");
  EXPECT_REFUSED(small().tensor("a", {1}, 0, "abcd").bytes(), "tensor a stands in the file twice");
  GgufBuilder twice = small();
  twice.keys.push_back(twice.keys.back());
  EXPECT_REFUSED(twice.bytes(), "metadata key n stands in the file twice");
}

// A whole model, to be changed.
GgufBuilder model(const std::string& name = "v7.gguf") {
  const auto file = open_tensor_file(data(name));
  GgufBuilder out;
  for (const auto& [key, value] : file->meta()) {
    if (const auto* text = std::get_if<std::string>(&value)) out.string_key(key, *text);
    if (const auto* number = std::get_if<int64_t>(&value)) out.key(key, G::kI64, *number);
    if (const auto* real = std::get_if<double>(&value)) out.key(key, G::kF64, *real);
  }
  for (const Tensor& t : file->tensors()) out.tensor(t);
  return out;
}
std::string model_refusal(const GgufBuilder& file) {
  return sentence_of([&] { build_model(read(file.bytes()), {}); });
}
#define EXPECT_MODEL_REFUSED(file, words) EXPECT_NAMES(model_refusal(file), words)

TEST(gguf, keys_of_another_type) {
  ASSERT_EQ(model_refusal(model()), "no error");
  for (const std::string key :
       {"rwkv7.block_count", "rwkv7.embedding_length", "rwkv7.wkv.head_size"}) {
    const auto size = std::get<int64_t>(read(model().bytes())->meta().at(key));
    EXPECT_MODEL_REFUSED(model().string_key(key, std::to_string(size)), key);
    EXPECT_MODEL_REFUSED(model().key(key, G::kBool, uint8_t{1}), key);
    EXPECT_MODEL_REFUSED(model().key(key, G::array(G::kU32, 1, G::le(static_cast<uint32_t>(size)))),
                         key);
    EXPECT_MODEL_REFUSED(model().key(key, G::kF32, static_cast<float>(size)), key);
    EXPECT_MODEL_REFUSED(model().key(key, G::kI32, int32_t{-1}), key);
    EXPECT_MODEL_REFUSED(model().key(key, G::kU64, UINT64_MAX), key);
    EXPECT_MODEL_REFUSED(model().key(key, G::kU32, uint32_t{1000000000}), key);
    EXPECT_MODEL_REFUSED(model().key(key, G::kU32, uint32_t{0}), key);
    EXPECT_EQ(model_refusal(model().key(key, G::kU64, static_cast<uint64_t>(size))), "no error");
  }
  const std::string eps = "rwkv7.attention.layer_norm_epsilon";
  EXPECT_MODEL_REFUSED(model().string_key(eps, "1e-5"), eps);
  EXPECT_MODEL_REFUSED(model().key(eps, G::kF32, NAN), eps);
  EXPECT_MODEL_REFUSED(model().key(eps, G::kF32, -1.0f), eps);
  EXPECT_MODEL_REFUSED(model().key(eps, G::kF32, 1e30f), eps);
  EXPECT_MODEL_REFUSED(model().key("general.architecture", G::kU32, uint32_t{7}),
                       "general.architecture");
  EXPECT_MODEL_REFUSED(model().string_key("general.architecture", "llama"), "architecture llama");
  EXPECT_MODEL_REFUSED(model().string_key("general.architecture", ""), "architecture ");
}

TEST(gguf, models_that_lack_or_bend_a_tensor) {
  const GgufBuilder whole = model();
  for (size_t i = 0; i < whole.tensors.size(); ++i) {
    const std::string name = whole.tensors[i].name;
    GgufBuilder file = whole;
    file.at(name).name = "unknown";
    const bool spare = name.rfind("blk.0.time_mix_v", 0) == 0 && name[16] >= '0' && name[16] <= '2';
    SCOPED_TRACE(name);
    if (spare)
      EXPECT_EQ(model_refusal(file), "no error");
    else
      EXPECT_MODEL_REFUSED(file, "");
    file = whole;
    file.at(name).ne.back() -= 1;
    if (file.at(name).ne.back() == 0 || spare) continue;
    EXPECT_MODEL_REFUSED(file, "");
  }
}

class Shards : public testing::Test {
 protected:
  // Parts of one file with three tensors; `change` may lie in part `no`.
  void write(const std::function<void(size_t no, GgufBuilder&)>& change = {}) {
    for (size_t no = 0; no < 3; ++no) {
      GgufBuilder file;
      file.key("split.no", G::kU16, static_cast<uint16_t>(no))
          .key("split.count", G::kU16, uint16_t{3});
      file.key("split.tensors.count", G::kI32, int32_t{3});
      if (no == 0) file.string_key("general.name", "three");
      const std::string name(1, static_cast<char>('a' + no));
      file.tensor(name, {1}, 0, name + name + name + name);
      if (change) change(no, file);
      std::ofstream(path(no), std::ios::binary) << file.bytes();
    }
  }
  std::string path(size_t no) const {
    return folder_ + "/m-0000" + std::to_string(no + 1) + "-of-00003.gguf";
  }
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string refusal_of(size_t no) const {
    return sentence_of([&] { open_tensor_file(path(no)); });
  }
  std::string folder_ = testing::TempDir() + "gguf_shards." + std::to_string(::getpid());
};

TEST_F(Shards, any_part_opens_the_whole) {
  write();
  for (size_t no = 0; no < 3; ++no) {
    const auto file = open_tensor_file(path(no));
    EXPECT_EQ(file->tensors().size(), 3u);
    EXPECT_EQ(file->maps().size(), 3u);
    EXPECT_EQ(*file->meta_string("general.name"), "three");
    for (const char* name : {"a", "b", "c"}) {
      ASSERT_NE(file->find(name), nullptr);
      EXPECT_EQ(file->find(name)->bytes[3], static_cast<std::byte>(*name));
    }
  }
}

TEST_F(Shards, a_part_is_missing) {
  write();
  std::filesystem::remove(path(1));
  for (const size_t no : {0, 2})
    EXPECT_NE(refusal_of(no).find("m-00002-of-00003.gguf"), std::string::npos) << refusal_of(no);
}

TEST_F(Shards, counts_disagree) {
  write([](size_t, GgufBuilder& file) { file.key("split.tensors.count", G::kI32, int32_t{4}); });
  EXPECT_NE(refusal_of(0).find("hold 3 tensors, expected 4"), std::string::npos) << refusal_of(0);
  write([](size_t no, GgufBuilder& file) {
    if (no == 1) file.key("split.count", G::kU16, uint16_t{2});
  });
  EXPECT_NE(refusal_of(0).find("expected part 2 of 3"), std::string::npos) << refusal_of(0);
  write([](size_t no, GgufBuilder& file) {
    if (no == 1) file.key("split.no", G::kU16, uint16_t{2});
  });
  EXPECT_NE(refusal_of(0).find("expected part 2 of 3"), std::string::npos) << refusal_of(0);
  write([](size_t, GgufBuilder& file) { file.key("split.count", G::kU32, uint32_t{99999}); });
  EXPECT_NE(refusal_of(0).find("99999 files"), std::string::npos) << refusal_of(0);
  write([](size_t, GgufBuilder& file) { file.string_key("split.count", "3"); });
  EXPECT_NE(refusal_of(0).find("key split.count"), std::string::npos) << refusal_of(0);
  write([](size_t no, GgufBuilder& file) {
    file.key("split.no", G::kU16, static_cast<uint16_t>(no + 3));
  });
  EXPECT_NE(refusal_of(0).find("part 4 of 3 parts"), std::string::npos) << refusal_of(0);
}

TEST_F(Shards, the_same_part_or_tensor_twice) {
  write();
  std::filesystem::copy_file(path(0), path(1), std::filesystem::copy_options::overwrite_existing);
  EXPECT_NE(refusal_of(0).find("expected part 2 of 3"), std::string::npos) << refusal_of(0);
  write([](size_t no, GgufBuilder& file) {
    if (no == 1) file.tensors[0].name = "a";
  });
  EXPECT_NE(refusal_of(0).find("tensor a stands in the file twice"), std::string::npos)
      << refusal_of(0);
}

TEST_F(Shards, renamed) {
  write();
  const std::string renamed = folder_ + "/model.gguf";
  std::filesystem::copy_file(path(0), renamed);
  const std::string found = sentence_of([&] { open_tensor_file(renamed); });
  EXPECT_NE(found.find("ends in -00001-of-00003.gguf"), std::string::npos) << found;
}

TEST(gguf, survives_mutation) {
  for (const char* name : {"v7.gguf", "rwkv6qwen2.gguf"})
    expect_survives_mutation(as_byte_vector(model(name).bytes()), 4000, [](Bytes bytes) {
      return std::shared_ptr<TensorFile>(
          read_gguf("m.gguf", MappedFile::from_bytes("m.gguf", std::move(bytes))));
    });
}

}  // namespace
}  // namespace rwkv::test::gguf_test
