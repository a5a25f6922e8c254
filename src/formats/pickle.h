// A pickle machine that builds data and runs nothing: protocols 2 to 5, without the opcodes that
// make objects of classes. Globals are names out of an allow-list; a call of one is kept as data
// (Kind::kCall) for the format's reader to interpret.
//
// Values lie in one arena and refer to each other by number, so a value that holds itself, or ten
// million nested tuples, need neither recursion nor a destructor that recurses. One opcode makes at
// most one value.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv {

struct PickleGlobal {
  // kName: may be held; kCall: may be called, too; kDict: calling it with () makes an empty dict.
  enum class Use { kName, kCall, kDict };
  std::string_view name;  // "torch._utils._rebuild_tensor_v2"
  Use use;
};

class Pickle {
 public:
  enum class Kind : uint8_t {
    kNone,
    kBool,
    kInt,
    kBigInt,
    kFloat,
    kString,
    kBytes,
    kTuple,
    kList,
    kDict,
    kGlobal,
    kCall,
    kPersistent
  };
  using Id = uint32_t;
  static constexpr Id kNil = 0xffffffff;
  static constexpr size_t kMaxBytes = size_t{32} << 20;  // 10^5 tensors take 13 MB

  // `bytes` must outlive the Pickle. Errors name the opcode, or the global that is not in
  // `allowed`.
  static Pickle parse(std::span<const std::byte> bytes, const std::string& source,
                      std::span<const PickleGlobal> allowed);

  Id root() const { return root_; }
  size_t size() const { return values_.size(); }  // values made, reachable or not
  Kind kind(Id id) const { return values_[id].kind; }
  bool is(Id id, Kind kind) const { return values_[id].kind == kind; }

  // What the value is; the caller has looked at kind().
  int64_t integer(Id id) const { return std::bit_cast<int64_t>(values_[id].bits); }  // kInt, kBool
  double real(Id id) const { return std::bit_cast<double>(values_[id].bits); }
  std::string_view text(Id id) const;      // kString (UTF-8), kBytes
  std::span<const Id> tuple(Id id) const;  // kTuple
  size_t global(Id id) const {
    return static_cast<size_t>(values_[id].bits);
  }                                               // index in `allowed`
  Id callee(Id id) const { return low(id); }      // kCall: a kGlobal
  Id arguments(Id id) const { return high(id); }  // kCall: a kTuple
  Id persistent(Id id) const { return low(id); }  // kPersistent

  // A list's items, or a dict's key, value, key, value ...:
  //   for (size_t n = first(id); n != kNil; n = next(n)) use(at(n));
  Id first(Id id) const { return low(id); }
  Id next(Id node) const { return nodes_[node].next; }
  Id at(Id node) const { return nodes_[node].value; }

 private:
  friend class PickleMachine;
  struct Value {
    Kind kind;
    uint64_t
        bits;  // number; or two halves: offset and size, first and last node, callee and arguments
  };
  struct Node {
    Id value, next;
  };
  Id low(Id id) const { return static_cast<Id>(values_[id].bits); }
  Id high(Id id) const { return static_cast<Id>(values_[id].bits >> 32); }

  std::span<const std::byte> bytes_;
  std::vector<Value> values_;
  std::vector<Id> tuple_items_;
  std::vector<Node> nodes_;
  Id root_ = kNil;
};

}  // namespace rwkv
