// Recursive descent with a depth limit: the text is hostile until it has been read to its end.
#include "base/json.h"

#include <charconv>
#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "base/utf8.h"

namespace rwkv {

class JsonParser {
 public:
  JsonParser(std::string_view text, const std::string& source, size_t max_depth)
      : text_(text), source_(source), max_depth_(max_depth) {}

  Json document() {
    Json value = parse_value(0);
    skip_space();
    if (at_ != text_.size()) fail("nothing after the value");
    return value;
  }

 private:
  [[noreturn]] void fail(std::string_view expected) const {
    throw Error(Code::kFormat, "{}: JSON, byte {}: expected {}", source_, at_, expected);
  }
  // A node takes some 90 bytes, a digit and a comma two: a text within its reader's limit must not fill the memory.
  void count_node() {
    static constexpr size_t kMaxNodes = size_t{1} << 23;
    if (++n_node_ > kMaxNodes) fail(strf("no more than {} values", kMaxNodes));
  }
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  void skip_space() {
    while (!done() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' ||
                       text_[at_] == '\r'))
      ++at_;
  }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) fail("a value");
    at_ += word.size();
  }

  Json parse_value(size_t depth) {
    if (depth > max_depth_) fail("less nesting");
    skip_space();
    Json value;
    switch (peek()) {
      case '{': return parse_object(depth);
      case '[': return parse_array(depth);
      case '"':
        value.kind_ = Json::Kind::kString;
        value.text_ = parse_string();
        return value;
      case 't':
        expect_word("true");
        value.kind_ = Json::Kind::kBool;
        value.bool_ = true;
        return value;
      case 'f':
        expect_word("false");
        value.kind_ = Json::Kind::kBool;
        return value;
      case 'n': expect_word("null"); return value;
      default: return parse_number();
    }
  }

  Json parse_object(size_t depth) {
    Json value;
    value.kind_ = Json::Kind::kObject;
    std::unordered_set<std::string> keys;
    ++at_;
    skip_space();
    if (take('}')) return value;
    for (;;) {
      skip_space();
      if (peek() != '"') fail("a key in double quotes");
      std::string key = parse_string();
      if (!keys.insert(key).second) fail(strf("each key once (\"{}\" stands twice)", key));
      skip_space();
      if (!take(':')) fail("':'");
      count_node();
      value.object_.emplace_back(std::move(key), parse_value(depth + 1));
      skip_space();
      if (take('}')) return value;
      if (!take(',')) fail("',' or '}'");
    }
  }

  Json parse_array(size_t depth) {
    Json value;
    value.kind_ = Json::Kind::kArray;
    ++at_;
    skip_space();
    if (take(']')) return value;
    for (;;) {
      count_node();
      value.array_.push_back(parse_value(depth + 1));
      skip_space();
      if (take(']')) return value;
      if (!take(',')) fail("',' or ']'");
    }
  }

  Json parse_number() {
    const size_t start = at_;
    take('-');
    if (peek() == '0') {
      ++at_;
    } else if (!digits()) {
      at_ = start;
      fail("a value");
    }
    if (take('.') && !digits()) fail("a digit");
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) fail("a digit");
    }
    Json value;
    value.kind_ = Json::Kind::kNumber;
    value.text_ = std::string(text_.substr(start, at_ - start));
    return value;
  }
  bool digits() {
    const size_t start = at_;
    while (!done() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > start;
  }

  std::string parse_string() {
    std::string out;
    ++at_;
    const size_t start = at_;
    for (;;) {
      if (done()) fail("'\"' at the end of a string");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') break;
      if (c < 0x20) fail("no control character in a string");
      if (c == '\\') {
        ++at_;
        parse_escape(out);
      } else {
        out += static_cast<char>(c);
        ++at_;
      }
    }
    if (!is_valid_utf8(text_.substr(start, at_ - start))) fail("UTF-8");
    ++at_;
    return out;
  }

  void parse_escape(std::string& out) {
    const char c = peek();
    ++at_;
    switch (c) {
      case '"': case '\\': case '/': out += c; return;
      case 'b': out += '\b'; return;
      case 'f': out += '\f'; return;
      case 'n': out += '\n'; return;
      case 'r': out += '\r'; return;
      case 't': out += '\t'; return;
      case 'u': break;
      default: --at_; fail("an escape of JSON");
    }
    uint32_t point = hex4();
    if (point >= 0xd800 && point < 0xdc00 && text_.substr(at_, 2) == "\\u") {
      const size_t mark = at_;
      at_ += 2;
      const uint32_t low = hex4();
      if (low >= 0xdc00 && low < 0xe000)
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
      else
        at_ = mark;
    }
    if (point >= 0xd800 && point < 0xe000) point = 0xfffd;  // a lone surrogate has no UTF-8
    append_utf8(out, point);
  }
  uint32_t hex4() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      uint32_t digit = 0;
      if (c >= '0' && c <= '9') digit = static_cast<uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f') digit = static_cast<uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') digit = static_cast<uint32_t>(c - 'A' + 10);
      else fail("four hex digits");
      value = value << 4 | digit;
    }
    return value;
  }

  std::string_view text_;
  const std::string& source_;
  size_t max_depth_, at_ = 0, n_node_ = 0;
};

Json Json::parse(std::string_view text, const std::string& source, size_t max_depth) {
  return JsonParser(text, source, max_depth).document();
}

namespace {
[[noreturn]] void wrong_kind(std::string_view wanted) {
  throw Error(Code::kFormat, "JSON: expected {}", wanted);
}
}  // namespace

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : object_)
    if (name == key) return &value;
  return nullptr;
}
bool Json::boolean() const {
  if (kind_ != Kind::kBool) wrong_kind("true or false");
  return bool_;
}
double Json::number() const {
  if (kind_ != Kind::kNumber) wrong_kind("a number");
  double value = 0;
  const auto result = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (result.ec == std::errc::result_out_of_range) wrong_kind("a number within double's range");
  return value;
}
const std::string& Json::string() const {
  if (kind_ != Kind::kString) wrong_kind("a string");
  return text_;
}
const std::string& Json::number_text() const {
  if (kind_ != Kind::kNumber) wrong_kind("a number");
  return text_;
}
const Json::Array& Json::array() const {
  if (kind_ != Kind::kArray) wrong_kind("an array");
  return array_;
}
const Json::Object& Json::object() const {
  if (kind_ != Kind::kObject) wrong_kind("an object");
  return object_;
}
size_t Json::whole() const {
  const double value = number();
  if (value < 0 || value > 9007199254740992.0 || value != std::floor(value))
    wrong_kind("a whole number from 0 to 2^53");
  return static_cast<size_t>(value);
}

std::string json_quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace rwkv
