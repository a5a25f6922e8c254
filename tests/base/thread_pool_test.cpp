#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace rwkv::thread_pool_test {
namespace {

TEST(thread_pool, calls_every_chunk_once) {
  for (const size_t n_thread : {1, 2, 3, 8}) {
    ThreadPool pool(n_thread);
    for (int round = 0; round < 300; ++round)
      for (const size_t n : {0, 1, 2, 5, 64}) {
        std::vector<std::atomic<int>> calls(n);
        pool.run(n, [&](size_t chunk, size_t thread) {
          EXPECT_LT(thread, n_thread);
          calls[chunk].fetch_add(1);
        });
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(calls[i].load(), 1) << n_thread << " threads";
      }
  }
}

TEST(thread_pool, shows_the_work_of_one_run_to_the_next) {
  ThreadPool pool(3);
  std::vector<int> values(100, 0);
  for (int round = 1; round <= 200; ++round) {
    pool.run(values.size(), [&](size_t i, size_t) { ++values[i]; });
    for (const int value : values) ASSERT_EQ(value, round);
  }
}

// Stages of a context each: chunk i of a stage adds 1 to cell i, which must be the stage's number before. The
// first to compute a chunk sleeps now and then, so that others do it again.
class Ladder final : public ThreadPool::Walk {
 public:
  Ladder(size_t n_stage, size_t n_chunk) : stages(n_stage), cells(n_chunk), results(8 * n_chunk) {
    for (size_t i = 0; i < n_stage; ++i) stages[i] = i;
  }
  ThreadPool::Stage prepare(size_t stage, ThreadPool::Serial) override {
    for (const size_t cell : cells) EXPECT_EQ(cell, stage);
    return {cells.size(), &stages[stage]};
  }
  void compute(size_t, const void* context, size_t chunk, size_t thread) override {
    if (++calls % 61 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    results[thread * cells.size() + chunk] = *static_cast<const size_t*>(context) + 1;
  }
  void publish(size_t, const void*, size_t chunk, size_t thread) override {
    cells[chunk] = results[thread * cells.size() + chunk];
    ++published;
  }
  std::vector<size_t> stages, cells, results;
  std::atomic<size_t> calls{0}, published{0};
};

TEST(thread_pool, redoes_what_a_sleeper_has_begun_and_publishes_it_once) {
  for (const size_t n_thread : {1, 2, 3, 8}) {
    ThreadPool pool(n_thread);
    pool.reserve_redo(16);
    for (int round = 0; round < 20; ++round) {
      Ladder ladder(40, 16);
      pool.walk(ladder, 40);
      EXPECT_EQ(ladder.published, 40u * 16u) << n_thread << " threads";
      for (const size_t cell : ladder.cells) EXPECT_EQ(cell, 40u);
      EXPECT_GE(ladder.calls, ladder.published);
      pool.wait_left(pool.last_serial());
    }
  }
}

TEST(thread_pool, takes_more_chunks_than_a_stage_has_room_for) {
  ThreadPool pool(2);
  std::atomic<size_t> sum{0};
  const size_t n = ThreadPool::kMaxChunks + 3;
  pool.run(n, [&](size_t chunk, size_t) { sum += chunk; });
  EXPECT_EQ(sum, n * (n - 1) / 2);
}

TEST(thread_pool, counts_at_least_one_core) { EXPECT_GE(default_thread_count(), 1u); }

}  // namespace
}  // namespace rwkv::thread_pool_test
