#include "files.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "shared.h"

namespace command {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxBytes = size_t{1} << 28;

[[noreturn]] void cannot_write(const std::string& path, int reason) {
  throw Failure(path + ": cannot be written: " + std::strerror(reason));
}

// A signal ends the wait for a pipe or a terminal, where one would go on in fread.
std::string read_input() {
  std::string out;
  char piece[65536];
  for (ssize_t n = 1; n > 0;) {
    pollfd ready{STDIN_FILENO, POLLIN, 0};
    const bool waited = ::poll(&ready, 1, -1) >= 0;
    if (interrupted) throw Interrupted("interrupted before standard input had ended");
    if (!waited) continue;
    n = ::read(STDIN_FILENO, piece, sizeof piece);
    if (n < 0 && errno == EINTR) n = 1;
    else if (n < 0) throw Failure(std::string("standard input: cannot be read: ") + std::strerror(errno));
    else out.append(piece, static_cast<size_t>(n));
    if (out.size() > kMaxBytes) throw Failure("standard input: is larger than 256 MB");
  }
  return out;
}

}  // namespace

std::string read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw Failure(path + ": cannot be opened: " + std::strerror(errno));
  std::string out;
  char piece[65536];
  for (size_t n = sizeof piece; n == sizeof piece && out.size() <= kMaxBytes;) {
    n = std::fread(piece, 1, sizeof piece, file.get());
    out.append(piece, n);
  }
  if (std::ferror(file.get())) throw Failure(path + ": cannot be read: " + std::strerror(errno));
  if (out.size() > kMaxBytes) throw Failure(path + ": is larger than 256 MB");
  return out;
}

std::string read_text(const std::string& file) {
  if (file.empty()) throw Failure("no text: name a file with -f FILE (\"-\": standard input)");
  return file == "-" ? read_input() : read_file(file);
}

void write_whole(const std::string& path, std::string_view bytes) {
  std::error_code ignored;
  const bool replace = !fs::exists(path, ignored) || fs::is_regular_file(path, ignored);
  const std::string target = fs::is_symlink(path, ignored) ? fs::weakly_canonical(path, ignored).string() : path;
  const std::string part = replace ? target + ".part-" + std::to_string(::getpid()) : path;
  std::FILE* file = std::fopen(part.c_str(), "wb");
  if (!file) cannot_write(path, errno);
  errno = 0;
  bool good = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  good = std::fclose(file) == 0 && good;
  if (good && replace) good = std::rename(part.c_str(), target.c_str()) == 0;
  if (good) return;
  const int reason = errno;
  if (replace) std::remove(part.c_str());
  cannot_write(path, reason);
}

void check_writable(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw Failure(path + ": is a folder, expected a file's name");
  if (::access(parent.empty() ? "." : parent.c_str(), W_OK) != 0) cannot_write(path, errno);
}

void check_output() {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return;
  if (errno == EPIPE) std::exit(1);  // the reader has gone and knows
  cannot_write("standard output", errno);
}

}  // namespace command
