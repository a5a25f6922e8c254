#include "line_buffer.h"

#include <algorithm>
#include <iterator>

namespace command {
namespace {

struct CodePoints {
  char32_t first, last;
};

// Marks that join the character before: combining, zero-width, variation selectors, skin tones.
constexpr CodePoints kZero[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a}, {0x064b, 0x065f},
    {0x06d6, 0x06dc}, {0x0900, 0x0902}, {0x093c, 0x093c}, {0x0941, 0x0948}, {0x094d, 0x094d},
    {0x0e31, 0x0e31}, {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
    {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x2064}, {0x20d0, 0x20ff}, {0x3099, 0x309a},
    {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0x1f3fb, 0x1f3ff}, {0xe0100, 0xe01ef}};

constexpr CodePoints kWide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},
    {0x25fd, 0x25fe},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26a1, 0x26a1},
    {0x26bd, 0x26be},   {0x2705, 0x2705},   {0x2728, 0x2728},   {0x274c, 0x274c},
    {0x2753, 0x2755},   {0x2795, 0x2797},   {0x2b50, 0x2b50},   {0x2e80, 0x303e},
    {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},
    {0xa960, 0xa97f},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
    {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x16fe0, 0x18cff}, {0x1b000, 0x1b2ff},
    {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a},
    {0x1f200, 0x1f320}, {0x1f32d, 0x1f335}, {0x1f337, 0x1f37c}, {0x1f37e, 0x1f393},
    {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4},
    {0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440}, {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d},
    {0x1f54b, 0x1f54e}, {0x1f550, 0x1f567}, {0x1f57a, 0x1f57a}, {0x1f595, 0x1f596},
    {0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6d7},
    {0x1f6eb, 0x1f6ec}, {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7eb}, {0x1f90c, 0x1f9ff},
    {0x1fa70, 0x1faff}, {0x20000, 0x3fffd}};

template <size_t kCount>
bool contains(const CodePoints (&ranges)[kCount], char32_t value) {
  const auto found = std::lower_bound(std::begin(ranges), std::end(ranges), value,
                                      [](const CodePoints& r, char32_t v) { return r.last < v; });
  return found != std::end(ranges) && found->first <= value;
}

