#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace rwkv {
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

TEST(thread_pool, counts_at_least_one_core) { EXPECT_GE(default_thread_count(), 1u); }

}  // namespace
}  // namespace rwkv
