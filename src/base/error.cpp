#include "base/error.h"

#include <charconv>

namespace rwkv::detail {

void Value::append_to(std::string& out) const {
  switch (kind_) {
    case kText: out += text_; return;
    case kLetter: out += static_cast<char>(signed_); return;
    case kSigned: out += std::to_string(signed_); return;
    case kUnsigned: out += std::to_string(unsigned_); return;
    case kReal: {
      char digits[32];  // as %g, but with a point in every locale
      out.append(digits, std::to_chars(digits, digits + sizeof digits, real_, std::chars_format::general, 6).ptr);
      return;
    }
  }
}

std::string fill_in(std::string_view text, std::initializer_list<Value> values) {
  std::string out;
  for (const Value& value : values) {
    const size_t at = text.find("{}");
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    value.append_to(out);
    text.remove_prefix(at + 2);
  }
  out += text;
  return out;
}

}  // namespace rwkv::detail