bool is_word(char c) {  // every byte outside ASCII belongs to a word
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || byte == '_' || (byte >= '0' && byte <= '9') ||
         (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

struct Cells {
  std::string shown;
  int width;
};
Cells cells_of(const CodePoint& c, std::string_view bytes) {
  if (!c.valid) return {"\ufffd", 1};
  if (c.value == '\t') return {"    ", 4};
  if (c.value < 0x20) return {{'^', static_cast<char>(c.value + '@')}, 2};
  if (c.value == 0x7f) return {"^?", 2};
  if (c.value < 0xa0 && c.value >= 0x80) return {"\ufffd", 1};
  return {std::string(bytes), cell_width(c.value)};
}

}  // namespace

CodePoint front_code_point(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < n) return {0xfffd, 1, false};
  char32_t value = lead & (0x7fu >> n);
  for (size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {0xfffd, 1, false};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
    return {0xfffd, 1, false};
  return {value, n, true};
}

int cell_width(char32_t value) {
  if (contains(kZero, value)) return 0;
  return contains(kWide, value) ? 2 : 1;
}

void LineBuffer::set(std::string text) {
  text_ = std::move(text);
  cursor_ = text_.size();
}

void LineBuffer::insert(std::string_view text) {
  text_.insert(cursor_, text);
  cursor_ += text.size();
}

size_t LineBuffer::after(size_t position) const {
  if (position >= text_.size()) return text_.size();
  return position + front_code_point(std::string_view(text_).substr(position)).n_byte;
}

size_t LineBuffer::before(size_t position) const {
  // The longest character that reaches exactly to here; a single byte counts when it is ill-formed.
  for (size_t n = std::min<size_t>(4, position); n > 1; --n)
    if (after(position - n) == position) return position - n;
  return position == 0 ? 0 : position - 1;
}

size_t LineBuffer::word_before() const {
  size_t position = cursor_;
  while (position > 0 && !is_word(text_[position - 1])) --position;
  while (position > 0 && is_word(text_[position - 1])) --position;
  return position;
}

size_t LineBuffer::word_after() const {
  size_t position = cursor_;
  while (position < text_.size() && !is_word(text_[position])) ++position;
  while (position < text_.size() && is_word(text_[position])) ++position;
  return position;
}

size_t LineBuffer::line_start(size_t position) const {
  if (position == 0) return 0;
  const size_t newline = text_.rfind('\n', position - 1);
  return newline == std::string::npos ? 0 : newline + 1;
}

size_t LineBuffer::line_end(size_t position) const {
  return std::min(text_.find('\n', position), text_.size());
}

void LineBuffer::erase_before() {
  const size_t begin = before(cursor_);
  text_.erase(begin, cursor_ - begin);
  cursor_ = begin;
}

void LineBuffer::erase_after() { text_.erase(cursor_, after(cursor_) - cursor_); }

void LineBuffer::kill(size_t begin, size_t end) {
  if (begin == end) return;
  killed_ = text_.substr(begin, end - begin);
  text_.erase(begin, end - begin);
  cursor_ = begin;
}

void LineBuffer::kill_word_before() {
  // Up to a blank, as in a shell: a path or an address goes at once.
  size_t begin = cursor_;
  const auto blank = [&] { return text_[begin - 1] == ' ' || text_[begin - 1] == '\n'; };
  while (begin > 0 && blank()) --begin;
  while (begin > 0 && !blank()) --begin;
  kill(begin, cursor_);
}

void LineBuffer::kill_word_after() { kill(cursor_, word_after()); }
void LineBuffer::kill_to_start() { kill(line_start(cursor_), cursor_); }

void LineBuffer::kill_to_end() {
  const size_t end_of_line = line_end(cursor_);
  kill(cursor_, end_of_line > cursor_ ? end_of_line : after(cursor_));  // its end: joins the next
}

size_t LineBuffer::characters(size_t begin, size_t end) const {
  size_t n = 0;
  for (; begin < end; begin = after(begin)) ++n;
  return n;
}

void LineBuffer::go_to_column(size_t start, size_t n_character) {
  cursor_ = start;
  for (const size_t end_of_line = line_end(start); n_character > 0 && cursor_ < end_of_line;
       --n_character)
    right();
}

bool LineBuffer::up() {
  const size_t start = line_start(cursor_);
  if (start == 0) return false;
  go_to_column(line_start(start - 1), characters(start, cursor_));
  return true;
}

bool LineBuffer::down() {
  const size_t end_of_line = line_end(cursor_);
  if (end_of_line == text_.size()) return false;
  go_to_column(end_of_line + 1, characters(line_start(cursor_), cursor_));
  return true;
}

Layout lay_out(std::string_view text, size_t cursor, int columns, int indent) {
  Layout layout;
  layout.rows.emplace_back();
  int width = indent;
  const auto next_row = [&] {
    layout.widths.push_back(width);
    layout.rows.emplace_back();
    width = indent;
  };
  const auto mark_cursor = [&] {
    layout.cursor_row = layout.rows.size() - 1;
    layout.cursor_column = std::min(width, columns - 1);
  };
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = front_code_point(text.substr(i));
    const bool newline = c.value == '\n';
    const Cells cells = newline ? Cells{"", 0} : cells_of(c, text.substr(i, c.n_byte));
    if (!newline && width + cells.width > columns && width > indent) next_row();
    if (i == cursor) mark_cursor();
    layout.rows.back() += cells.shown;
    width += cells.width;
    if (newline) next_row();
    i += c.n_byte;
  }
  if (cursor >= text.size()) {
    if (width >= columns) next_row();
    mark_cursor();
  }
  layout.widths.push_back(width);
  return layout;
}

}  // namespace command
