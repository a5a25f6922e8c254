#include "formats/pickle.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "pth_builder.h"

namespace rwkv::pickle_test {
namespace {

using Kind = Pickle::Kind;
using Use = PickleGlobal::Use;
using namespace std::string_literals;
using test::le;

constexpr PickleGlobal kAllowed[] = {
    {"mod.name", Use::kName}, {"mod.call", Use::kCall}, {"collections.OrderedDict", Use::kDict}};

// `text` must be a named string: the Pickle points into it.
Pickle parse(const std::string& text) {
  return Pickle::parse(std::as_bytes(std::span(text)), "a.pkl", kAllowed);
}
std::string refusal(const std::string& text) {
  return test::sentence_of<Error>([&] { parse(text); });
}
#define EXPECT_REFUSED(body, words)                                         \
  EXPECT_NE(refusal("\x80\2"s + body + ".").find(words), std::string::npos) \
      << refusal("\x80\2"s + body + ".")

std::vector<Pickle::Id> list_of(const Pickle& p, Pickle::Id id) {
  std::vector<Pickle::Id> out;
  for (auto node = p.first(id); node != Pickle::kNil; node = p.next(node))
    out.push_back(p.at(node));
  return out;
}

TEST(pickle, scalars) {
  // [None, True, False, -3, 200, 40000, 2^40, -2^40, 2^70, 1.5, "h\u00e9", "abc", b"\xff", 0]
  const std::string text = "\x80\4](N\x88\x89J"s + le(int32_t{-3}) +
                           "K\xc8M\x40\x9c\x8a\6\0\0\0\0\0\1"s + "\x8a\6\0\0\0\0\0\xff"s +
                           "\x8a\x9\0\0\0\0\0\0\0\0\x40"s + "G\x3f\xf8\0\0\0\0\0\0"s +
                           "\x8c\3h\xc3\xa9" + "U\3abc" + "C\1\xff" + "\x8a\0e."s;
  const Pickle p = parse(text);
  ASSERT_TRUE(p.is(p.root(), Kind::kList));
  const auto items = list_of(p, p.root());
  ASSERT_EQ(items.size(), 14u);
  EXPECT_TRUE(p.is(items[0], Kind::kNone));
  EXPECT_TRUE(p.is(items[1], Kind::kBool));
  EXPECT_EQ(p.integer(items[1]), 1);
  EXPECT_EQ(p.integer(items[2]), 0);
  EXPECT_EQ(p.integer(items[3]), -3);
  EXPECT_EQ(p.integer(items[4]), 200);
  EXPECT_EQ(p.integer(items[5]), 40000);
  EXPECT_EQ(p.integer(items[6]), int64_t{1} << 40);
  EXPECT_EQ(p.integer(items[7]), -(int64_t{1} << 40));
  EXPECT_TRUE(p.is(items[8], Kind::kBigInt));
  EXPECT_EQ(p.real(items[9]), 1.5);
  EXPECT_EQ(p.text(items[10]), "h\u00e9");
  EXPECT_EQ(p.text(items[11]), "abc");
  EXPECT_TRUE(p.is(items[12], Kind::kBytes));
  EXPECT_TRUE(p.is(items[13], Kind::kInt));
  EXPECT_EQ(p.integer(items[13]), 0);
}

TEST(pickle, containers_and_memo) {
  // (d := {1: [2, 3], 4: ()}, d, (5, 6)) with APPEND, SETITEM, SETITEMS, DUP, POP, POP_MARK on the
  // way.
  const std::string text = "\x80\2(}q\0K\1]q\1(K\2K\3esK\4)sh\0N0(NN1K\5K\6\x86t."s;
  const Pickle p = parse(text);
  const auto root = p.tuple(p.root());
  ASSERT_EQ(root.size(), 3u);
  EXPECT_EQ(root[0], root[1]);
  const auto pairs = list_of(p, root[0]);
  ASSERT_EQ(pairs.size(), 4u);
  EXPECT_EQ(p.integer(pairs[0]), 1);
  const auto inner = list_of(p, pairs[1]);
  ASSERT_EQ(inner.size(), 2u);
  EXPECT_EQ(p.integer(inner[1]), 3);
  EXPECT_TRUE(p.tuple(pairs[3]).empty());
  EXPECT_EQ(p.integer(p.tuple(root[2])[1]), 6);
}

TEST(pickle, protocol_4_with_frames_and_list_dict_opcodes) {
  const std::string body = "(K\1\x94K\2l(\x8c\1aK\3d\x86."s;
  const std::string text = "\x80\4\x95"s + le(uint64_t{body.size()}) + body;
  const Pickle p = parse(text);
  const auto root = p.tuple(p.root());
  ASSERT_EQ(root.size(), 2u);
  EXPECT_EQ(list_of(p, root[0]).size(), 2u);
  EXPECT_EQ(p.text(list_of(p, root[1])[0]), "a");
}

TEST(pickle, calls_are_data) {
  const std::string text = "\x80\4\x8c\3mod\x8c\4call\x93K\1\x85RQ."s;
  const Pickle p = parse(text);
  ASSERT_TRUE(p.is(p.root(), Kind::kPersistent));
  const auto call = p.persistent(p.root());
  ASSERT_TRUE(p.is(call, Kind::kCall));
  EXPECT_EQ(kAllowed[p.global(p.callee(call))].name, "mod.call");
  EXPECT_EQ(p.integer(p.tuple(p.arguments(call))[0]), 1);
  const std::string dict =
      "\x80\2"
      "ccollections\nOrderedDict\n)R}X\x9\0\0\0_metadataK\1sb."s;
  EXPECT_TRUE(parse(dict).is(parse(dict).root(), Kind::kDict));
}

TEST(pickle, row_80_nothing_is_run) {
  EXPECT_REFUSED("cos\nsystem\nX\2\0\0\0ls\x85R"s, "os.system");
  EXPECT_REFUSED("X\2\0\0\0osX\6\0\0\0system\x93X\2\0\0\0ls\x85R"s, "os.system");
  EXPECT_REFUSED("c__builtin__\neval\n", "__builtin__.eval");
  EXPECT_REFUSED("cmod\nname\n)R", "mod.name, which is only a name");
  EXPECT_REFUSED("K\1)R", "a global to call");
  EXPECT_REFUSED("cmod\ncall\nK\1R", "a tuple of arguments");
  EXPECT_REFUSED("ccollections\nOrderedDict\nK\1\x85R", "called with arguments");
  EXPECT_REFUSED("(X\2\0\0\0lsios\nsystem\n"s, "INST");
  EXPECT_REFUSED("(cmod\ncall\no", "OBJ");
  EXPECT_REFUSED("cmod\ncall\n)\x81", "NEWOBJ");
  EXPECT_REFUSED("cmod\ncall\n)}\x92", "NEWOBJ_EX");
  EXPECT_REFUSED("\x82\1", "EXT1");
  EXPECT_REFUSED("\x83\1\1", "EXT2");
  EXPECT_REFUSED("\x84\1\1\1\1", "EXT4");
  EXPECT_REFUSED("cmod\ncall\n)R}b", "a dict for BUILD");
  EXPECT_REFUSED("}}X\1\0\0\0aK\1sb"s, "BUILD sets an attribute");
  EXPECT_REFUSED("}}X\x9\0\0\0_metadataK\1sK\1K\1sb"s, "BUILD sets an attribute");
  EXPECT_REFUSED("}K\1b", "a dict of attributes");
  EXPECT_REFUSED("P1\n", "PERSID");
  EXPECT_REFUSED("\x97", "NEXT_BUFFER");
  EXPECT_REFUSED("\xfe", "opcode 254 (unknown)");
  EXPECT_REFUSED("c" + std::string(1000, 'a') + "\nb\n", "at most 256 bytes");
}

TEST(pickle, row_81_stack_and_memo) {
  EXPECT_REFUSED("h\0"s, "memo slot 0 is not set");
  EXPECT_REFUSED("j\xff\xff\xff\xff", "is not set");
  EXPECT_REFUSED("Nr\xff\xff\xff\xff", "memo slot 4294967295");
  EXPECT_REFUSED("Nt", "no MARK");
  EXPECT_REFUSED("]e", "no MARK");
  EXPECT_REFUSED("0", "the stack is empty");
  EXPECT_REFUSED("(\x85", "fewer than 1");
  EXPECT_REFUSED("N(N\x86", "fewer than 2");
  EXPECT_REFUSED("N(a", "fewer than 2");
  EXPECT_REFUSED("}(Nu", "a key without a value");
  EXPECT_REFUSED("(Ne", "the stack is empty");
  EXPECT_REFUSED("N(Ne", "expected a list");
  EXPECT_REFUSED("](NNu", "expected a dict");
  EXPECT_REFUSED("", "the stack is empty");
  EXPECT_REFUSED("NN", "STOP leaves values");
  EXPECT_REFUSED("N.", "bytes after STOP");
  EXPECT_REFUSED("N(", "the stack is empty");
  EXPECT_REFUSED("\x8b\0\0\0\x80"s, "a size of -2147483648");
  EXPECT_REFUSED("\x8b\xff\xff\xff\x7f", "expected 2147483647 more bytes");
  EXPECT_REFUSED("X\xff\xff\xff\xffN", "expected 4294967295 more bytes");
  EXPECT_REFUSED("\x8d\xff\xff\xff\xff\xff\xff\xff\xffN", "more bytes");
  EXPECT_REFUSED("X\1\0\0\0\xff"s, "not UTF-8");
  EXPECT_REFUSED("\x95\xff\xff\xff\xff\xff\xff\xff\xffN", "a frame of");
  EXPECT_REFUSED("\x95\1\0\0\0\0\0\0\0K\1"s, "in the frame");
  EXPECT_REFUSED("\x95\x0b\0\0\0\0\0\0\0\x95\1\0\0\0\0\0\0\0N"s, "a frame inside a frame");
  EXPECT_NE(refusal("\x80\4\x95\3\0\0\0\0\0\0\0N.N"s).find("inside a frame that goes on"),
            std::string::npos);
  EXPECT_NE(refusal("N.").find("PROTO"), std::string::npos);
  EXPECT_NE(refusal("\x80\1N.").find("protocol 1"), std::string::npos);
  EXPECT_NE(refusal("\x80\6N.").find("protocol 6"), std::string::npos);
  EXPECT_NE(refusal("\x80\2N"), "");
  EXPECT_NE(refusal(""), "");
}

TEST(pickle, row_81_cycles_and_depth_need_no_stack) {
  const std::string own = "\x80\2]q\0h\0a."s;  // a list that holds itself
  const Pickle p = parse(own);
  EXPECT_EQ(p.at(p.first(p.root())), p.root());
  const std::string dict = "\x80\2}q\0K\1h\0s."s;
  const Pickle d = parse(dict);
  EXPECT_EQ(d.at(d.next(d.first(d.root()))), d.root());
  const std::string deep = "\x80\2)"s + std::string(10'000'000, '\x85') + ".";
  EXPECT_TRUE(parse(deep).is(parse(deep).root(), Kind::kTuple));
  const std::string marks =
      "\x80\2"s + std::string(1'000'000, '(') + "N" + std::string(1'000'000, 'l') + ".";
  EXPECT_TRUE(parse(marks).is(parse(marks).root(), Kind::kList));
  EXPECT_NE(refusal("\x80\2"s + std::string(Pickle::kMaxBytes, '(') + ".").find("the limit is"),
            std::string::npos);
}

TEST(pickle, random_opcodes_end_in_an_error_or_success) {
  std::mt19937_64 random(7);
  const std::string ops =
      "(.012N\x88\x89JKM\x8a\x8bGUT\x8cXCB)t\x85\x86\x87]lae}dsuqr\x94hj\x93Rbqhq\x95";
  size_t n_good = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = "\x80\4N";
    for (size_t n = random() % 20; n > 0; --n) {
      text += ops[random() % ops.size()];
      if (random() % 3 == 0) text += static_cast<char>(random() % 4);
    }
    text += '.';
    n_good += refusal(text).empty();
  }
  EXPECT_GT(n_good, 20u);  // the generator reaches valid pickles, too
}

}  // namespace
}  // namespace rwkv::pickle_test
