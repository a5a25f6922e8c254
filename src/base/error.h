// The one exception type of the library. Bytes and arguments from outside are checked at the door and end
// here; src/api/ turns it into a value. The sentence names the thing, what was found, what was expected.
#pragma once

#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace rwkv {

enum class Code {
  kArgument,     // an argument of a public call is out of range
  kIo,           // the system refused to open, read or write
  kFormat,       // a file breaks the rules of its format
  kUnsupported,  // well-formed, but of a kind that this library does not run
  kMissing,      // a tensor, key or file that must be there is not
  kShape,        // a tensor's shape or type contradicts the others
  kState,        // a state or snapshot does not fit the model, or is damaged
  kBusy,         // the object is inside another call
  kMemory,       // out of memory
  kInternal,     // a broken promise of our own
};

namespace detail {
inline void format_rest(std::ostringstream& out, std::string_view text) { out << text; }

template <typename T, typename... Rest>
void format_rest(std::ostringstream& out, std::string_view text, const T& value,
                 const Rest&... rest) {
  const size_t at = text.find("{}");
  out << text.substr(0, at);
  if (at == std::string_view::npos) return;
  out << value;
  format_rest(out, text.substr(at + 2), rest...);
}
}  // namespace detail

// Replaces each "{}" of `text` by the next value (gcc 12 has no <format>).
template <typename... Args>
std::string strf(std::string_view text, const Args&... args) {
  std::ostringstream out;
  detail::format_rest(out, text, args...);
  return out.str();
}

class Error : public std::exception {
 public:
  template <typename... Args>
  explicit Error(Code code, std::string_view text, const Args&... args)
      : code_(code), sentence_(strf(text, args...)) {}

  Code code() const noexcept { return code_; }
  const char* what() const noexcept override { return sentence_.c_str(); }
  const std::string& sentence() const noexcept { return sentence_; }

 private:
  Code code_;
  std::string sentence_;
};

// For promises of our own, behind the door: no input reaches it.
#define RWKV_CHECK(condition)                                                                 \
  do {                                                                                        \
    if (!(condition))                                                                         \
      throw ::rwkv::Error(::rwkv::Code::kInternal, "internal error at {}:{}: {}", __FILE__,   \
                          __LINE__, #condition);                                              \
  } while (0)

}  // namespace rwkv
