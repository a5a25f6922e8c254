// The parts of `rwkv pull` that need no network: hash, ranges, names, the catalogue, a file on its
// way.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "../../apps/rwkv/pull/catalogue.h"
#include "../../apps/rwkv/pull/part_file.h"
#include "../../apps/rwkv/pull/ranges.h"
#include "../../apps/rwkv/pull/sha256.h"
#include "../../apps/rwkv/pull/source.h"
#include "failure.h"

namespace command::pull_parts_test {
namespace {

std::string sha256_of(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.hex();
}

TEST(Sha256, VectorsOfTheStandard) {
  EXPECT_EQ(sha256_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_of(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

RC_GTEST_PROP(Sha256, PiecesDoNotMatter, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
  const auto cut = *rc::gen::inRange<size_t>(0, text.size() + 1);
  Sha256 hash;
  hash.update(std::string_view(text).substr(0, cut));
  hash.update(std::string_view(text).substr(cut));
  RC_ASSERT(hash.hex() == sha256_of(text));
}

// Against a set of single bytes.
RC_GTEST_PROP(RangeSet, IsASetOfBytes, ()) {
  RangeSet set;
  std::set<uint64_t> bytes;
  for (const auto& [begin, size] : *rc::gen::container<std::vector<std::pair<uint64_t, uint64_t>>>(
           rc::gen::pair(rc::gen::inRange<uint64_t>(0, 60), rc::gen::inRange<uint64_t>(0, 12)))) {
    set.add({begin, begin + size});
    for (uint64_t i = begin; i < begin + size; ++i) bytes.insert(i);
  }
  RC_ASSERT(set.total() == bytes.size());
  for (size_t i = 1; i < set.ranges().size(); ++i)
    RC_ASSERT(set.ranges()[i - 1].end < set.ranges()[i].begin);
  const auto size = *rc::gen::inRange<uint64_t>(0, 80), piece = *rc::gen::inRange<uint64_t>(1, 20);
  std::set<uint64_t> missing;
  for (const Range& r : set.missing(size, piece)) {
    RC_ASSERT(r.size() >= 1 && r.size() <= piece);
    for (uint64_t i = r.begin; i < r.end; ++i)
      RC_ASSERT(missing.insert(i).second && !bytes.contains(i));
  }
  for (uint64_t i = 0; i < size; ++i) RC_ASSERT(missing.contains(i) != bytes.contains(i));
  RC_ASSERT((missing.empty() || *missing.rbegin() < size));
}

TEST(Source, Forms) {
  EXPECT_EQ(parse_source("rwkv7-g1-0.4b:Q8_0"), (Source{.name = "rwkv7-g1-0.4b", .quant = "q8_0"}));
  EXPECT_EQ(
      parse_source("hf:o/r/a/b.gguf"),
      (Source{.hub = Hub::kHuggingFace, .repo = "o/r", .revision = "main", .file = "a/b.gguf"}));
  EXPECT_EQ(parse_source("hf:o/r@v1/b.gguf"),
            (Source{.hub = Hub::kHuggingFace, .repo = "o/r", .revision = "v1", .file = "b.gguf"}));
  EXPECT_EQ(
      parse_source("hf:o/r:Q4_K_M"),
      (Source{.hub = Hub::kHuggingFace, .repo = "o/r", .revision = "main", .quant = "q4_k_m"}));
  EXPECT_EQ(
      parse_source("ms:o/r/b.pth"),
      (Source{.hub = Hub::kModelScope, .repo = "o/r", .revision = "master", .file = "b.pth"}));
  for (const char* text : {"rwkv7", "rwkv7:q8_0", "hf:o/r", "hf:o/r:q8_0", "hf:o/r@x/a/b",
                           "ms:o/r/f", "https://h/a/b?x=1"})
    EXPECT_EQ(to_text(parse_source(text)), text);
  for (const char* text : {"", "hf:", "hf:o", "hf:o/", "hf:/r", "hf:o/r/", "hf:o/r/../x",
                           "hf:../r/x", "hf:o/r:", "ms:o/r", "o/r", "https://h", "https://h/",
                           "https://h/../x", "hf:o/r/a\nb", "a b", ".x"})
    EXPECT_THROW(parse_source(text), Failure) << text;
}

TEST(Source, Addresses) {
  const Endpoints hubs;
  const auto address = [&](const char* text) { return file_address(parse_source(text), hubs); };
  EXPECT_EQ(address("hf:o/r/a/b.gguf"), "https://huggingface.co/o/r/resolve/main/a/b.gguf");
  EXPECT_EQ(address("hf:o/r@v1/Eng98%.pth"), "https://huggingface.co/o/r/resolve/v1/Eng98%25.pth");
  EXPECT_EQ(address("ms:o/r/f"), "https://modelscope.cn/models/o/r/resolve/master/f");
  EXPECT_EQ(address("https://h/x?y=1"), "https://h/x?y=1");
  EXPECT_EQ(list_address(parse_source("hf:o/r"), hubs),
            "https://huggingface.co/api/models/o/r/revision/main");
  EXPECT_EQ(cache_place(parse_source("hf:o/r@v1/a/b.gguf")), "hf/o/r@v1/a/b.gguf");
  EXPECT_EQ(cache_place(parse_source("https://h:8/a/b.gguf?download=true")), "url/h:8/a/b.gguf");
}

using Names = std::vector<std::string>;

TEST(ChooseGguf, TakesTheQuantization) {
  const Names files = {"m-Q4_K_M.gguf", "m-Q8_0.gguf",      "m-q4_k_s.gguf",
                       "m-Q4_K.gguf",   "mmproj-Q8_0.gguf", "r.md"};
  EXPECT_EQ(choose_gguf("o/r", files, ""), Names{"m-Q8_0.gguf"});
  EXPECT_EQ(choose_gguf("o/r", files, "q4_k_m"), Names{"m-Q4_K_M.gguf"});
  EXPECT_EQ(choose_gguf("o/r", files, "q4_k"), Names{"m-Q4_K.gguf"});
  EXPECT_EQ(choose_gguf("o/r", files, "Q4_K_S"), Names{"m-q4_k_s.gguf"});
  EXPECT_EQ(choose_gguf("o/r", {"a.Q4_K_M.gguf", "a.Q5_K_M.gguf"}, ""), Names{"a.Q4_K_M.gguf"});
  EXPECT_EQ(choose_gguf("o/r", {"only.gguf"}, ""), Names{"only.gguf"});
  EXPECT_THROW(choose_gguf("o/r", {"a.gguf", "b.gguf"}, ""), Failure);
  EXPECT_THROW(choose_gguf("o/r", {"a-Q8_0.gguf", "b-Q8_0.gguf"}, ""), Failure);
  EXPECT_THROW(choose_gguf("o/r", {"a-Q8_0.gguf"}, "q4_k_m"), Failure);
  EXPECT_THROW(choose_gguf("o/r", {"a.pth"}, ""), Failure);
}

TEST(ChooseGguf, PartsOfASplitFileBelongTogether) {
  EXPECT_EQ(
      choose_gguf("o/r", {"m-Q8_0-00002-of-00002.gguf", "m-Q8_0-00001-of-00002.gguf", "m-F16.gguf"},
                  "q8_0"),
      (Names{"m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"}));
}

TEST(Catalogue, BuiltInIsSound) {
  const Catalogue& catalogue = Catalogue::built_in();
  std::set<std::string> names;
  for (const CatalogueModel& model : catalogue.models()) {
    EXPECT_TRUE(names.insert(model.name).second) << model.name;
    EXPECT_EQ(parse_source(model.name), (Source{.name = model.name}));
    EXPECT_FALSE(model.licence.empty());
    std::set<std::string> quants;
    for (const CatalogueFile& file : model.files) {
      EXPECT_TRUE(quants.insert(file.quant).second) << model.name << " " << file.quant;
      EXPECT_EQ(catalogue.choose(model, file.quant).repo, file.repo);
      EXPECT_TRUE(!file.file.empty() || file.quant != "bf16") << model.name;
    }
  }
  EXPECT_EQ(catalogue.at("rwkv7-g1-0.4b").name, "rwkv7-g1d-0.4b");
  EXPECT_EQ(catalogue.choose(catalogue.at("rwkv7-g1-0.4b"), "").quant, "q8_0");
  EXPECT_THROW(catalogue.at("rwkv7"), Failure);
}

TEST(Catalogue, RefusesWhatIsMalformed) {
  const auto with_files = [](const char* files) {
    return R"({"models": [{"name": "a", "licence": "x", "files": [)" + std::string(files) +
           R"(]}], "aliases": {}})";
  };
  EXPECT_EQ(Catalogue(with_files(R"({"quant": "q", "repo": "o/r"})")).models().size(), 1u);
  for (const std::string& text : {std::string(), std::string("[]"), std::string("{}"),
                                  std::string(R"({"models": [], "aliases": {"a": "b"}})"),
                                  with_files(""), with_files(R"({"quant": "q", "repo": "o/../r"})"),
                                  with_files(R"({"quant": "q", "repo": "o/r", "sha256": "12"})")})
    EXPECT_THROW(Catalogue{text}, Failure) << text;
}

class PartFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("rwkv-part-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
  ContentId id_{.address = "a", .etag = "\"e\"", .size = 6};
};

TEST_F(PartFileTest, GoesOnWhereItWas) {
  {
    PartFile part(folder_ / "f");
    EXPECT_EQ(part.open(id_), Resume::kFresh);
    part.write(3, "def");
    part.save();
    part.write(0, "a");  // not saved: forgotten
  }
  PartFile part(folder_ / "f");
  EXPECT_EQ(part.open(id_), Resume::kContinues);
  EXPECT_EQ(part.ranges().missing(6, 100), (std::vector<Range>{{0, 3}}));
  part.write(0, "abc");
  EXPECT_EQ(part.sha256(6, [] { return false; }), sha256_of("abcdef"));
  part.finish(6);
  std::ifstream in(folder_ / "f");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "abcdef");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(PartFileTest, AnotherContentStartsOver) {
  ContentId other_etag = id_, other_size = id_, other_hash = id_, no_etag = id_;
  other_etag.etag = "\"x\"";
  other_size.size = 7;
  other_hash.sha256 = sha256_of("abcdef");
  no_etag.etag = "";
  for (const ContentId& other : {other_etag, other_size, other_hash, no_etag}) {
    {
      PartFile part(folder_ / "f");
      part.open(id_);
      part.write(0, "abc");
      part.save();
    }
    PartFile part(folder_ / "f");
    EXPECT_EQ(part.open(other), Resume::kChanged);
    EXPECT_EQ(part.ranges().total(), 0u);
    EXPECT_EQ(part.size_on_disk(), 0u);
    part.discard();
  }
}

TEST_F(PartFileTest, OneHolderOfALock) {
  const auto path = folder_ / "f.lock";
  {
    FileLock first(path), second(path);
    EXPECT_TRUE(first.try_take());
    EXPECT_FALSE(second.try_take());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  FileLock third(path);
  EXPECT_TRUE(third.try_take());
}

TEST(SizeText, Rounds) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(999), "999 B");
  EXPECT_EQ(size_text(1000), "1.0 kB");
  EXPECT_EQ(size_text(999'999), "1.0 MB");
  EXPECT_EQ(size_text(901'776'749), "901.8 MB");
}

}  // namespace
}  // namespace command::pull_parts_test
