#include "../../apps/rwkv/line_buffer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace command::line_buffer_test {
namespace {

using Action = void (*)(LineBuffer&);
constexpr Action kActions[] = {
    [](LineBuffer& b) { b.insert("a"); },
    [](LineBuffer& b) { b.insert("\u00e9 "); },
    [](LineBuffer& b) { b.insert("\u65e5\n"); },
    [](LineBuffer& b) { b.insert("\U0001f642"); },
    [](LineBuffer& b) { b.left(); },
    [](LineBuffer& b) { b.right(); },
    [](LineBuffer& b) { b.word_left(); },
    [](LineBuffer& b) { b.word_right(); },
    [](LineBuffer& b) { b.home(); },
    [](LineBuffer& b) { b.end(); },
    [](LineBuffer& b) { b.up(); },
    [](LineBuffer& b) { b.down(); },
    [](LineBuffer& b) { b.erase_before(); },
    [](LineBuffer& b) { b.erase_after(); },
    [](LineBuffer& b) { b.kill_word_before(); },
    [](LineBuffer& b) { b.kill_word_after(); },
    [](LineBuffer& b) { b.kill_to_start(); },
    [](LineBuffer& b) { b.kill_to_end(); },
    [](LineBuffer& b) { b.yank(); },
};

bool is_well_formed(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = front_code_point(text);
    if (!c.valid) return false;
    text.remove_prefix(c.n_byte);
  }
  return true;
}

RC_GTEST_PROP(LineBuffer, TextStaysWellFormedAndTheCursorBetweenCharacters, ()) {
  LineBuffer buffer;
  for (const size_t i : *rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, 19))) {
    kActions[i](buffer);
    RC_ASSERT(buffer.cursor() <= buffer.text().size());
    RC_ASSERT(is_well_formed(buffer.text().substr(0, buffer.cursor())));
    RC_ASSERT(is_well_formed(buffer.text().substr(buffer.cursor())));
  }
}

// What the layout leaves out is nothing but newlines, and no row is wider than the screen.
RC_GTEST_PROP(Layout, RowsHoldTheTextAndFit, ()) {
  LineBuffer buffer;
  for (const size_t i : *rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, 19)))
    kActions[i](buffer);
  const int columns = *rc::gen::inRange(8, 20);
  const Layout layout = lay_out(buffer.text(), buffer.cursor(), columns, 2);
  std::string rows, text;
  for (const std::string& row : layout.rows) rows += row;
  for (const char c : buffer.text())
    if (c != '\n') text += c;
  RC_ASSERT(rows == text);
  RC_ASSERT(layout.rows.size() == layout.widths.size());
  for (const int width : layout.widths) RC_ASSERT(width <= columns);
  RC_ASSERT(layout.cursor_row < layout.rows.size());
  RC_ASSERT(layout.cursor_column >= 2 && layout.cursor_column < columns);
}

TEST(LineBuffer, EditsByCharacter) {
  LineBuffer buffer;
  buffer.set("h\u00e9\u65e5\U0001f642");
  buffer.erase_before();
  EXPECT_EQ(buffer.text(), "h\u00e9\u65e5");
  buffer.left();
  buffer.left();
  EXPECT_EQ(buffer.cursor(), 1u);
  buffer.erase_after();
  EXPECT_EQ(buffer.text(), "h\u65e5");
}

TEST(LineBuffer, IllFormedBytesAreRemovedOneByOne) {
  LineBuffer buffer;
  buffer.set("a\xe6\x97");
  buffer.erase_before();
  EXPECT_EQ(buffer.text(), "a\xe6");
  buffer.erase_before();
  EXPECT_EQ(buffer.text(), "a");
}

TEST(LineBuffer, KillsAndYanks) {
  LineBuffer buffer;
  buffer.set("see /usr/share/doc");
  buffer.kill_word_before();
  EXPECT_EQ(buffer.text(), "see ");
  buffer.yank();
  EXPECT_EQ(buffer.text(), "see /usr/share/doc");
  buffer.home();
  buffer.kill_to_end();
  EXPECT_EQ(buffer.text(), "");
}

TEST(LineBuffer, MovesBetweenItsLines) {
  LineBuffer buffer;
  buffer.set("first\nno\nthird");
  EXPECT_TRUE(buffer.up());
  EXPECT_EQ(buffer.cursor(), 8u);  // "no" is shorter: its end
  EXPECT_TRUE(buffer.up());
  EXPECT_EQ(buffer.cursor(), 2u);
  EXPECT_FALSE(buffer.up());
  EXPECT_TRUE(buffer.down());
  EXPECT_TRUE(buffer.down());
  EXPECT_FALSE(buffer.down());
}

TEST(Layout, WideCharactersAreNotCut) {
  const Layout layout = lay_out("\u65e5\u672c\u8a9e\u65e5", 12, 9, 2);  // 3 of 2 cells fit beside 2
  ASSERT_EQ(layout.rows.size(), 2u);
  EXPECT_EQ(layout.widths[0], 8);
  EXPECT_EQ(layout.cursor_row, 1u);
  EXPECT_EQ(layout.cursor_column, 4);
}

TEST(Layout, CursorBehindAFullRowStandsOnTheNext) {
  const Layout layout = lay_out("abcdef", 6, 8, 2);
  EXPECT_EQ(layout.rows.size(), 2u);
  EXPECT_EQ(layout.cursor_row, 1u);
  EXPECT_EQ(layout.cursor_column, 2);
}

TEST(Layout, ControlCharactersAreShown) {
  EXPECT_EQ(lay_out("\x1b[0m\x7f\t\xff\u0085", 0, 40, 2).rows[0], "^[[0m^?    \ufffd\ufffd");
}

TEST(CodePoint, RejectsWhatIsNotUtf8) {
  for (const char* bad : {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xe6\x97"})
    EXPECT_FALSE(front_code_point(bad).valid);
  EXPECT_EQ(front_code_point("\U0001f642").value, 0x1f642u);
  EXPECT_EQ(cell_width(0x1f642), 2);
  EXPECT_EQ(cell_width(0x301), 0);
}

}  // namespace
}  // namespace command::line_buffer_test
