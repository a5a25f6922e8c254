#include "progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "part_file.h"
#include "shared.h"
#include "terminal.h"

namespace command {

std::string time_text(double seconds) {
  if (!(seconds < 360000)) return "-";
  const int s = static_cast<int>(seconds + 0.5);
  char text[32];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%d:%02d", s / 60, s % 60);
  }
  return text;
}

Progress::Progress(std::string name, bool quiet)
    : name_(neutralise(name)),
      quiet_(quiet),
      terminal_(is_terminal(STDERR_FILENO)),
      last_(Clock::now()) {}

Progress::~Progress() { clear(); }

double Progress::speed(Clock::time_point now, uint64_t done) {
  constexpr std::chrono::seconds kWindow(8);
  samples_.push_back({now, done});
  while (samples_.size() > 2 && now - samples_.front().when > kWindow) samples_.pop_front();
  const double seconds = std::chrono::duration<double>(now - samples_.front().when).count();
  const uint64_t before = samples_.front().done;
  return seconds > 0 && done > before ? static_cast<double>(done - before) / seconds : 0;
}

void Progress::update(uint64_t done, int64_t total) {
  const auto now = Clock::now();
  const auto every = std::chrono::milliseconds(!terminal_ ? 5000 : shown_ ? 200 : 0);
  if (quiet_ || now - last_ < every) {
    if (samples_.empty()) samples_.push_back({now, done});
    return;
  }
  last_ = now;
  const double rate = speed(now, done);
  const uint64_t size = total > 0 ? static_cast<uint64_t>(total) : 0;
  std::string line = size_text(done);
  if (size) {
    const int percent = static_cast<int>(done * 100 / size);
    line = std::to_string(percent) + " % of " + size_text(size);
    const int columns = terminal_ ? terminal_size(STDERR_FILENO).columns : 80;
    if (terminal_ && columns >= 90) {
      const int filled = percent / 5;
      line = "[" + std::string(filled, '#') + std::string(20 - filled, ' ') + "] " + line;
    }
  }
  if (rate > 0) line += ", " + size_text(static_cast<uint64_t>(rate)) + "/s";
  if (rate > 0 && size) line += ", " + time_text(static_cast<double>(size - done) / rate) + " left";
  std::string name = name_;
  if (terminal_) {
    const size_t columns =
        static_cast<size_t>(std::max(terminal_size(STDERR_FILENO).columns - 1, 20));
    const size_t room = columns > line.size() + 2 ? columns - line.size() - 2 : 0;
    if (name.size() > room) name = room > 3 ? "..." + name.substr(name.size() - (room - 3)) : "";
    line = line.substr(0, columns);
  }
  std::fprintf(stderr, terminal_ ? "\r\033[K%s%s%s" : "%s%s%s\n", name.c_str(),
               name.empty() ? "" : ": ", line.c_str());
  std::fflush(stderr);
  shown_ = terminal_;
}

void Progress::say(const std::string& sentence) {
  clear();
  std::fprintf(stderr, "%s\n", neutralise(sentence).c_str());
}

void Progress::clear() {
  if (shown_) std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace command
