#include "base/log.h"

#include <mutex>

namespace rwkv {
namespace {

struct Shared {
  std::mutex mutex;
  LogSink sink;
};
Shared& shared() {
  static Shared instance;
  return instance;
}

}  // namespace

void set_log_sink(LogSink sink) {
  const std::lock_guard lock(shared().mutex);
  shared().sink = std::move(sink);
}

void log(LogLevel level, const std::string& sentence) {
  LogSink sink;  // called without the lock: it may log, or set another sink
  {
    const std::lock_guard lock(shared().mutex);
    sink = shared().sink;
  }
  if (sink) sink(level, sentence);
}

}  // namespace rwkv
