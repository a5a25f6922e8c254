#include "formats/imatrix.h"

#include <unistd.h>

#include "base/error.h"
#include "formats/gguf_builder.h"
#include "formats/mutation.h"
#include "support/golden.h"

namespace rwkv::test::imatrix_test {
namespace {

Imatrix example() {
  Imatrix out;
  out.entries["blk.0.time_mix_key.weight"] = {{1.5, 0, 3e8, 4}, {1024}};
  out.entries["blk.0.time_mix_w2.weight"] = {{1, 2, 3, 4, 5, 6}, {512, 1024}};  // a stack of two
  out.datasets = {"first.txt", "second.txt"};
  out.n_chunk = 2;
  out.chunk_size = 512;
  return out;
}

struct TemporaryFile {
  std::string path = testing::TempDir() + "imatrix-" + std::to_string(::getpid());
  ~TemporaryFile() { std::remove(path.c_str()); }
};

Imatrix parse(const std::string& bytes) {
  return load_imatrix("test", MappedFile::from_bytes("test", as_byte_vector(bytes)));
}
std::string bytes_of_file(const std::string& path) {
  const auto bytes = read_vector<char>(path);
  return {bytes.begin(), bytes.end()};
}
std::string refusal(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const Error& error) {
    return error.sentence();
  }
  return "accepted";
}

TEST(imatrix, comes_back_from_gguf) {
  const TemporaryFile file;
  const Imatrix want = example();
  save_imatrix(want, file.path, ImatrixFormat::kGguf);
  const Imatrix got = load_imatrix(file.path);
  ASSERT_EQ(got.entries.size(), 2u);
  for (const auto& [name, entry] : want.entries) {
    EXPECT_EQ(got.entries.at(name).sums, entry.sums) << name;
    EXPECT_EQ(got.entries.at(name).counts, entry.counts) << name;
  }
  EXPECT_EQ(got.datasets, want.datasets);
  EXPECT_EQ(got.n_chunk, 2u);
  EXPECT_EQ(got.chunk_size, 512u);
}

TEST(imatrix, means_come_back_from_both_formats) {
  for (const ImatrixFormat format : {ImatrixFormat::kGguf, ImatrixFormat::kDat}) {
    const TemporaryFile file;
    save_imatrix(example(), file.path, format);
    const auto means = read_imatrix(file.path);
    ASSERT_EQ(means.size(), 2u);
    const std::vector<float> want = {1.5f / 1024, 0, 3e8f / 1024, 4.0f / 1024};
    EXPECT_EQ(means.at("blk.0.time_mix_key.weight"), want);
    EXPECT_EQ(means.at("blk.0.time_mix_w2.weight").front(), 1.0f / 512);
    EXPECT_EQ(means.at("blk.0.time_mix_w2.weight").back(), 6.0f / 1024);
  }
}

// The layout of a .dat, byte by byte: 1 entry "ab", 2 calls, 3 values (means times calls); 2 chunks of "t".
TEST(imatrix, reads_the_older_format) {
  const auto le = [](auto x) { return GgufBuilder::le(x); };
  const std::string entry = le(1) + le(2) + "ab" + le(2) + le(3) + le(2.0f) + le(4.0f) + le(0.0f);
  const std::string tail = le(2) + le(1) + "t";
  for (const std::string& bytes : {entry, entry + tail}) {
    const Imatrix got = parse(bytes);
    const ImatrixEntry& e = got.entries.at("ab");
    EXPECT_EQ(e.sums[1] / e.counts[0], 2.0);
    EXPECT_EQ(e.counts[0], 2.0 * 512);
  }
  EXPECT_EQ(parse(entry + tail).datasets, std::vector<std::string>{"t"});
}

TEST(imatrix, merging_adds_and_refuses_other_models) {
  Imatrix a = example();
  merge_imatrix(a, example());
  EXPECT_EQ(a.entries.at("blk.0.time_mix_key.weight").sums[0], 3.0);
  EXPECT_EQ(a.entries.at("blk.0.time_mix_key.weight").counts[0], 2048.0);
  EXPECT_EQ(a.n_chunk, 4u);
  EXPECT_EQ(a.datasets.size(), 2u);
  Imatrix other;
  other.entries["blk.0.time_mix_key.weight"] = {{1, 2}, {5}};
  EXPECT_THROW(merge_imatrix(a, other), Error);
}

TEST(imatrix, refuses_what_contradicts_itself) {
  const auto floats = [](std::vector<float> values) {
    std::string out;
    for (const float x : values) out += GgufBuilder::le(x);
    return out;
  };
  const auto file = [] { return std::move(GgufBuilder().string_key("general.type", "imatrix")); };
  const std::string sums = floats({1, 2}), count = floats({3});
  EXPECT_EQ(refusal(file().tensor("a.in_sum2", {2, 1}, 0, sums).tensor("a.counts", {1, 1}, 0, count).bytes()),
            "accepted");
  const auto expect = [](const std::string& sentence, const std::string& about) {
    EXPECT_NE(sentence.find(about), std::string::npos) << sentence;
  };
  expect(refusal(GgufBuilder().string_key("general.type", "model").bytes()), "expected imatrix");
  expect(refusal(file().tensor("a.in_sum2", {2, 1}, 0, sums).bytes()), "no .counts");
  expect(refusal(file().tensor("a.counts", {1, 1}, 0, count).bytes()), "no .in_sum2");
  expect(refusal(file().tensor("a", {1, 1}, 0, count).bytes()), "expected names");
  expect(refusal(file().tensor("a.in_sum2", {2, 1}, 0, sums).tensor("a.counts", {3}, 0, floats({1, 1, 1})).bytes()),
         "2 sums for 3 counts");
  for (const float bad : {-1.0f, NAN, INFINITY})
    expect(refusal(file().tensor("a.in_sum2", {2, 1}, 0, floats({1, bad})).tensor("a.counts", {1, 1}, 0, count).bytes()),
           "negative or not finite");
  expect(refusal("not an importance matrix"), "expected 1 to");
}

TEST(imatrix, survives_damaged_files) {
  for (const ImatrixFormat format : {ImatrixFormat::kGguf, ImatrixFormat::kDat}) {
    const TemporaryFile file;
    save_imatrix(example(), file.path, format);
    const Bytes whole = as_byte_vector(bytes_of_file(file.path));
    size_t n_refused = 0;
    for (uint64_t seed = 0; seed < 4000; ++seed) try {
        Bytes damaged = mutate(whole, seed);
        if (damaged.empty()) continue;
        load_imatrix("test", MappedFile::from_bytes("test", std::move(damaged)));
      } catch (const Error& error) {
        ++n_refused;
        EXPECT_NE(error.code(), Code::kInternal) << error.sentence() << " seed " << seed;
      }
    EXPECT_GT(n_refused, 1000u);
  }
}

}  // namespace
}  // namespace rwkv::test::imatrix_test
