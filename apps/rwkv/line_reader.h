// Where the user's turns come from: an editor on a terminal, plain lines otherwise.
#pragma once

#include <memory>
#include <string>

namespace command {

struct Line {
  enum class Kind { kText, kInterrupt, kEnd };  // kInterrupt: Ctrl-C; `text`: what stood there
  Kind kind = Kind::kEnd;
  std::string text;
};

class LineReader {
 public:
  virtual ~LineReader() = default;
  virtual Line read() = 0;
  virtual bool interactive() const = 0;  // a person types, on a terminal
};

struct LineReaderOptions {
  std::string history_path;  // "": none
  bool color = false;
  int out_fd = -1;           // the terminal to draw on; -1: there is none, so no editing
};
// An editor when standard input and out_fd are terminals that understand escape sequences.
std::unique_ptr<LineReader> make_line_reader(const LineReaderOptions& options);

}  // namespace command
