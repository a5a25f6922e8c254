#include "formats/pickle.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

namespace rwkv {
namespace {

constexpr size_t kMaxGlobalName = 256;

enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kBinFloat = 'G',
  kShortBinString = 'U',
  kBinString = 'T',
  kShortBinUnicode = 0x8c,
  kBinUnicode = 'X',
  kBinUnicode8 = 0x8d,
  kShortBinBytes = 'C',
  kBinBytes = 'B',
  kBinBytes8 = 0x8e,
  kEmptyTuple = ')',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kEmptyList = ']',
  kList = 'l',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyDict = '}',
  kDict = 'd',
  kSetItem = 's',
  kSetItems = 'u',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kMemoize = 0x94,
  kBinGet = 'h',
  kLongBinGet = 'j',
  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
  kBuild = 'b',
  kBinPersId = 'Q',
  kProto = 0x80,
  kFrame = 0x95,
};

// The refused ones, for the sentence.
std::string_view refused_name(uint8_t op) {
  switch (op) {
    case 'F': return "FLOAT";
    case 'I': return "INT";
    case 'L': return "LONG";
    case 'P': return "PERSID";
    case 'S': return "STRING";
    case 'V': return "UNICODE";
    case 'g': return "GET";
    case 'i': return "INST";
    case 'o': return "OBJ";
    case 'p': return "PUT";
    case 0x81: return "NEWOBJ";
    case 0x82: return "EXT1";
    case 0x83: return "EXT2";
    case 0x84: return "EXT4";
    case 0x8f: return "EMPTY_SET";
    case 0x90: return "ADDITEMS";
    case 0x91: return "FROZENSET";
    case 0x92: return "NEWOBJ_EX";
    case 0x96: return "BYTEARRAY8";
    case 0x97: return "NEXT_BUFFER";
    case 0x98: return "READONLY_BUFFER";
    default: return "unknown";
  }
}

}  // namespace

class PickleMachine {
 public:
  using Id = Pickle::Id;
  using Kind = Pickle::Kind;

  PickleMachine(std::span<const std::byte> bytes, const std::string& source,
                std::span<const PickleGlobal> allowed)
      : bytes_(bytes), source_(source), allowed_(allowed) {
    out_.bytes_ = bytes;
  }

