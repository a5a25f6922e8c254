// State files: what is saved is loaded bit for bit, and what does not fit is refused in one
// sentence.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>

#include "backends/cpu/cpu.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/session.h"
#include "formats/mutation.h"
#include "support/golden.h"
#include "support/random_model.h"

namespace rwkv::test::state_file_test {
namespace {

RandomModel spec_of(const std::string& version) {
  RandomModel spec;
  spec.version = version;
  return spec;
}
std::shared_ptr<LoadedModel> loaded(std::shared_ptr<TensorFile> file, uint64_t fingerprint = 1234) {
  auto out = std::make_shared<LoadedModel>();
  out->path = file->path();
  out->file = file;
  out->model = build_model(file, {});
  out->executor = make_cpu_executor(out->model.plan, {.n_thread = 1});
  out->fingerprint = fingerprint;
  return out;
}
std::shared_ptr<LoadedModel> loaded(const std::string& version) {
  return loaded(make_file(spec_of(version)));
}

struct Refusal {
  Code code = Code::kInternal;
  std::string sentence = "no error";
};
Refusal refusal_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return {error.code(), error.sentence()};
  }
  return {};
}

class StateFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name = "a.state") const { return folder_ + "/" + name; }
  size_t n_file() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  // The bytes of a valid file.
  Bytes saved(const std::shared_ptr<LoadedModel>& model) const {
    Session session(model);
    session.feed(std::vector<Token>{3, 1, 4}, {});
    save_snapshot(session.snapshot(), path());
    return read_vector<std::byte>(path());
  }
  Refusal parse(const std::shared_ptr<LoadedModel>& model, const Bytes& bytes) const {
    return refusal_of([&] { parse_snapshot(model, bytes, "a.state"); });
  }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  std::string folder_ = testing::TempDir() + "state_file." + std::to_string(::getpid());
};
#define EXPECT_REFUSED(refusal, words)                                          \
  do {                                                                          \
    const Refusal found = (refusal);                                            \
    EXPECT_EQ(found.code, Code::kState) << found.sentence;                      \
    EXPECT_NE(found.sentence.find(words), std::string::npos) << found.sentence; \
  } while (false)

class EachVersion : public StateFile, public testing::WithParamInterface<const char*> {};

TEST_P(EachVersion, comes_back_bit_for_bit) {
  const auto model = loaded(std::string(GetParam()));
  const std::vector<Token> before{5, 17, 0, 96, 33}, after{2, 71, 71};
  std::vector<float> want(model->plan().n_vocab), got(want.size(), NAN);
  Session session(model);
  session.feed(before, {});
  const Snapshot snapshot = session.snapshot();
  save_snapshot(snapshot, path());
  EXPECT_EQ(n_file(), 1u);
  const Snapshot back = load_snapshot(model, path());
  EXPECT_TRUE(same_bits(back.state, snapshot.state));
  EXPECT_EQ(back.n_token, 5u);
  session.feed(after, want);
  Session other(model);
  other.restore(back);
  other.feed(after, got);
  EXPECT_TRUE(same_bits(got, want));
  EXPECT_EQ(other.n_token(), 8u);
  EXPECT_TRUE(same_bits(other.snapshot().state, session.snapshot().state));
}
TEST_P(EachVersion, goes_to_llama_cpp_where_that_runs_it) {
  const std::string version = GetParam();
  const bool runs = version.rfind("v4", 0) != 0 && version.rfind("v5", 0) != 0;
  Session session(loaded(version));
  session.feed(std::vector<Token>{5, 17}, {});
  const Refusal found = refusal_of([&] { save_snapshot_as(session.snapshot(), "llama.cpp", path()); });
  EXPECT_EQ(n_file(), runs ? 1u : 0u) << found.sentence;
  if (!runs) {
    EXPECT_EQ(found.code, Code::kUnsupported);
    EXPECT_NE(found.sentence.find("llama.cpp runs no RWKV v"), std::string::npos) << found.sentence;
  }
}
INSTANTIATE_TEST_SUITE_P(all, EachVersion, testing::ValuesIn(kVersions), [](const auto& p) {
  std::string name = p.param;
  for (char& ch : name)
    if (ch == '.') ch = '_';
  return name;
});

