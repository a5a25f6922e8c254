// A strict JSON reader (RFC 8259, UTF-8 checked) for headers and configurations. No comments, no trailing
// commas, duplicate keys refused, depth and size bounded by the caller's text.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace rwkv {

class Json {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;  // in the text's order

  // Throws Error{kFormat}: "<source>: JSON, byte 17: expected ':' ...".
  static Json parse(std::string_view text, const std::string& source, size_t max_depth = 64);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  const Json* find(std::string_view key) const;  // null when absent or not an object

  // What the value is; the caller has looked at kind(). Another kind is Error{kFormat}.
  bool boolean() const;
  double number() const;
  const std::string& string() const;
  const Array& array() const;
  const Object& object() const;
  // A number that is a whole one in [0, 2^53]; else Error{kFormat}.
  size_t whole() const;
  // The number as it was written ("1.50"), for integers beyond 2^53.
  const std::string& number_text() const;

 private:
  friend class JsonParser;
  Kind kind_ = Kind::kNull;
  bool bool_ = false;
  std::string text_;  // string value, or the number as written
  Array array_;
  Object object_;
};

// `text` with quotes, for output.
std::string json_quote(std::string_view text);

}  // namespace rwkv
