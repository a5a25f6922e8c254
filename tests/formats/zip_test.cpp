#include "formats/zip.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "mutation.h"
#include "pth_builder.h"

namespace rwkv::zip_test {
namespace {

using test::Bytes;
using test::le;
using test::ZipBuilder;
using test::ZipHeader;

std::string refusal(const std::string& zip) {
  const auto bytes = test::to_bytes(zip);
  return test::sentence_of<Error>([&] { Zip::parse(bytes, "a.zip"); });
}
#define EXPECT_REFUSED(zip, words) \
  EXPECT_NE(refusal(zip).find(words), std::string::npos) << refusal(zip)

TEST(zip, finds_entries_in_the_map) {
  for (const bool zip64 : {false, true})
    for (const bool descriptors : {false, true})
      for (const bool wide : {false, true})
        for (const size_t alignment : {1, 64}) {
          ZipBuilder builder;
          builder.zip64 = zip64, builder.descriptors = descriptors, builder.wide_descriptors = wide;
          builder.alignment = alignment;
          const auto bytes =
              builder.add("m/data.pkl", "abc").add("m/data/0", "").add("m/1", "defg").bytes();
          const Zip zip = Zip::parse(bytes, "a.zip");
          ASSERT_EQ(zip.entries().size(), 3u);
          const ZipEntry* entry = zip.find("m/1");
          ASSERT_TRUE(entry);
          ASSERT_EQ(entry->bytes.size(), 4u);
          EXPECT_EQ(std::memcmp(entry->bytes.data(), "defg", 4), 0);
          EXPECT_GE(entry->bytes.data(), bytes.data());
          EXPECT_EQ(static_cast<size_t>(entry->bytes.data() - bytes.data()) % alignment, 0u);
          EXPECT_EQ(zip.find("m/data/0")->bytes.size(), 0u);
          EXPECT_FALSE(zip.find("m/2"));
        }
  EXPECT_EQ(Zip::parse(ZipBuilder().bytes(), "a.zip").entries().size(), 0u);
}

TEST(zip, sizes_in_the_zip64_field) {
  const auto widen = [](ZipHeader& h) {
    h.extra = le(uint16_t{1}) + le(uint16_t{24}) + le(uint64_t{h.size}) + le(uint64_t{h.packed}) +
              le(uint64_t{h.offset});
    h.size = h.packed = h.offset = 0xffffffff;
  };
  const auto widen_local = [](ZipHeader& h) {
    h.extra = le(uint16_t{1}) + le(uint16_t{16}) + le(uint64_t{h.size}) + le(uint64_t{h.packed});
    h.size = h.packed = 0xffffffff;
  };
  const auto bytes = ZipBuilder().add("a", "xy").add("b", "abc", widen_local, widen).bytes();
  EXPECT_EQ(Zip::parse(bytes, "a.zip").find("b")->bytes.size(), 3u);

  const auto huge = [](ZipHeader& h) {
    h.extra = le(uint16_t{1}) + le(uint16_t{16}) + le(~uint64_t{0} - 3) + le(~uint64_t{0} - 3);
    h.size = h.packed = 0xffffffff;
  };
  EXPECT_REFUSED(ZipBuilder().add("b", "abc", widen_local, huge).text(),
                 "run past the entries' end");
  const auto far = [](ZipHeader& h) {
    h.extra = le(uint16_t{1}) + le(uint16_t{8}) + le(~uint64_t{0} - 3);
    h.offset = 0xffffffff;
  };
  EXPECT_REFUSED(ZipBuilder().add("b", "abc", nullptr, far).text(), "expected its local header");
  const auto none = [](ZipHeader& h) { h.size = h.packed = 0xffffffff; };
  EXPECT_REFUSED(ZipBuilder().add("b", "abc", nullptr, none).text(), "ZIP64 field, found none");
  const auto brief = [](ZipHeader& h) {
    h.extra = le(uint16_t{1}) + le(uint16_t{8}) + le(uint64_t{3});
    h.size = h.packed = 0xffffffff;
  };
  EXPECT_REFUSED(ZipBuilder().add("b", "abc", nullptr, brief).text(), "too short");
  const auto cut = [](ZipHeader& h) {
    h.extra = le(uint16_t{1}) + le(uint16_t{800}) + le(uint64_t{3});
  };
  EXPECT_REFUSED(ZipBuilder().add("b", "abc", nullptr, cut).text(), "extra field runs past");
  const auto twice = [&](ZipHeader& h) { widen(h), h.extra += h.extra; };
  EXPECT_REFUSED(ZipBuilder().add("b", "abc", nullptr, twice).text(), "two ZIP64 fields");
}

TEST(zip, headers_that_lie) {
  const auto size = [](ZipHeader& h) { h.size = h.packed = 2; };
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", size).text(), "other sizes");
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", nullptr, size).text(), "other sizes");
  const auto crc = [](ZipHeader& h) { h.crc ^= 1; };
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", crc).text(), "another checksum");
  const auto packed = [](ZipHeader& h) { h.packed = 2; };
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", nullptr, packed).text(),
                 "2 stored bytes for a content of 3");
  const auto name = [](ZipHeader& h) { h.name = "b"; };
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", name).text(), "differs from the directory");
  const auto offset = [](ZipHeader& h) { h.offset = 1; };
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", nullptr, offset).text(), "local header at byte 1");
  EXPECT_REFUSED(ZipBuilder().add("a", "x").add("a", "y").text(), "twice");
  const auto large = [](ZipHeader& h) { h.size = h.packed = 1000; };
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", large, large).text(), "run past the entries' end");
  const auto into_next = [](ZipHeader& h) { h.size = h.packed = 20; };
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", into_next, into_next).add("b", "abc").text(),
                 "overlap");
  ZipBuilder described;
  described.descriptors = true;
  EXPECT_REFUSED(described.add("a", "abc", nullptr, size).text(), "descriptor");
}

