// The one exception type of the library. Bytes and arguments from outside are checked at the door and end
// here; src/api/ turns it into a value. The sentence names the thing, what was found, what was expected.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>

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
// A value of a sentence, not owned.
class Value {
 public:
  Value(std::string_view text) : kind_(kText), text_(text) {}
  Value(const std::string& text) : Value(std::string_view(text)) {}
  Value(const char* text) : Value(std::string_view(text)) {}
  Value(char letter) : kind_(kLetter), signed_(letter) {}
  Value(double number) : kind_(kReal), real_(number) {}
  template <std::signed_integral T>
  Value(T number) : kind_(kSigned), signed_(number) {}
  template <std::unsigned_integral T>
  Value(T number) : kind_(kUnsigned), unsigned_(number) {}
  void append_to(std::string& out) const;

 private:
  enum Kind { kText, kLetter, kSigned, kUnsigned, kReal } kind_;
  union {
    std::string_view text_;
    int64_t signed_;
    uint64_t unsigned_;
    double real_;
  };
};
std::string fill_in(std::string_view text, std::initializer_list<Value> values);
}  // namespace detail

// Replaces each "{}" of `text` by the next value (gcc 12 has no <format>): text, a letter, or a number.
template <typename... Args>
std::string strf(std::string_view text, const Args&... args) {
  return detail::fill_in(text, {detail::Value(args)...});
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
