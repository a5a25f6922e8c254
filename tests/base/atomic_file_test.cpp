#include "base/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"

namespace rwkv::atomic_file_test {
namespace {

namespace fs = std::filesystem;

class atomic_file : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("rwkv-atomic-" + std::to_string(::getpid()));
    fs::create_directory(folder_);
    path_ = folder_ / "model.gguf";
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(AtomicFile& file, const std::string& text) { file.write(std::as_bytes(std::span(text))); }
  std::string content() {
    std::ostringstream out;
    out << std::ifstream(path_).rdbuf();
    return out.str();
  }
  size_t n_file() { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  fs::path folder_, path_;
};

TEST_F(atomic_file, replaces_the_old_content_on_commit_only) {
  std::ofstream(path_) << "old";
  AtomicFile file(path_);
  write(file, "new");
  EXPECT_EQ(content(), "old");
  file.commit();
  EXPECT_EQ(content(), "new");
  EXPECT_EQ(n_file(), 1u);
}

TEST_F(atomic_file, leaves_nothing_when_not_committed) {
  { AtomicFile file(path_); write(file, "half"); }
  EXPECT_EQ(n_file(), 0u);
}

TEST_F(atomic_file, may_have_as_long_a_name_as_any) {
  path_ = folder_ / std::string(255, 'z');
  AtomicFile file(path_);
  write(file, "new");
  file.commit();
  EXPECT_EQ(content(), "new");
  AtomicFolder folder(folder_ / std::string(255, 'y'));
  folder.commit();
  EXPECT_EQ(n_file(), 2u);
}

TEST_F(atomic_file, goes_to_where_a_link_points) {
  fs::create_symlink("real", path_);
  AtomicFile file(path_);
  write(file, "new");
  file.commit();
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_TRUE(fs::is_regular_file(folder_ / "real"));
  EXPECT_EQ(content(), "new");
  fs::create_symlink("b", folder_ / "a");
  fs::create_symlink("a", folder_ / "b");
  EXPECT_THROW(AtomicFile(folder_ / "a"), Error);
  EXPECT_TRUE(fs::is_symlink(folder_ / "a"));
}

TEST_F(atomic_file, has_the_mode_of_any_new_file) {
  const mode_t before = ::umask(022);
  AtomicFile file(path_);
  file.commit();
  ::umask(before);
  EXPECT_EQ(fs::status(path_).permissions() & fs::perms::all,
            fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read | fs::perms::others_read);
}

TEST_F(atomic_file, a_killed_process_leaves_nothing) {
  const int probe = ::open(folder_.c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (probe < 0) GTEST_SKIP() << "no O_TMPFILE in " << folder_;
  ::close(probe);
  int written[2];
  ASSERT_EQ(::pipe(written), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile file(path_);
    write(file, "half");
    if (::write(written[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte;
  ASSERT_EQ(::read(written[0], &byte, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(n_file(), 0u);
}

TEST_F(atomic_file, a_folder_that_is_not_there_is_named) {
  try {
    AtomicFile file(folder_ / "no" / "model.gguf");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no/model.gguf: cannot be written"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace rwkv::atomic_file_test