// Offsets of the header: docs/states.md.
constexpr size_t kVersionAt = 8, kHeaderBytesAt = 12, kFingerprintAt = 16, kFloatsAt = 24,
                 kTokensAt = 32, kChecksumAt = 40, kOwnChecksumAt = 48, kHeaderBytes = 64;

template <typename T>
Bytes with(Bytes bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

TEST_F(StateFile, headers_that_lie) {
  const auto model = loaded("v7");
  const Bytes good = saved(model);
  ASSERT_EQ(good.size(), kHeaderBytes + model->plan().state.size * 4);
  EXPECT_EQ(parse(model, good).sentence, "no error");
  EXPECT_REFUSED(parse(model, with(good, kTokensAt, uint64_t{9})), "the checksum of its first 64 bytes fails");
  EXPECT_REFUSED(parse(model, with(good, kOwnChecksumAt, uint64_t{9})), "the checksum of its first 64 bytes fails");
  EXPECT_REFUSED(parse(model, with(good, kHeaderBytes - 1, uint8_t{1})), "the checksum of its first 64 bytes fails");
  // Files of the first releases have no checksum of the header.
  EXPECT_EQ(parse(model, with(with(good, kOwnChecksumAt, uint64_t{0}), kTokensAt, uint64_t{9})).sentence, "no error");
  EXPECT_REFUSED(parse(model, with(good, 0, 'X')), "a.state: byte 0: expected the magic RWKVSTAT");
  EXPECT_REFUSED(parse(model, with(good, kVersionAt, uint32_t{0})),
                 "state file version 0, expected 1");
  EXPECT_REFUSED(parse(model, with(good, kVersionAt, uint32_t{2})),
                 "state file version 2, expected 1");
  EXPECT_REFUSED(parse(model, with(good, kHeaderBytesAt, uint32_t{128})), "state file version");
  EXPECT_REFUSED(parse(model, with(good, kFingerprintAt, uint64_t{99})),
                 "was saved with another model: fingerprint");
  for (const uint64_t n : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 62, UINT64_MAX})
    EXPECT_REFUSED(parse(model, with(good, kFloatsAt, n)), std::to_string(n) + " floats");
  EXPECT_REFUSED(parse(model, with(with(good, kOwnChecksumAt, uint64_t{0}), kChecksumAt, uint64_t{1})), "the checksum fails");
  EXPECT_REFUSED(parse(model, with(good, good.size() - 4, 0.125f)), "the checksum fails");
}

TEST_F(StateFile, cut_or_with_more_behind) {
  const auto model = loaded("v7");
  const Bytes good = saved(model);
  for (size_t n = 0; n < good.size(); n += n <= kHeaderBytes ? 1 : 64) {
    const Refusal found = parse(model, {good.begin(), good.begin() + static_cast<ptrdiff_t>(n)});
    EXPECT_TRUE(found.code == Code::kState || found.code == Code::kFormat) << found.sentence;
    EXPECT_EQ(found.sentence.rfind("a.state: ", 0), 0u) << found.sentence;
  }
  Bytes more = good;
  more.push_back({});
  EXPECT_REFUSED(parse(model, more), "bytes of state, expected");
}

TEST_F(StateFile, values_that_are_not_finite) {
  const auto model = loaded("v7");
  const Bytes good = saved(model);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    Bytes bytes = with(with(good, kOwnChecksumAt, uint64_t{0}), kHeaderBytes + 4 * 7, bad);
    Hash64 hash;
    hash.add(std::span<const std::byte>(bytes).subspan(kHeaderBytes));
    EXPECT_REFUSED(parse(model, with(bytes, kChecksumAt, hash.value())), "not finite");
  }
}

