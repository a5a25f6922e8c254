// The text that is being edited: code points, a cursor, kill and yank; and how it lies on a screen.
// Nothing here knows of a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace command {

// The UTF-8 character at the front of `text`, which is not empty. Ill-formed bytes count one by one.
struct CodePoint {
  char32_t value;
  size_t n_byte;
  bool valid;
};
CodePoint front_code_point(std::string_view text);
// Cells that terminals give to it: 0 (joins the one before), 1 or 2. An approximation of UAX #11.
int cell_width(char32_t value);

class LineBuffer {
 public:
  const std::string& text() const { return text_; }
  size_t cursor() const { return cursor_; }  // bytes before it
  void set(std::string text);                // the cursor stands at its end

  void insert(std::string_view text);
  void erase_before();
  void erase_after();
  void kill_word_before();
  void kill_word_after();
  void kill_to_start();  // of this line
  void kill_to_end();
  void yank() { insert(std::string(killed_)); }

  void left() { cursor_ = before(cursor_); }
  void right() { cursor_ = after(cursor_); }
  void word_left() { cursor_ = word_before(); }
  void word_right() { cursor_ = word_after(); }
  void home() { cursor_ = line_start(cursor_); }
  void end() { cursor_ = line_end(cursor_); }
  // To the neighbouring line of a text of several lines; false: there is none.
  bool up();
  bool down();

 private:
  size_t before(size_t position) const;
  size_t after(size_t position) const;
  size_t word_before() const;
  size_t word_after() const;
  size_t line_start(size_t position) const;
  size_t line_end(size_t position) const;
  void kill(size_t begin, size_t end);
  void go_to_column(size_t start, size_t n_character);
  size_t characters(size_t begin, size_t end) const;

  std::string text_, killed_;
  size_t cursor_ = 0;
};

// The rows that a text takes on a screen of `columns` when each is preceded by `indent` cells.
struct Layout {
  std::vector<std::string> rows;  // printable: controls as "^[", tabs as blanks
  std::vector<int> widths;        // cells of each, with the indent
  size_t cursor_row = 0;
  int cursor_column = 0;
};
Layout lay_out(std::string_view text, size_t cursor, int columns, int indent);

}  // namespace command
