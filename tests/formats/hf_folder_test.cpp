#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "formats/formats.h"
#include "pth_builder.h"

namespace rwkv::hf_folder_test {
namespace {

namespace fs = std::filesystem;

// A folder of the test's own, gone with it.
class hf_folder : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) /
              ("rwkv_hf_" + std::to_string(testing::UnitTest::GetInstance()->random_seed()) + "_" +
               std::to_string(reinterpret_cast<uintptr_t>(this)) + "_" + test->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  // A safetensors file of f32 tensors with one value each.
  void write_tensors(const std::string& file, const std::vector<std::string>& names) const {
    std::string header = "{";
    for (size_t i = 0; i < names.size(); ++i)
      header += (i ? ",\"" : "\"") + names[i] + R"(":{"dtype":"F32","shape":[1],"data_offsets":[)" +
                std::to_string(4 * i) + "," + std::to_string(4 * i + 4) + "]}";
    header += "}";
    write(file, test::le(uint64_t{header.size()}) + header + std::string(4 * names.size(), 'x'));
  }
  std::unique_ptr<TensorFile> read() const { return open_tensor_file(folder_.string()); }
  std::string refusal() const {
    return test::sentence_of<Error>([&] { read(); });
  }

  fs::path folder_;
};
#define EXPECT_REFUSED(words) EXPECT_NE(refusal().find(words), std::string::npos) << refusal()

TEST_F(hf_folder, one_file_and_config) {
  write("config.json",
        R"({"model_type":"rwkv7","hidden_size":64,"norm_eps":1e-5,"tie":false,"low":-3,
                           "none":null,"list":[1],"inner":{"a":1},"wide":1e19})");
  write_tensors("model.safetensors", {"a", "b"});
  write("tokenizer.json", "{}");
  write("rwkv_vocab_v20230424.txt", "x");
  write("README.md", "x");
  const auto file = read();
  EXPECT_EQ(file->path(), folder_.string());
  EXPECT_EQ(file->format(), "safetensors");
  EXPECT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->maps().size(), 1u);
  EXPECT_EQ(*file->meta_string("config.model_type"), "rwkv7");
  int64_t whole = 0;
  EXPECT_EQ(*file->meta_int("config.hidden_size", whole), 64);
  EXPECT_EQ(*file->meta_int("config.low", whole), -3);
  double real = 0;
  EXPECT_EQ(*file->meta_float("config.norm_eps", real), 1e-5);
  EXPECT_EQ(*file->meta_float("config.wide", real), 1e19);
  EXPECT_FALSE(std::get<bool>(file->meta().at("config.tie")));
  for (const char* key : {"config.none", "config.list", "config.inner", "folder.README.md"})
    EXPECT_FALSE(file->meta().contains(key)) << key;
  EXPECT_EQ(*file->meta_string("folder.tokenizer.json"), (folder_ / "tokenizer.json").string());
  EXPECT_TRUE(file->meta_string("folder.rwkv_vocab_v20230424.txt"));
}

TEST_F(hf_folder, config_is_required) {
  write_tensors("model.safetensors", {"a"});
  EXPECT_REFUSED("without config.json");
  write("config.json", "[]");
  EXPECT_REFUSED("expected a JSON object");
  write("config.json", "{");
  EXPECT_REFUSED("config.json: JSON");
  write("config.json", R"({"a":1e999})");
  EXPECT_REFUSED("config.json: \"a\"");
}

TEST_F(hf_folder, other_names_of_the_weights) {
  write("config.json", "{}");
  EXPECT_REFUSED("no weights");
  write("pytorch_model.bin", test::PthBuilder().text());
  EXPECT_EQ(read()->format(), "pth");
  EXPECT_TRUE(read()->find("emb.weight"));
  write_tensors("rwkv.safetensors", {"c"});
  EXPECT_TRUE(read()->find("c"));
  fs::remove(folder_ / "pytorch_model.bin");
  write_tensors("other.safetensors", {"d"});
  EXPECT_REFUSED("2 *.safetensors files");
}

TEST_F(hf_folder, shards) {
  write("config.json", "{}");
  write("model.safetensors.index.json",
        R"({"metadata":{},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors",)"
        R"("c":"m-1.safetensors"}})");
  write_tensors("m-1.safetensors", {"a", "c"});
  EXPECT_REFUSED("the index names m-2.safetensors");
  write_tensors("m-2.safetensors", {"b"});
  const auto file = read();
  EXPECT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->maps().size(), 2u);
  EXPECT_EQ(file->find("b")->bytes.size(), 4u);
  write_tensors("m-1.safetensors", {"a"});
  EXPECT_REFUSED("no tensor c");
  write_tensors("m-2.safetensors", {"b", "c"});
  EXPECT_REFUSED("no tensor c");
  write_tensors("m-1.safetensors", {"a", "c"});
  EXPECT_REFUSED("tensor c is here");
}

TEST_F(hf_folder, shard_names_stay_in_the_folder) {
  write("config.json", "{}");
  for (const char* name : {"../m.safetensors", "/m.safetensors", "a\\\\m.safetensors", "m.bin", "",
                           "a/b.safetensors", "m\\u0000.safetensors"}) {
    write("model.safetensors.index.json", R"({"weight_map":{"a":")" + std::string(name) + "\"}}");
    EXPECT_REFUSED("expected a plain file name");
  }
  for (const char* index : {"{}", R"({"weight_map":[]})", R"({"weight_map":{}})"}) {
    write("model.safetensors.index.json", index);
    EXPECT_REFUSED("expected \"weight_map\"");
  }
  write("model.safetensors.index.json", R"({"weight_map":{"a":1}})");
  EXPECT_REFUSED("expected a file name");
}

TEST_F(hf_folder, sharded_pytorch) {
  write("config.json", "{}");
  write("pytorch_model.bin.index.json",
        R"({"weight_map":{"emb.weight":"p-1.bin","head.bias":"p-1.bin"}})");
  write("p-1.bin", test::PthBuilder().text());
  EXPECT_EQ(read()->format(), "pth");
  EXPECT_EQ(read()->tensors().size(), 2u);
}

TEST_F(hf_folder, not_a_folder) {
  const std::string path = (folder_ / "missing").string();
  EXPECT_NE(test::sentence_of<Error>([&] { read_hf_folder(path); }).find("cannot be read"),
            std::string::npos);
}

}  // namespace
}  // namespace rwkv::hf_folder_test
