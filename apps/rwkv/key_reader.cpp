#include "key_reader.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "line_buffer.h"

namespace command {
namespace {

constexpr int kClosedByte = -1, kTimeout = -2, kSignalByte = -3;
constexpr int kForever = -1;
// A terminal sends a sequence at once; what follows Escape later is a key of its own.
constexpr int kSequenceTimeout_ms = 50;
constexpr size_t kMaxPaste = size_t{16} << 20;

constexpr int control(char letter) { return letter & 0x1f; }

Key control_key(int byte) {
  switch (byte) {
    case '\r': case '\n': return Key::kEnter;
    case control('A'): return Key::kHome;
    case control('B'): return Key::kLeft;
    case control('C'): return Key::kInterrupt;
    case control('D'): return Key::kEndOfInputOrErase;
    case control('E'): return Key::kEnd;
    case control('F'): return Key::kRight;
    case control('H'): case 0x7f: return Key::kEraseBefore;
    case control('K'): return Key::kKillToEnd;
    case control('L'): return Key::kClear;
    case control('N'): return Key::kDown;
    case control('P'): return Key::kUp;
    case control('U'): return Key::kKillToStart;
    case control('W'): return Key::kKillWordBefore;
    case control('Y'): return Key::kYank;
    case control('Z'): return Key::kSuspend;
    default: return Key::kNone;
  }
}

}  // namespace

// The next byte, or one of the constants above.
int KeyReader::byte(int timeout_ms, bool stop_at_signal) {
  while (begin_ == end_) {
    pollfd descriptor{fd_, POLLIN, 0};
    const int ready = ::poll(&descriptor, 1, timeout_ms);
    if (ready == 0) return kTimeout;
    if (ready < 0) {
      if (errno != EINTR) return kClosedByte;
      if (stop_at_signal) return kSignalByte;
      continue;
    }
    const ssize_t n = ::read(fd_, bytes_, sizeof bytes_);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return kClosedByte;
    begin_ = 0;
    end_ = static_cast<size_t>(n);
  }
  return static_cast<unsigned char>(bytes_[begin_++]);
}

KeyPress KeyReader::next() {
  const int first = byte(kForever, true);
  if (first == kClosedByte) return {Key::kClosed, ""};
  if (first == kSignalByte) return {Key::kSignal, ""};
  if (first == 0x1b) return escape();
  if (first == '\t') return {Key::kText, "\t"};
  if (first < 0x20 || first == 0x7f) return {control_key(first), ""};
  return character(first);
}

KeyPress KeyReader::character(int lead) {
  std::string text(1, static_cast<char>(lead));
  const size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  while (text.size() < n) {
    const int more = byte(kSequenceTimeout_ms, false);
    if (more < 0) break;
    if ((more & 0xc0) != 0x80) {
      --begin_;  // not ours: it begins the next key
      break;
    }
    text += static_cast<char>(more);
  }
  return front_code_point(text).valid ? KeyPress{Key::kText, text} : KeyPress{Key::kNone, ""};
}

KeyPress KeyReader::escape() {
  const int second = byte(kSequenceTimeout_ms, false);
  switch (second) {
    case '[': case 'O': {
      const Key key = control_sequence();
      return key == Key::kPaste ? paste() : KeyPress{key, ""};
    }
    case '\r': case '\n': return {Key::kNewline, ""};
    case 'b': return {Key::kWordLeft, ""};
    case 'f': return {Key::kWordRight, ""};
    case 'd': return {Key::kKillWordAfter, ""};
    case 0x7f: case control('H'): return {Key::kKillWordBefore, ""};
    default: return {Key::kNone, ""};
  }
}

// After "ESC [" or "ESC O": parameters, then one final byte.
Key KeyReader::control_sequence() {
  static const std::map<std::string, Key> kKeys = {
      {"A", Key::kUp},           {"B", Key::kDown},        {"C", Key::kRight},
      {"D", Key::kLeft},         {"H", Key::kHome},        {"1~", Key::kHome},
      {"7~", Key::kHome},        {"F", Key::kEnd},         {"4~", Key::kEnd},
      {"8~", Key::kEnd},         {"3~", Key::kEraseAfter}, {"3;5~", Key::kKillWordAfter},
      {"1;5C", Key::kWordRight}, {"1;5D", Key::kWordLeft}, {"1;3C", Key::kWordRight},
      {"1;3D", Key::kWordLeft},  {"5C", Key::kWordRight},  {"5D", Key::kWordLeft},
      {"200~", Key::kPaste}};
  constexpr size_t kMaxSequence = 32;
  std::string sequence;
  while (sequence.size() < kMaxSequence) {
    const int next_byte = byte(kSequenceTimeout_ms, false);
    if (next_byte < 0x20) break;
    sequence += static_cast<char>(next_byte);
    if (next_byte >= 0x40 && next_byte <= 0x7e) break;
  }
  const auto found = kKeys.find(sequence);
  return found == kKeys.end() ? Key::kNone : found->second;
}

KeyPress KeyReader::paste() {
  static constexpr std::string_view kEndMark = "\033[201~";
  std::string text;
  while (text.size() < kMaxPaste) {
    const int next_byte = byte(kForever, false);
    if (next_byte < 0) return {Key::kClosed, ""};
    if (next_byte == '\n' && !text.empty() && text.back() == '\r') text.pop_back();
    text += static_cast<char>(next_byte);
    if (text.size() >= kEndMark.size() && text.ends_with(kEndMark)) {
      text.resize(text.size() - kEndMark.size());
      break;
    }
  }
  for (char& c : text)
    if (c == '\r') c = '\n';
  if (text.ends_with('\n')) text.pop_back();  // a copied line brings its end along
  return {Key::kPaste, std::move(text)};
}

}  // namespace command
