// The lines typed before: in memory and in a file that only its owner may read.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

namespace command {

class History {
 public:
  static constexpr size_t kMaxLine = 1000;
  static constexpr size_t kMaxByte = 16384;  // of one entry; a longer one is not remembered

  explicit History(std::string path);  // "": no file. Reads what is there.
  void add(const std::string& entry);
  size_t size() const { return entries_.size(); }
  const std::string& operator[](size_t i) const { return entries_[i]; }

 private:
  void remember(std::string entry);
  void write_all() const;
  void append(const std::string& entry) const;

  std::string path_;
  std::deque<std::string> entries_;
  size_t n_in_file_ = 0;
};

// $XDG_STATE_HOME/rwkv/history, else ~/.local/state/rwkv/history; "" when neither is set.
std::string default_history_path();

}  // namespace command
