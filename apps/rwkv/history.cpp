// The file has one entry a line; "\n" and "\\" stand for a newline and a backslash inside it.
// Whatever fails here is ignored: a chat without a history is still a chat.
#include "history.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "terminal.h"

namespace command {
namespace {

std::string encoded(const std::string& entry) {
  std::string out;
  for (const char c : entry) {
    if (c == '\n') out += "\\n";
    else if (c == '\\') out += "\\\\";
    else out += c;
  }
  return out + "\n";
}

std::string decoded(const std::string& line) {
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) out += line[++i] == 'n' ? '\n' : line[i];
    else out += line[i];
  }
  return out;
}

void write_file(const std::string& path, int flags, const std::string& bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
  if (fd < 0) return;
  ::fchmod(fd, 0600);  // the file may be older than this rule
  terminal_write(fd, bytes);
  ::close(fd);
}

}  // namespace

History::History(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  std::ifstream in(path_, std::ios::binary);
  for (std::string line; std::getline(in, line); ++n_in_file_) remember(decoded(line));
}

void History::remember(std::string entry) {
  if (entry.empty() || entry.size() > kMaxByte) return;
  entries_.push_back(std::move(entry));
  if (entries_.size() > kMaxLine) entries_.pop_front();
}

void History::add(const std::string& entry) {
  if (entry.empty() || entry.size() > kMaxByte) return;
  if (!entries_.empty() && entries_.back() == entry) return;
  remember(entry);
  if (path_.empty()) return;
  if (n_in_file_++ < kMaxLine) append(entry);
  else write_all();
}

void History::append(const std::string& entry) const {
  std::error_code ignored;
  const auto folder = std::filesystem::path(path_).parent_path();
  std::filesystem::create_directories(folder, ignored);
  write_file(path_, O_APPEND, encoded(entry));
}

void History::write_all() const {
  std::string all;
  for (const std::string& entry : entries_) all += encoded(entry);
  const std::string temporary = path_ + ".new";
  write_file(temporary, O_TRUNC, all);
  std::rename(temporary.c_str(), path_.c_str());
}

std::string default_history_path() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state && *state == '/') return std::string(state) + "/rwkv/history";
  const char* home = std::getenv("HOME");
  return home && *home ? std::string(home) + "/.local/state/rwkv/history" : "";
}

}  // namespace command