TEST(zip, names_that_climb) {
  for (const char* name : {"../a", "a/../b", "a/..", "/etc/passwd", "a\\b", "C:/a", ""})
    EXPECT_REFUSED(ZipBuilder().add(name, "abc").text(), "expected a relative name");
  EXPECT_REFUSED(ZipBuilder().add(std::string("a\0b", 3), "abc").text(),
                 "expected a relative name");
  EXPECT_EQ(refusal(ZipBuilder().add("..a/b..", "abc").text()), "");
}

TEST(zip, compressed_or_encrypted) {
  const auto deflated = [](ZipHeader& h) { h.method = 8, h.size = 3000; };
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", deflated, deflated).text(), "compressed (method 8)");
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", deflated).text(), "differs from the directory");
  const auto encrypted = [](ZipHeader& h) { h.flags |= 1; };
  EXPECT_REFUSED(ZipBuilder().add("a", "abc", encrypted, encrypted).text(), "encrypted");
}

TEST(zip, end_records_that_lie) {
  for (const bool zip64 : {false, true})
    for (int lie = 0; lie < 6; ++lie) {
      ZipBuilder builder;
      builder.zip64 = zip64;
      builder.add("a", "abc").add("b", "def");
      builder.end_hook = [&](uint64_t& n, uint64_t& bytes, uint64_t& offset) {
        switch (lie) {
          case 0: n = 1; break;
          case 1: n = 3; break;
          case 2: bytes -= 1; break;
          case 3: offset += 1; break;
          case 4: offset = 0xffffffffffff, bytes = 0; break;
          default: n = uint64_t{1} << 40; break;
        }
      };
      EXPECT_NE(refusal(builder.text()), "") << "lie " << lie << (zip64 ? " in ZIP64" : "");
    }
  const std::string good = ZipBuilder().add("a", "abc").text();
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_NE(refusal(good.substr(0, size)), "") << size;
  EXPECT_REFUSED(good + "x", "expected the end record");

  ZipBuilder both;
  both.zip64 = true;
  std::string text = both.add("a", "abc").text();
  text[text.size() - 6] ^= 1;  // the directory's place in the short end record only
  EXPECT_REFUSED(text, "disagree");
}

TEST(zip, comment_with_a_fake_end_record) {
  ZipBuilder builder;
  builder.comment = "hello";
  EXPECT_REFUSED(builder.add("a", "abc").text(), "expected the end record");
  // The comment is a whole zip of its own: a reader that scans backwards would see only that one.
  ZipBuilder outer;
  outer.comment = ZipBuilder().text();
  EXPECT_REFUSED(outer.add("a", "abc").text(), "two end records");
}

TEST(zip, mutations_end_in_an_error_or_success) {
  ZipBuilder builder;
  builder.zip64 = builder.descriptors = true, builder.alignment = 64;
  const auto good = builder.add("m/data.pkl", "abc").add("m/data/0", "defg").bytes();
  size_t n_refused = 0;
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    const auto bytes = test::mutate(good, seed);
    n_refused +=
        !test::sentence_of<Error>([&] {
           const Zip zip = Zip::parse(bytes, "a.zip");
           for (const ZipEntry& entry :
                zip.entries())  // reads every byte, under the sanitizers' eyes
             EXPECT_EQ(Bytes(entry.bytes.begin(), entry.bytes.end()).size(), entry.bytes.size());
         }).empty();
  }
  EXPECT_GT(n_refused, 2000u);
}

}  // namespace
}  // namespace rwkv::zip_test
