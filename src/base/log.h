// The log sink: one callback for the process. Nothing prints below apps/; without a sink, nothing is said.
#pragma once

#include <functional>
#include <string>

namespace rwkv {

enum class LogLevel { kDebug, kInfo, kWarning };
using LogSink = std::function<void(LogLevel, const std::string&)>;

void set_log_sink(LogSink sink);  // any thread
void log(LogLevel level, const std::string& sentence);

}  // namespace rwkv