TEST_F(StateFile, of_another_model) {
  const auto v7 = load_model(data("v7.gguf"), {});
  Session session(v7);
  session.feed(std::vector<Token>{1, 2}, {});
  save_snapshot(session.snapshot(), path());
  EXPECT_EQ(load_snapshot(load_model(data("v7.gguf"), {}), path()).n_token, 2u);
  for (const char* name : {"v6.gguf", "v7.pth", "v4.gguf"}) {
    const auto other = load_model(data(name), {});
    EXPECT_REFUSED(refusal_of([&] { load_snapshot(other, path()); }),
                   "was saved with another model: fingerprint");
    Session stranger(other);
    EXPECT_REFUSED(refusal_of([&] { stranger.restore(session.snapshot()); }), "belongs to model");
  }
}

TEST_F(StateFile, files_of_another_kind) {
  const auto model = loaded("v7");
  const auto refusal = [&](const std::string& file) {
    return refusal_of([&] { load_snapshot(model, file); });
  };
  EXPECT_REFUSED(refusal(write("text", "hello, I am a letter")),
                 "expected a state file (RWKVSTAT)");
  EXPECT_REFUSED(refusal(write("short", "RWKV")), "expected a state file (RWKVSTAT)");
  EXPECT_REFUSED(refusal(data("v7.gguf")), "expected a state file (RWKVSTAT)");
  EXPECT_EQ(refusal(write("empty", "")).code, Code::kFormat);
  EXPECT_EQ(refusal(path("absent")).code, Code::kIo);
  EXPECT_EQ(refusal(folder_).code, Code::kIo);
  EXPECT_REFUSED(refusal(data("v7.pth")), "no tensor blocks.0.att.time_state");  // no tuned state
}

TEST_F(StateFile, a_write_that_fails_leaves_nothing) {
  const auto model = loaded("v7");
  const Snapshot snapshot = Session(model).snapshot();
  EXPECT_EQ(refusal_of([&] { save_snapshot(snapshot, path("absent/a.state")); }).code, Code::kIo);
  EXPECT_EQ(n_file(), 0u);
  std::filesystem::create_directories(path("folder"));
  std::ofstream(path("folder/full")) << "x";
  EXPECT_EQ(refusal_of([&] { save_snapshot(snapshot, path("folder")); }).code, Code::kIo);
  EXPECT_EQ(n_file(), 1u);  // the part that was written is gone, too
  save_snapshot(snapshot, path());
  const Bytes before = read_vector<std::byte>(path());
  save_snapshot(snapshot, path());  // over itself
  EXPECT_EQ(read_vector<std::byte>(path()), before);
  EXPECT_EQ(n_file(), 2u);
}

// Tuned states: one [H, N, N] a layer, [value, key] for every version.
std::vector<std::vector<float>> tuned_of(const RandomModel& spec) {
  std::mt19937_64 random(7);
  std::vector<std::vector<float>> out(spec.n_layer,
                                      std::vector<float>(spec.n_embd * spec.head_size));
  for (auto& layer : out)
    for (float& x : layer) x = std::normal_distribution<float>(0, 0.3f)(random);
  return out;
}
std::string safetensors_of(const RandomModel& spec, const std::vector<std::vector<float>>& tuned) {
  std::string header = "{", bytes;
  for (size_t i = 0; i < tuned.size(); ++i) {
    const size_t begin = bytes.size();
    bytes.append(reinterpret_cast<const char*>(tuned[i].data()), tuned[i].size() * 4);
    header +=
        strf(R"({}"blocks.{}.att.time_state":)", i ? "," : "", i) +
        strf(R"({"dtype":"F32","shape":[{},{},{}],"data_offsets":[{},{}]})",
             spec.n_embd / spec.head_size, spec.head_size, spec.head_size, begin, bytes.size());
  }
  header += "}";
  const uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + bytes;
}
std::shared_ptr<TensorFile> file_with(const RandomModel& spec,
                                      const std::vector<std::vector<float>>& tuned) {
  auto file = make_file(spec);
  for (size_t i = 0; i < tuned.size(); ++i) {
    const auto bytes = std::as_bytes(std::span(tuned[i]));
    auto map = MappedFile::from_bytes("tuned", {bytes.begin(), bytes.end()});
    file->add_map(map);
    file->add_tensor({"blocks." + std::to_string(i) + ".att.time_state",
                      DType::kF32,
                      {spec.n_embd / spec.head_size, spec.head_size, spec.head_size},
                      map->bytes()});
  }
  return file;
}

