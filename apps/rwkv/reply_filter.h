// What of a reply is thinking and what is the answer, while it comes in pieces.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace command {

class ReplyFilter {
 public:
  // Called with text of one kind at a time; neither kind begins or ends with blanks or newlines.
  using Sink = std::function<void(std::string_view text, bool thinking)>;

  // reply_begin: what the template put before the reply ("Assistant: <think"); the model then writes
  // the missing ">" itself.
  ReplyFilter(std::string_view reply_begin, Sink sink);
  void push(std::string_view text);
  void finish();  // hands out what was held back
  bool thinking() const { return state_ == State::kThink; }

 private:
  enum class State { kBegin, kThink, kAnswer };

  bool begin();  // false: more text is needed
  bool think();
  void emit(std::string_view text, bool thinking);

  Sink sink_;
  State state_ = State::kBegin;
  State after_bracket_ = State::kBegin;  // kThink or kAnswer when reply_begin lacks its ">"
  std::string held_;    // not yet decided
  std::string blanks_;  // handed out only when something follows
  bool started_ = false;
};

}  // namespace command
