#include "line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "history.h"
#include "key_reader.h"
#include "line_buffer.h"
#include "shared.h"
#include "terminal.h"

namespace command {
namespace {

// One line, one turn; ends at the end of the input, or when `interrupted` is set while it waits.
class PlainReader : public LineReader {
 public:
  explicit PlainReader(bool terminal) : terminal_(terminal) {}
  bool interactive() const override { return terminal_; }

  Line read() override {
    if (terminal_) terminal_write(STDERR_FILENO, "> ");
    for (;;) {
      const size_t newline = buffer_.find('\n', searched_);
      if (newline != std::string::npos) return take(newline, newline + 1);
      searched_ = buffer_.size();
      if (buffer_.size() > kMaxLineByte) throw Failure("a line is longer than 256 MB");
      if (interrupted) return {Line::Kind::kInterrupt, ""};
      if (!fill()) break;
    }
    if (interrupted) return {Line::Kind::kInterrupt, ""};
    return buffer_.empty() ? Line{} : take(buffer_.size(), buffer_.size());
  }

 private:
  static constexpr size_t kMaxLineByte = size_t{1} << 28;

  Line take(size_t end, size_t next) {
    Line line{Line::Kind::kText, buffer_.substr(0, end)};
    if (!line.text.empty() && line.text.back() == '\r') line.text.pop_back();
    buffer_.erase(0, next);
    searched_ = 0;
    return line;
  }

  bool fill() {  // false: nothing more comes
    pollfd descriptor{STDIN_FILENO, POLLIN, 0};
    // Reads are restarted after Ctrl-C, poll is not.
    if (::poll(&descriptor, 1, -1) < 0) return errno == EINTR;
    char bytes[65536];
    const ssize_t n = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (n > 0) buffer_.append(bytes, static_cast<size_t>(n));
    return n > 0 || (n < 0 && errno == EINTR);
  }

  bool terminal_;
  std::string buffer_;
  size_t searched_ = 0;
};

class Editor : public LineReader {
 public:
  explicit Editor(const LineReaderOptions& options)
      : history_(options.history_path), keys_(STDIN_FILENO), out_(options.out_fd),
        prompt_(options.color ? "\033[1;32m> \033[0m" : "> ") {
    terminal_prepare(out_);
  }
  ~Editor() override { terminal_mode(TerminalMode::kOriginal); }
  bool interactive() const override { return true; }

  Line read() override {
    terminal_mode(TerminalMode::kEdit);
    buffer_.set("");
    place_ = history_.size();
    drawn_widths_.clear();
    drawn_cursor_row_ = 0;
    Line line;
    bool done = false;
    while (!done) {
      if (!keys_.pending()) draw();
      done = take(keys_.next(), line);
    }
    terminal_mode(TerminalMode::kReply);
    return line;
  }

 private:
  static constexpr int kIndent = 2;  // cells of the prompt, and of the rows below it

  bool take(const KeyPress& press, Line& line);  // true: the line is finished
  bool edit(const KeyPress& press);              // true: it was an editing key
  bool enter(Line& line);
  void move_in_history(bool older);
  void draw();
  void draw_finished();