  Pickle run() {
    if (bytes_.size() > Pickle::kMaxBytes)
      fail("{} bytes, the limit is {}", bytes_.size(), Pickle::kMaxBytes);
    protocol();
    while (step()) {
    }
    if (at_ != bytes_.size()) fail("{} bytes after STOP", bytes_.size() - at_);
    return std::move(out_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail(std::string_view text, const Args&... args) const {
    throw Error(Code::kFormat, "{}: pickle, byte {}: {}", source_, op_at_, strf(text, args...));
  }

  // Arguments of opcodes.
  size_t left() const { return (frame_end_ ? frame_end_ : bytes_.size()) - at_; }
  std::span<const std::byte> take(size_t n) {
    if (n > left())
      fail("expected {} more bytes, found {}{}", n, left(), frame_end_ ? " in the frame" : "");
    at_ += n;
    return bytes_.subspan(at_ - n, n);
  }
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view line() {
    const auto rest = bytes_.subspan(at_, std::min(left(), kMaxGlobalName + 1));
    const auto end = std::find(rest.begin(), rest.end(), std::byte{'\n'});
    if (end == rest.end())
      fail("expected a name of at most {} bytes and a line's end", kMaxGlobalName);
    const auto size = static_cast<size_t>(end - rest.begin());
    take(size + 1);
    return {reinterpret_cast<const char*>(rest.data()), size};
  }

  // Values.
  Id make(Kind kind, uint64_t bits) {
    out_.values_.push_back({kind, bits});
    return static_cast<Id>(out_.values_.size() - 1);
  }
  static uint64_t halves(Id low, Id high) { return uint64_t{high} << 32 | low; }
  void push(Id id) { stack_.push_back(id); }
  void push_new(Kind kind, uint64_t bits) { push(make(kind, bits)); }
  void push_int(int64_t value) { push_new(Kind::kInt, static_cast<uint64_t>(value)); }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Id top() const {
    if (stack_.size() <= floor()) fail("the stack is empty");
    return stack_.back();
  }
  Id pop() {
    const Id id = top();
    stack_.pop_back();
    return id;
  }
  // Takes the mark off; the items above it stay on the stack, from the place returned.
  size_t take_mark() {
    if (marks_.empty()) fail("no MARK on the stack");
    const size_t from = marks_.back();
    marks_.pop_back();
    return from;
  }
  Id top_of_kind(Kind kind, std::string_view what) const {
    const Id id = top();
    if (!out_.is(id, kind)) fail("expected {} on the stack", what);
    return id;
  }

  void push_text(Kind kind, uint64_t size) {
    const size_t begin = at_;
    const auto part = take(size);
    const std::string_view text(reinterpret_cast<const char*>(part.data()), part.size());
    if (kind == Kind::kString && !is_valid_utf8(text)) fail("a string that is not UTF-8");
    push_new(kind, halves(static_cast<Id>(begin), static_cast<Id>(size)));
  }
  // Strings of Python 2 have no declared encoding: text where they are UTF-8, else bytes.
  void push_old_text(size_t size) {
    push_text(Kind::kBytes, size);
    if (is_valid_utf8(out_.text(top()))) out_.values_[top()].kind = Kind::kString;
  }
  void push_long(uint64_t size) {
    const auto part = take(size);
    if (size > 8) return push_new(Kind::kBigInt, 0);
    const bool negative = size > 0 && (part.back() & std::byte{0x80}) != std::byte{0};
    int64_t value = negative ? -1 : 0;
    std::memcpy(&value, part.data(), size);
    push_int(value);
  }
  void push_tuple(size_t from) {
    const auto begin = static_cast<Id>(out_.tuple_items_.size());
    out_.tuple_items_.insert(out_.tuple_items_.end(),
                             stack_.begin() + static_cast<std::ptrdiff_t>(from), stack_.end());
    const auto count = static_cast<Id>(stack_.size() - from);
    stack_.resize(from);
    push_new(Kind::kTuple, halves(begin, count));
  }
  void push_short_tuple(size_t count) {
    if (stack_.size() - floor() < count) fail("the stack holds fewer than {} values", count);
    push_tuple(stack_.size() - count);
  }

  // Moves the stack's values from `from` on to the end of the list or dict below them.
  void extend(size_t from, Kind kind) {
    const bool pairs = kind == Kind::kDict;
    if (pairs && (stack_.size() - from) % 2 != 0) fail("a key without a value");
    if (from <= floor()) fail("the stack is empty");
    const Id container = stack_[from - 1];
    if (!out_.is(container, kind)) fail("expected a {} on the stack", pairs ? "dict" : "list");
    Id first = out_.low(container), last = out_.high(container);
    for (size_t i = from; i < stack_.size(); ++i) {
      const auto node = static_cast<Id>(out_.nodes_.size());
      out_.nodes_.push_back({stack_[i], Pickle::kNil});
      if (last == Pickle::kNil)
        first = node;
      else
        out_.nodes_[last].next = node;
      last = node;
    }
    out_.values_[container].bits = halves(first, last);
    stack_.resize(from);
  }
  void push_container(Kind kind) { push_new(kind, halves(Pickle::kNil, Pickle::kNil)); }
  void collect(Kind kind) {
    const size_t from = take_mark();
    const Id container = make(kind, halves(Pickle::kNil, Pickle::kNil));
    stack_.insert(stack_.begin() + static_cast<std::ptrdiff_t>(from), container);
    extend(from + 1, kind);
  }
  void extend_last(size_t count, Kind kind) {
    if (stack_.size() - floor() < count + 1)
      fail("the stack holds fewer than {} values", count + 1);
    extend(stack_.size() - count, kind);
  }

  // A key that no pickler writes would ask for a memo larger than the pickle.
  void put(size_t key) {
    if (key >= bytes_.size()) fail("memo slot {}, expected fewer than {}", key, bytes_.size());
    const Id id = top();
    if (key >= memo_.size()) memo_.resize(key + 1, Pickle::kNil);
    if (memo_[key] == Pickle::kNil) ++n_memo_;
    memo_[key] = id;
  }
  void get(size_t key) {
    if (key >= memo_.size() || memo_[key] == Pickle::kNil) fail("memo slot {} is not set", key);
    push(memo_[key]);
  }

  // Globals and calls.
  static std::string shown(std::string_view name) {
    return replace_invalid_utf8(name.substr(0, kMaxGlobalName));
  }
  void push_global(std::string_view module, std::string_view name) {
    const std::string full = std::string(module) + "." + std::string(name);
    for (size_t i = 0; i < allowed_.size(); ++i)
      if (allowed_[i].name == full) return push_new(Kind::kGlobal, i);
    throw Error(
        Code::kUnsupported,
        "{}: pickle, byte {}: it asks for {}, which is not in the list of harmless names (nothing "
        "was run)",
        source_, op_at_, json_quote(shown(full)));
  }
  void stack_global() {
    const Id name = top_of_kind(Kind::kString, "a global's name");
    pop();
    const Id module = top_of_kind(Kind::kString, "a global's module");
    pop();
    if (out_.text(module).size() + out_.text(name).size() > kMaxGlobalName)
      fail("expected a global's name of at most {} bytes", kMaxGlobalName);
    push_global(out_.text(module), out_.text(name));
  }
  void reduce() {
    const Id arguments = top_of_kind(Kind::kTuple, "a tuple of arguments");
    pop();
    const Id callee = top_of_kind(Kind::kGlobal, "a global to call");
    pop();
    const PickleGlobal& global = allowed_[out_.global(callee)];
    if (global.use == PickleGlobal::Use::kName)
      fail("REDUCE calls {}, which is only a name", global.name);
    if (global.use == PickleGlobal::Use::kCall)
      return push_new(Kind::kCall, halves(callee, arguments));
    if (!out_.tuple(arguments).empty())
      fail("{} is called with arguments, expected none", global.name);
    push_container(Kind::kDict);
  }
  // torch hangs version numbers on a state_dict as the attribute _metadata; any other state could
  // change what an object is.
  void build() {
    const Id state = top_of_kind(Kind::kDict, "a dict of attributes");
    pop();
    top_of_kind(Kind::kDict, "a dict for BUILD");
    const Id key_node = out_.first(state);
    if (key_node == Pickle::kNil) return;
    const Id key = out_.at(key_node);
    if (!out_.is(key, Kind::kString) || out_.text(key) != "_metadata" ||
        out_.next(out_.next(key_node)) != Pickle::kNil)
      fail("BUILD sets an attribute other than _metadata");
  }

  void protocol() {
    if (number<uint8_t>() != kProto) fail("expected the opcode PROTO first");
    const auto version = number<uint8_t>();
    if (version < 2 || version > 5)
      throw Error(Code::kUnsupported, "{}: pickle protocol {}, expected 2 to 5", source_,
                  int{version});
  }
  void frame() {
    const auto size = number<uint64_t>();
    if (frame_end_) fail("a frame inside a frame");
    if (size > left()) fail("a frame of {} bytes, found {}", size, left());
    if (size > 0) frame_end_ = at_ + size;
  }

  // One opcode; false after STOP.
  bool step() {
    if (frame_end_ == at_) frame_end_ = 0;
    op_at_ = at_;
    const auto op = number<uint8_t>();
    if (op == kStop) {
      out_.root_ = pop();
      if (!stack_.empty() || !marks_.empty()) fail("STOP leaves values on the stack");
      if (frame_end_ && frame_end_ != at_) fail("STOP inside a frame that goes on");
      return false;
    }
    if (!step_scalar(op) && !step_container(op) && !step_rest(op))
      throw Error(Code::kUnsupported,
                  "{}: pickle, byte {}: opcode {} ({}) is not read (nothing was run)", source_,
                  op_at_, int{op}, refused_name(op));
    return true;
  }

  bool step_scalar(uint8_t op) {
    switch (op) {
      case kNone: push_new(Kind::kNone, 0); return true;
      case kNewTrue: push_new(Kind::kBool, 1); return true;
      case kNewFalse: push_new(Kind::kBool, 0); return true;
      case kBinInt: push_int(number<int32_t>()); return true;
      case kBinInt1: push_int(number<uint8_t>()); return true;
      case kBinInt2: push_int(number<uint16_t>()); return true;
      case kLong1: push_long(number<uint8_t>()); return true;
      case kLong4: push_long(signed_size()); return true;
      case kBinFloat: push_new(Kind::kFloat, __builtin_bswap64(number<uint64_t>())); return true;
      case kShortBinString: push_old_text(number<uint8_t>()); return true;
      case kBinString: push_old_text(signed_size()); return true;
      case kShortBinUnicode: push_text(Kind::kString, number<uint8_t>()); return true;
      case kBinUnicode: push_text(Kind::kString, number<uint32_t>()); return true;
      case kBinUnicode8: push_text(Kind::kString, number<uint64_t>()); return true;
      case kShortBinBytes: push_text(Kind::kBytes, number<uint8_t>()); return true;
      case kBinBytes: push_text(Kind::kBytes, number<uint32_t>()); return true;
      case kBinBytes8: push_text(Kind::kBytes, number<uint64_t>()); return true;
      default: return false;
    }
  }
  size_t signed_size() {
    const auto size = number<int32_t>();
    if (size < 0) fail("a size of {}", size);
    return static_cast<size_t>(size);
  }

  bool step_container(uint8_t op) {
    switch (op) {
      case kEmptyTuple: push_short_tuple(0); return true;
      case kTuple1: push_short_tuple(1); return true;
      case kTuple2: push_short_tuple(2); return true;
      case kTuple3: push_short_tuple(3); return true;
      case kTuple: push_tuple(take_mark()); return true;
      case kEmptyList: push_container(Kind::kList); return true;
      case kList: collect(Kind::kList); return true;
      case kAppend: extend_last(1, Kind::kList); return true;
      case kAppends: extend(take_mark(), Kind::kList); return true;
      case kEmptyDict: push_container(Kind::kDict); return true;
      case kDict: collect(Kind::kDict); return true;
      case kSetItem: extend_last(2, Kind::kDict); return true;
      case kSetItems: extend(take_mark(), Kind::kDict); return true;
      default: return false;
    }
  }

  bool step_rest(uint8_t op) {
    switch (op) {
      case kMark: marks_.push_back(stack_.size()); return true;
      case kPop:
        if (!marks_.empty() && marks_.back() == stack_.size())
          marks_.pop_back();
        else
          pop();
        return true;
      case kPopMark: stack_.resize(take_mark()); return true;
      case kDup: push(top()); return true;
      case kBinPut: put(number<uint8_t>()); return true;
      case kLongBinPut: put(number<uint32_t>()); return true;
      case kMemoize: put(n_memo_); return true;
      case kBinGet: get(number<uint8_t>()); return true;
      case kLongBinGet: get(number<uint32_t>()); return true;
      case kGlobal: {
        const auto module = line();
        push_global(module, line());
        return true;
      }
      case kStackGlobal: stack_global(); return true;
      case kReduce: reduce(); return true;
      case kBuild: build(); return true;
      case kBinPersId: push_new(Kind::kPersistent, halves(pop(), Pickle::kNil)); return true;
      case kFrame: frame(); return true;
      default: return false;
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& source_;
  std::span<const PickleGlobal> allowed_;
  size_t at_ = 0, op_at_ = 0;
  size_t frame_end_ = 0;  // 0: outside a frame
  std::vector<Id> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::vector<Id> memo_;
  size_t n_memo_ = 0;
  Pickle out_;
};

Pickle Pickle::parse(std::span<const std::byte> bytes, const std::string& source,
                     std::span<const PickleGlobal> allowed) {
  return PickleMachine(bytes, source, allowed).run();
}

std::string_view Pickle::text(Id id) const {
  const auto part = bytes_.subspan(low(id), high(id));
  return {reinterpret_cast<const char*>(part.data()), part.size()};
}

std::span<const Pickle::Id> Pickle::tuple(Id id) const {
  return std::span(tuple_items_).subspan(low(id), high(id));
}

}  // namespace rwkv
