// How far a download is. On a terminal one line that rewrites itself, with speed and time left;
// elsewhere a line every five seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

namespace command {

class Progress {
 public:
  Progress(std::string name, bool quiet);
  ~Progress();
  // total < 0: unknown. May be called as often as one likes.
  void update(uint64_t done, int64_t total);
  void say(const std::string& sentence);  // a line of its own
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  struct Sample {
    Clock::time_point when;
    uint64_t done;
  };
  double speed(Clock::time_point now, uint64_t done);  // bytes/s over the last seconds

  std::string name_;
  bool quiet_, terminal_, shown_ = false;
  std::deque<Sample> samples_;
  Clock::time_point last_;
};

std::string time_text(double seconds);  // "1:05", "2:00:01"

}  // namespace command