  LineBuffer buffer_;
  History history_;
  KeyReader keys_;
  int out_;
  std::string prompt_, draft_;  // draft_: what was being typed before the history was looked up
  size_t place_ = 0;            // in the history; its size: the draft
  std::vector<int> drawn_widths_;  // of the rows on the screen down to the cursor's
  size_t drawn_cursor_row_ = 0;
};

bool Editor::edit(const KeyPress& press) {
  switch (press.key) {
    case Key::kText: case Key::kPaste: buffer_.insert(press.text); break;
    case Key::kNewline: buffer_.insert("\n"); break;
    case Key::kLeft: buffer_.left(); break;
    case Key::kRight: buffer_.right(); break;
    case Key::kWordLeft: buffer_.word_left(); break;
    case Key::kWordRight: buffer_.word_right(); break;
    case Key::kHome: buffer_.home(); break;
    case Key::kEnd: buffer_.end(); break;
    case Key::kUp: if (!buffer_.up()) move_in_history(true); break;
    case Key::kDown: if (!buffer_.down()) move_in_history(false); break;
    case Key::kEraseBefore: buffer_.erase_before(); break;
    case Key::kEraseAfter: buffer_.erase_after(); break;
    case Key::kKillWordBefore: buffer_.kill_word_before(); break;
    case Key::kKillWordAfter: buffer_.kill_word_after(); break;
    case Key::kKillToStart: buffer_.kill_to_start(); break;
    case Key::kKillToEnd: buffer_.kill_to_end(); break;
    case Key::kYank: buffer_.yank(); break;
    default: return false;
  }
  return true;
}

bool Editor::take(const KeyPress& press, Line& line) {
  if (edit(press)) return false;
  switch (press.key) {
    case Key::kEnter: return enter(line);
    case Key::kInterrupt:
      line = {Line::Kind::kInterrupt, buffer_.text()};
      draw_finished();
      return true;
    case Key::kEndOfInputOrErase:
      if (!buffer_.text().empty()) {
        buffer_.erase_after();
        return false;
      }
      [[fallthrough]];
    case Key::kClosed:
      line = {Line::Kind::kEnd, ""};
      draw_finished();
      return true;
    case Key::kClear:
      terminal_write(out_, "\033[H\033[2J");
      drawn_widths_.clear();
      drawn_cursor_row_ = 0;
      return false;
    case Key::kSuspend:
      draw_finished();
      terminal_suspend();
      drawn_widths_.clear();
      drawn_cursor_row_ = 0;
      return false;
    default: return false;
  }
}

bool Editor::enter(Line& line) {
  if (buffer_.cursor() == buffer_.text().size() && buffer_.text().ends_with('\\')) {
    buffer_.erase_before();
    buffer_.insert("\n");
    return false;
  }
  line = {Line::Kind::kText, buffer_.text()};
  draw_finished();
  history_.add(line.text);
  return true;
}

void Editor::move_in_history(bool older) {
  if (older ? place_ == 0 : place_ == history_.size()) return;
  if (place_ == history_.size()) draft_ = buffer_.text();
  place_ = older ? place_ - 1 : place_ + 1;
  buffer_.set(place_ == history_.size() ? draft_ : history_[place_]);
}

// Goes back to the first row that was drawn, clears from there on and writes everything anew. Rows
// are cut here, not by the terminal; a text higher than the window shows the part around the cursor.
void Editor::draw() {
  const TerminalSize size = terminal_size(out_);
  const Layout layout = lay_out(buffer_.text(), buffer_.cursor(), size.columns, kIndent);
  const size_t height = static_cast<size_t>(size.rows);
  const size_t n_row = layout.rows.size();
  const size_t first = layout.cursor_row >= height ? layout.cursor_row - height + 1 : 0;
  const size_t last = std::min(n_row, first + height);

  // A window that became narrower has folded the rows.
  size_t up = 0;
  for (size_t row = 0; row < drawn_cursor_row_ && row < drawn_widths_.size(); ++row)
    up += static_cast<size_t>(std::max(1, (drawn_widths_[row] + size.columns - 1) / size.columns));
  std::string bytes = "\r";
  if (up > 0) bytes += "\033[" + std::to_string(up) + "A";
  bytes += "\033[J";
  for (size_t row = first; row < last; ++row) {
    if (row > first) bytes += "\r\n";
    bytes += (row == 0 ? prompt_ : std::string(kIndent, ' ')) + layout.rows[row];
  }
  if (last - 1 > layout.cursor_row)
    bytes += "\033[" + std::to_string(last - 1 - layout.cursor_row) + "A";
  bytes += "\r";
  if (layout.cursor_column > 0) bytes += "\033[" + std::to_string(layout.cursor_column) + "C";
  terminal_write(out_, bytes);
  drawn_widths_.assign(layout.widths.begin() + static_cast<ptrdiff_t>(first),
                       layout.widths.begin() + static_cast<ptrdiff_t>(last));
  drawn_cursor_row_ = layout.cursor_row - first;
}

void Editor::draw_finished() {
  const std::string text = buffer_.text();
  buffer_.set(text);  // the cursor at its end
  draw();
  terminal_write(out_, "\r\n");
}

}  // namespace

std::unique_ptr<LineReader> make_line_reader(const LineReaderOptions& options) {
  const bool terminal = is_terminal(STDIN_FILENO);
  if (!terminal || options.out_fd < 0 || !terminal_draws())
    return std::make_unique<PlainReader>(terminal);
  return std::make_unique<Editor>(options);
}

}  // namespace command
