// The promise of the CPU backend: logits and states do not depend, by a single bit, on chunks, threads,
// instruction set or the other sequences of a step.
#include <algorithm>
#include <list>
#include <random>

#include "backends/cpu/cpu_executor.h"
#include "backends/cpu/isa/tables.h"
#include "backends/reference/reference.h"
#include "support/golden.h"
#include "support/random_model.h"

namespace rwkv::test::exactness_test {
namespace {

struct Result {
  std::vector<float> logits;  // [tokens, V]
  std::vector<float> state;
};

std::unique_ptr<Executor> make_cpu(const Model& model, size_t n_thread, const std::string& isa = "") {
  CpuOptions options;
  options.n_thread = n_thread;
  options.isa = isa;
  return make_cpu_executor(model.plan, options);
}

// Feeds in pieces of the given sizes (the last repeats).
Result feed(Executor& executor, const std::vector<int32_t>& tokens, const std::vector<size_t>& pieces) {
  const size_t V = executor.plan().n_vocab;
  Result out{std::vector<float>(tokens.size() * V, NAN), {}};
  const Slot slot = executor.new_slot();
  size_t piece = 0;
  for (size_t begin = 0; begin < tokens.size();) {
    const size_t n = std::min(pieces[std::min(piece++, pieces.size() - 1)], tokens.size() - begin);
    std::vector<uint32_t> rows(n);
    for (uint32_t i = 0; i < n; ++i) rows[i] = i;
    const Segment segment{slot, n};
    executor.run({std::span(tokens).subspan(begin, n), {&segment, 1}, rows},
                 std::span(out.logits).subspan(begin * V, n * V));
    begin += n;
  }
  out.state.resize(executor.plan().state.size);
  executor.read_slot(slot, out.state);
  executor.free_slot(slot);
  return out;
}

std::vector<int32_t> random_tokens(size_t n, size_t n_vocab, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> tokens(n);
  for (int32_t& t : tokens) t = static_cast<int32_t>(random() % n_vocab);
  return tokens;
}

void expect_same(const Result& got, const Result& want, const std::string& what) {
  EXPECT_TRUE(same_bits(got.logits, want.logits)) << what << ": logits differ by "
                                                  << max_abs_diff(got.logits, want.logits);
  EXPECT_TRUE(same_bits(got.state, want.state)) << what << ": states differ by "
                                                << max_abs_diff(got.state, want.state);
}

// Those that this machine can run, but for the one that it chooses by itself.
std::vector<const cpu::KernelTable*> other_tables() {
  std::vector<const cpu::KernelTable*> out;
  for (const cpu::KernelTable* table : cpu::compiled_tables())
    if (table != &cpu::choose_table("") && cpu::can_run(*table)) out.push_back(table);
  return out;
}

class Exactness : public testing::TestWithParam<std::string> {
 protected:
  RandomModel spec() const {
    RandomModel spec;
    spec.version = GetParam();
    return spec;
  }
};

TEST_P(Exactness, holds_for_chunks_threads_and_instruction_sets) {
  size_t n_type = 0;
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    RandomModel spec = this->spec();
    spec.type = type;
    const Model model = make_model(spec);
    const auto tokens = random_tokens(150, spec.n_vocab, 5);
    const Result want = feed(*make_cpu(model, 1), tokens, {1});
    EXPECT_LE(max_abs_diff(want.logits,
                           feed(*make_reference_executor(model.plan), tokens, {tokens.size()}).logits), 1e-3);
    // Every two of type, number of threads and pieces meet.
    const std::vector<std::vector<size_t>> all_pieces{{150}, {1, 149}, {2}, {17}, {128}, {12, 13, 5, 100}};
    for (const size_t n_thread : {1, 2, 3}) {
      const auto executor = make_cpu(model, n_thread);
      for (size_t i = 0; i < all_pieces.size(); ++i)
        if ((i + n_thread + n_type) % 2 == 0)
          expect_same(feed(*executor, tokens, all_pieces[i]), want,
                      std::string(name(type)) + ", " + std::to_string(n_thread) + " threads, pieces of " +
                          std::to_string(all_pieces[i][0]));
    }
    ++n_type;
    for (const cpu::KernelTable* table : other_tables())
      expect_same(feed(*make_cpu(model, 2, table->name), tokens, {31}), want,
                  std::string(name(type)) + " on " + table->name);
  }
}

TEST_P(Exactness, holds_for_mixes_of_sequences) {
  const Model model = make_model(spec());
  const auto executor = make_cpu(model, 2);
  const size_t V = model.plan->n_vocab;
  std::mt19937_64 random(11);
  std::vector<std::vector<int32_t>> texts;
  std::vector<Result> want;
  std::vector<Slot> slots;
  std::vector<size_t> at(5, 0);
  for (size_t s = 0; s < at.size(); ++s) {
    texts.push_back(random_tokens(40 + 30 * s, V, s));
    want.push_back(feed(*executor, texts[s], {texts[s].size()}));
    slots.push_back(executor->new_slot());
  }
  for (bool busy = true; busy;) {
    busy = false;
    std::vector<int32_t> tokens;
    std::vector<Segment> segments;
    std::vector<uint32_t> rows;
    std::vector<std::pair<size_t, size_t>> which;  // sequence and place of each wanted row
    for (size_t s = 0; s < at.size(); ++s) {
      const size_t n = std::min<size_t>(random() % 60, texts[s].size() - at[s]);
      busy |= at[s] + n < texts[s].size();
      if (n == 0) continue;
      segments.push_back({slots[s], n});
      for (size_t i = 0; i < n; ++i) {
        if (random() % 3 == 0) {
          rows.push_back(static_cast<uint32_t>(tokens.size()));
          which.emplace_back(s, at[s] + i);
        }
        tokens.push_back(texts[s][at[s] + i]);
      }
      at[s] += n;
    }
    if (tokens.empty()) continue;
    std::vector<float> logits(rows.size() * V, NAN);
    executor->run({tokens, segments, rows}, logits);
    for (size_t i = 0; i < which.size(); ++i) {
      const auto [s, place] = which[i];
      ASSERT_TRUE(same_bits(std::span(logits).subspan(i * V, V),
                            std::span(want[s].logits).subspan(place * V, V))) << "sequence " << s << ", token " << place;
    }
  }
  for (size_t s = 0; s < at.size(); ++s) {
    std::vector<float> state(model.plan->state.size);
    executor->read_slot(slots[s], state);
    EXPECT_TRUE(same_bits(state, want[s].state)) << "sequence " << s;
  }
}

TEST_P(Exactness, survives_snapshot_and_restore) {
  const Model model = make_model(spec());
  const auto tokens = random_tokens(40, model.plan->n_vocab, 9);
  const auto executor = make_cpu(model, 2);
  const Result want = feed(*executor, tokens, {40});
  const Slot first = executor->new_slot(), second = executor->new_slot();
  const Segment before{first, 25}, after{second, 15};
  executor->run({std::span(tokens).first(25), {&before, 1}, {}}, {});
  std::vector<float> state(model.plan->state.size);
  executor->read_slot(first, state);
  executor->write_slot(second, state);
  executor->run({std::span(tokens).last(15), {&after, 1}, {}}, {});
  executor->read_slot(second, state);
  EXPECT_TRUE(same_bits(state, want.state));
}

TEST_P(Exactness, holds_with_activations_of_bf16) {
  RandomModel spec = this->spec();
  spec.type = DType::kBF16;
  spec.n_embd = 64;  // whole groups of 32
  spec.n_ffn = 96;
  const Model model = make_model(spec);
  const auto tokens = random_tokens(150, spec.n_vocab, 5);
  const auto rounding = [&](size_t n_thread, const std::string& isa) {
    CpuOptions options;
    options.n_thread = n_thread;
    options.isa = isa;
    options.bf16_activations = true;
    return make_cpu_executor(model.plan, options);
  };
  const Result want = feed(*rounding(1, ""), tokens, {1});
  const std::vector<std::vector<size_t>> all_pieces{{150}, {1, 149}, {12, 13, 5, 100}};
  for (size_t i = 0; i < all_pieces.size(); ++i)
    expect_same(feed(*rounding(1 + i, ""), tokens, all_pieces[i]), want, "pieces of " + std::to_string(all_pieces[i][0]));
  for (const cpu::KernelTable* table : other_tables())
    expect_same(feed(*rounding(2, table->name), tokens, {31}), want, table->name);
  const Result floats = feed(*make_cpu(model, 1), tokens, {150});
  EXPECT_FALSE(same_bits(want.logits, floats.logits)) << "the option changed nothing";
  EXPECT_LE(max_abs_diff(want.logits, floats.logits), 0.1);
}

// F32 may be packed as BF16 where that loses nothing; it is F32 all the same.
TEST(bf16_activations, leave_other_weights_alone) {
  RandomModel spec;
  spec.n_embd = 64;
  spec.n_ffn = 128;
  spec.type = DType::kBF16;
  const Model model = make_model(spec);
  auto plan = std::make_shared<Plan>(*model.plan);
  std::list<std::vector<float>> values;
  for (auto* ops : {&plan->body, &plan->head})
    for (Op& op : *ops)
      if (auto* linear = std::get_if<LinearOp>(&op))
        for (LinearPart& part : linear->parts) {
          if (part.weight.dtype != DType::kBF16) continue;
          values.emplace_back(part.weight.rows * part.weight.cols);
          info(DType::kBF16).decode(part.weight.bytes.data(), values.back().size(), values.back().data());
          part.weight.dtype = DType::kF32;
          part.weight.bytes = std::as_bytes(std::span(values.back()));
        }
  EXPECT_FALSE(values.empty());
  const auto tokens = random_tokens(20, spec.n_vocab, 5);
  CpuOptions options;
  options.n_thread = 1;
  const auto want = feed(*make_cpu_executor(plan, options), tokens, {20});
  options.bf16_activations = true;
  expect_same(feed(*make_cpu_executor(plan, options), tokens, {20}), want, "F32 with the values of BF16");
  options.sparse = false;
  expect_same(feed(*make_cpu_executor(plan, options), tokens, {1}), want, "the same, dense");
}

INSTANTIATE_TEST_SUITE_P(versions, Exactness, testing::ValuesIn(std::vector<std::string>(std::begin(kVersions), std::end(kVersions))),
                         [](const auto& p) { return name_of_test(p.param); });

class BlockExactness : public testing::TestWithParam<DType> {};

TEST_P(BlockExactness, holds_for_chunks_threads_and_instruction_sets) {
  RandomModel spec;
  spec.n_embd = 256;
  spec.n_ffn = 512;
  spec.head_size = 64;
  spec.type = GetParam();
  const Model model = make_model(spec);
  const auto tokens = random_tokens(20, spec.n_vocab, 3);
  const Result want = feed(*make_cpu(model, 1), tokens, {1});
  expect_same(feed(*make_cpu(model, 3), tokens, {7, 13}), want, "3 threads, pieces of 7 and 13");
  for (const cpu::KernelTable* table : other_tables())
    expect_same(feed(*make_cpu(model, 2, table->name), tokens, {20}), want, table->name);
  const Result right = feed(*make_reference_executor(model.plan), tokens, {20});
  // Activations are rounded to 8 bits (Q8_0: 16): some percent of logits of size 1 at most.
  EXPECT_LE(max_abs_diff(want.logits, right.logits), spec.type == DType::kQ8_0 ? 1e-3 : 0.3);
}

// Half of a random model's units are active: after some tokens their matrices are laid out anew.
TEST(block_exactness, holds_while_layouts_follow_the_zeros) {
  for (const DType type : {DType::kQ8_0, DType::kQ4_1, DType::kQ5_K, DType::kQ6_K, DType::kF16, DType::kBF16}) {
    RandomModel spec;
    spec.n_embd = 256;
    spec.n_ffn = 512;
    spec.head_size = 64;
    spec.type = type;
    const Model model = make_model(spec);
    CpuOptions dense;
    dense.n_thread = 1;
    dense.sparse = false;
    const auto tokens = random_tokens(100, spec.n_vocab, 3);
    const auto want = feed(*make_cpu_executor(model.plan, dense), tokens, {100});
    const auto executor = make_cpu(model, 3);
    expect_same(feed(*executor, tokens, {1}), want, std::string(name(type)) + ", first time");
    expect_same(feed(*executor, tokens, {2, 1, 3, 50, 1}), want, std::string(name(type)) + ", second time");
  }
}

// So are they, whatever the zeros, where steps serve several sequences; not where one has several rows in a step.
TEST(block_exactness, holds_while_layouts_follow_the_company) {
  RandomModel spec;
  spec.n_layer = 14;  // more than 64 linear ops: the last one's turn comes too
  spec.n_embd = spec.head_size = 64;
  spec.n_ffn = 256;
  spec.type = DType::kQ8_0;
  const Model model = make_model(spec);
  const auto tokens = random_tokens(64 + spec.n_layer, spec.n_vocab, 3);
  const auto alone = random_tokens(300, spec.n_vocab, 4);
  const Result want = feed(*make_cpu(model, 1), tokens, {1}), want_alone = feed(*make_cpu(model, 1), alone, {300});
  for (const size_t n_sequence : {3, 9, 20}) {
    const auto owner = make_cpu(model, 3);
    auto& executor = dynamic_cast<cpu::CpuExecutor&>(*owner);
    expect_same(feed(executor, alone, {3}), want_alone, "pieces of 3");
    EXPECT_EQ(executor.n_sparse(), spec.n_layer) << "one sequence alone";
    std::vector<Segment> segments;
    std::vector<uint32_t> rows;
    for (uint32_t i = 0; i < n_sequence; ++i) {
      segments.push_back({executor.new_slot(), 1});
      rows.push_back(i);
    }
    std::vector<float> logits(n_sequence * spec.n_vocab);
    // Windows of 64 steps: the first began with the pieces.
    for (size_t round = 0; round < 3; ++round) {
      for (const Segment& s : segments) executor.reset_slot(s.slot);
      for (size_t t = 0; t < tokens.size(); ++t) {
        const std::vector<int32_t> same(n_sequence, tokens[t]);
        executor.run({same, segments, rows}, logits);
        for (size_t i = 0; i < n_sequence; ++i)
          ASSERT_TRUE(same_bits(std::span(logits).subspan(i * spec.n_vocab, spec.n_vocab),
                                std::span(want.logits).subspan(t * spec.n_vocab, spec.n_vocab)))
              << n_sequence << " sequences, round " << round << ", token " << t;
      }
    }
    EXPECT_EQ(executor.n_sparse(), 0) << n_sequence << " sequences";
  }
}

INSTANTIATE_TEST_SUITE_P(
    types, BlockExactness,
    testing::Values(DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ2_K, DType::kQ3_K,
                    DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kIQ1_S,
                    DType::kIQ1_M, DType::kIQ2_XXS, DType::kIQ2_XS, DType::kIQ2_S, DType::kIQ3_XXS, DType::kIQ3_S,
                    DType::kTQ1_0, DType::kTQ2_0, DType::kQ1_0, DType::kQ2_0, DType::kMXFP4, DType::kNVFP4),
    [](const auto& p) { return std::string(name(p.param)); });

}  // namespace
}  // namespace rwkv::test::exactness_test
