// Threads that take work in small pieces: each first its own range, then what is left of others'. A thread
// that sleeps holds up nobody unless it sleeps inside a piece.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace rwkv {

// Cores that this process may use at full speed: physical cores of its CPU set, cut by the cgroup's quota.
size_t default_thread_count();

class ThreadPool {
 public:
  // n_thread >= 1, the caller's thread included. `on_start` runs first in each worker.
  explicit ThreadPool(size_t n_thread, void (*on_start)() = nullptr);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t size() const { return queues_.size(); }

  // Calls f(chunk, thread) once for each chunk in [0, n_chunk), n_chunk < 2^20; returns when all are done.
  // f must not throw. One run at a time: the owner serializes.
  template <typename F>
  void run(size_t n_chunk, const F& f) {
    run_erased(n_chunk, &f, [](const void* context, size_t chunk, size_t thread) {
      (*static_cast<const F*>(context))(chunk, thread);
    });
  }

 private:
  using Call = void (*)(const void*, size_t, size_t);
  // What is left of one thread's range: generation | next | end, so that a claim is one exchange and a
  // claim that comes a job too late fails.
  struct alignas(64) Queue {
    std::atomic<uint64_t> left{0};
  };

  void run_erased(size_t n_chunk, const void* context, Call call);
  void work(size_t thread);
  bool claim(size_t queue, size_t& chunk);
  void take_all(size_t thread);

  std::vector<Queue> queues_;
  std::atomic<uint32_t> generation_{0};
  std::atomic<size_t> done_{0};
  std::atomic<bool> stop_{false};
  const void* context_ = nullptr;
  Call call_ = nullptr;
  std::vector<std::thread> workers_;
};

}  // namespace rwkv
