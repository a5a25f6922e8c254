// Bytes of a terminal in raw mode -> keys.
#pragma once

#include <cstddef>
#include <string>

namespace command {

enum class Key {
  kText,  // one character, whole UTF-8
  kPaste, // bracketed: any text, lines ended by "\n"
  kEnter, kNewline,  // Alt-Enter
  kLeft, kRight, kUp, kDown, kHome, kEnd, kWordLeft, kWordRight,
  kEraseBefore, kEraseAfter, kKillWordBefore, kKillWordAfter, kKillToStart, kKillToEnd, kYank,
  kInterrupt, kEndOfInputOrErase /* Ctrl-D */, kClear, kSuspend,
  kSignal,  // none: a signal came (the window may have another size)
  kClosed,  // the terminal has gone
  kNone
};

struct KeyPress {
  Key key;
  std::string text;
};

class KeyReader {
 public:
  explicit KeyReader(int fd) : fd_(fd) {}
  KeyPress next();
  bool pending() const { return begin_ < end_; }  // more has been read already: drawing can wait

 private:
  int byte(int timeout_ms, bool stop_at_signal);
  KeyPress escape();
  Key control_sequence();
  KeyPress character(int lead);
  KeyPress paste();

  int fd_;
  char bytes_[4096];
  size_t begin_ = 0, end_ = 0;
};

}  // namespace command