class Tuned : public StateFile, public testing::WithParamInterface<const char*> {};

// A state that is loaded does the same as one that came inside the model, and lies as the plan
// says.
TEST_P(Tuned, as_one_inside_the_model) {
  const RandomModel spec = spec_of(GetParam());
  const auto tuned = tuned_of(spec);
  const auto plain = loaded(make_file(spec)), inside = loaded(file_with(spec, tuned));
  const Snapshot snapshot =
      load_snapshot(plain, write("tuned.safetensors", safetensors_of(spec, tuned)));
  EXPECT_EQ(snapshot.n_token, 0u);
  EXPECT_TRUE(same_bits(snapshot.state, Session(inside).snapshot().state));

  const std::string version = GetParam();
  const bool by_key = version != "arwkv7" && version.rfind("v7", 0) != 0;  // S [key, value]
  const size_t N = spec.head_size;
  for (const StateArray& array : plain->plan().state.arrays)
    for (size_t i = 0; i < array.size; ++i) {
      const size_t h = i / (N * N), row = i / N % N, col = i % N;
      const float want = array.n_head == 0 ? 0
                         : by_key          ? tuned[array.layer][(h * N + col) * N + row]
                                           : tuned[array.layer][(h * N + row) * N + col];
      ASSERT_EQ(snapshot.state[array.offset + i], want)
          << array.name << " " << array.layer << " " << i;
    }

  std::vector<float> want(spec.n_vocab), got(spec.n_vocab, NAN);
  Session a(inside), b(plain);
  b.restore(snapshot);
  a.feed(std::vector<Token>{8, 9}, want);
  b.feed(std::vector<Token>{8, 9}, got);
  EXPECT_TRUE(same_bits(got, want));
}
INSTANTIATE_TEST_SUITE_P(all, Tuned,
                         testing::Values("v5.2", "v6", "v7", "v7a", "rwkv6qwen2", "arwkv7"),
                         [](const auto& p) {
                           std::string name = p.param;
                           for (char& ch : name)
                             if (ch == '.') ch = '_';
                           return name;
                         });

TEST_F(StateFile, tuned_states_that_do_not_fit) {
  const RandomModel spec = spec_of("v7");
  const auto model = loaded(make_file(spec));
  const auto refusal = [&](const RandomModel& shape, const std::vector<std::vector<float>>& tuned) {
    const std::string file = write("tuned.safetensors", safetensors_of(shape, tuned));
    return refusal_of([&] { load_snapshot(model, file); });
  };
  auto tuned = tuned_of(spec);
  EXPECT_EQ(refusal(spec, tuned).sentence, "no error");
  RandomModel wide = spec;
  wide.n_embd = 64;
  EXPECT_REFUSED(refusal(wide, tuned_of(wide)), "blocks.0.att.time_state is [4, 16, 16]");
  EXPECT_REFUSED(refusal(spec, {tuned[0]}), "no tensor blocks.1.att.time_state");
  tuned[1][5] = NAN;
  EXPECT_REFUSED(refusal(spec, tuned), "not finite");
  const auto v4 = loaded("v4");  // has no heads: nothing could be tuned
  EXPECT_REFUSED(refusal_of([&] { load_snapshot(v4, path("tuned.safetensors")); }),
                 "expected a state file");
}

TEST_F(StateFile, survives_mutation) {
  const auto model = loaded("v6");
  const Bytes good = saved(model);
  size_t n_refused = 0;
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    const Bytes bytes = mutate(good, seed);
    try {
      const Snapshot snapshot = parse_snapshot(model, bytes, "a.state");
      ASSERT_TRUE(same_bits(snapshot.state, std::span<const float>(reinterpret_cast<const float*>(
                                                                       good.data() + kHeaderBytes),
                                                                   snapshot.state.size())))
          << "damage was not seen, seed " << seed;
    } catch (const Error& error) {
      ++n_refused;
      ASSERT_NE(error.code(), Code::kInternal) << error.sentence() << " seed " << seed;
    }
  }
  EXPECT_GT(n_refused, 3000u);
}

}  // namespace
}  // namespace rwkv::test::state_file_test
