#include "formats/formats.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "support/golden.h"

namespace rwkv::test::formats_test {
namespace {

class OpenTensorFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& bytes) const {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  // The sentence, which names the path.
  std::string refusal(const std::string& path, Code code) const {
    try {
      open_tensor_file(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.sentence();
      EXPECT_NE(error.sentence().find(path), std::string::npos) << error.sentence();
      return error.sentence();
    }
    return "no error";
  }
#define EXPECT_REFUSED(path, code, words)                     \
  do {                                                        \
    const std::string found = refusal(path, code);            \
    EXPECT_NE(found.find(words), std::string::npos) << found; \
  } while (false)

  std::string folder_ = testing::TempDir() + "open_tensor_file." + std::to_string(::getpid());
};

TEST_F(OpenTensorFile, probes_by_content) {
  const std::pair<const char*, const char*> files[] = {{"v7.gguf", "gguf"},
                                                       {"v7.pth", "pth"},
                                                       {"v7-fla.safetensors", "safetensors"},
                                                       {"v7-web.st", "safetensors"},
                                                       {"v7.bin", "ggmf"}};
  for (const auto& [name, format] : files) {
    const std::string path = folder_ + "/model.of_no_known_kind";
    std::filesystem::copy_file(data(name), path, std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(open_tensor_file(path)->format(), format) << name;
    EXPECT_EQ(open_tensor_file(path)->path(), path);
  }
}

TEST_F(OpenTensorFile, follows_a_link) {
  std::filesystem::create_symlink(data("v7.gguf"), folder_ + "/link");
  EXPECT_EQ(open_tensor_file(folder_ + "/link")->format(), "gguf");
}

TEST_F(OpenTensorFile, other_files) {
  EXPECT_REFUSED(write("text", "hello, I am a letter\n"), Code::kUnsupported, "not a model file");
  EXPECT_REFUSED(write("short", "G"), Code::kUnsupported, "not a model file");
  EXPECT_REFUSED(write("zeros", std::string(4096, '\0')), Code::kUnsupported, "not a model file");
  EXPECT_REFUSED(write("ggml", "lmgg" + std::string(64, '\0')), Code::kUnsupported, "an old ggml");
  EXPECT_REFUSED(write("ggjt", "tjgg" + std::string(64, '\0')), Code::kUnsupported, "an old ggml");
  EXPECT_REFUSED(write("state", "RWKVSTAT" + std::string(64, '\0')), Code::kUnsupported, "the state of a conversation");
  EXPECT_REFUSED(write("magic", "GGUF"), Code::kFormat, "byte 4");
  EXPECT_REFUSED(write("empty", ""), Code::kFormat, "the file is empty");
}

TEST_F(OpenTensorFile, paths_that_are_no_file) {
  EXPECT_REFUSED(folder_ + "/absent", Code::kIo, "No such file");
  EXPECT_REFUSED("", Code::kIo, "");
  EXPECT_REFUSED(folder_ + "/absent/model.gguf", Code::kIo, "No such file");
  EXPECT_REFUSED("/dev/zero", Code::kIo, "expected a regular file");
  EXPECT_REFUSED("/dev/null", Code::kIo, "expected a regular file");
  ASSERT_EQ(::mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
  EXPECT_REFUSED(folder_ + "/fifo", Code::kIo, "expected a regular file");  // and does not wait
  std::filesystem::create_symlink(folder_ + "/b", folder_ + "/a");
  std::filesystem::create_symlink(folder_ + "/a", folder_ + "/b");
  EXPECT_REFUSED(folder_ + "/a", Code::kIo, "cannot be opened");
  EXPECT_REFUSED(write("file", "text") + "/model.gguf", Code::kIo, "cannot be opened");
}

TEST_F(OpenTensorFile, folder_without_a_model) {
  try {
    open_tensor_file(folder_);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(error.sentence().find(folder_), std::string::npos) << error.sentence();
    EXPECT_NE(error.sentence().find("config.json"), std::string::npos) << error.sentence();
  }
}

TEST_F(OpenTensorFile, no_permission) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const std::string path = write("secret", "GGUF");
  ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  EXPECT_REFUSED(path, Code::kIo, "Permission denied");
}

}  // namespace
}  // namespace rwkv::test::formats_test
