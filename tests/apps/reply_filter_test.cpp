#include "../../apps/rwkv/reply_filter.h"

#include <gtest/gtest.h>

namespace command::reply_filter_test {
namespace {

struct Shown {
  std::string thinking, answer;
  bool open = false;  // the thought never ended
  bool operator==(const Shown&) const = default;
};
void PrintTo(const Shown& s, std::ostream* out) {
  *out << "thinking \"" << s.thinking << "\", answer \"" << s.answer << "\", open " << s.open;
}

Shown shown(std::string_view begin, const std::string& reply, size_t piece) {
  Shown out;
  ReplyFilter filter(begin, [&](std::string_view text, bool thinking) {
    EXPECT_FALSE(text.empty());
    (thinking ? out.thinking : out.answer) += text;
  });
  for (size_t i = 0; i < reply.size(); i += piece) filter.push(reply.substr(i, piece));
  out.open = filter.thinking();
  filter.finish();
  return out;
}

// However the reply is cut into pieces.
void expect_shown(std::string_view begin, const std::string& reply, const Shown& want) {
  for (const size_t piece : {1, 2, 3, 5, 7, 8, 9, 1000})
    EXPECT_EQ(shown(begin, reply, piece), want) << "pieces of " << piece << " of " << reply;
}

TEST(ReplyFilter, PlainReply) {
  expect_shown("Assistant:", " Hello\n\nthere.\n\n", {"", "Hello\n\nthere."});
  expect_shown("Assistant:", "", {});
  expect_shown("Assistant:", " \n ", {});
  expect_shown("Assistant:", "> a quote", {"", "> a quote"});
}

TEST(ReplyFilter, ReplyThatBeginsToThinkByItself) {
  expect_shown("Assistant:", " <think>\nHm.\n</think>\n\nYes.", {"Hm.", "Yes."});
  expect_shown("Assistant:", " <thin ice", {"", "<thin ice"});
  expect_shown("Assistant:", " <thi", {"", "<thi"});
  expect_shown("Assistant:", "Say <think> now", {"", "Say <think> now"});
}

TEST(ReplyFilter, TemplateThatOpensTheThought) {
  expect_shown("Assistant: <think", ">Hm.\n\nSo.</think>\nYes.", {"Hm.\n\nSo.", "Yes."});
  expect_shown("Assistant: <think", ">a </thin b</think>c", {"a </thin b", "c"});
  expect_shown("Assistant: <think", ">never ends </th", {"never ends </th", "", true});
}

TEST(ReplyFilter, TemplateThatClosesTheThought) {
  expect_shown("Assistant: <think>\n</think", ">\nYes.", {"", "Yes."});
  expect_shown("Assistant: <think>\n</think", "Yes > no", {"", "Yes > no"});
}

}  // namespace
}  // namespace command::reply_filter_test
