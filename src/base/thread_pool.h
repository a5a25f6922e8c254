// Threads that walk through stages of work together. In each stage a thread takes the pieces ("chunks") of its
// own range, then what is left of others', and then does again what another has begun and not finished: so a
// thread that lost its core to a neighbour holds up nobody. Any thread prepares the next stage; none leads.
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
  static constexpr size_t kMaxChunks = (size_t{1} << 20) - 1;
  using Serial = uint64_t;  // numbers all stages that a pool ever walks through, rising

  struct Stage {
    size_t n_chunk = 0;             // <= kMaxChunks
    const void* context = nullptr;  // given: chunks may be computed twice (n_chunk <= reserve_redo's)
  };

  // What the threads walk through. No function may throw.
  class Walk {
   public:
    virtual ~Walk() = default;
    // Called once a stage, by one thread, when the stages before are finished.
    virtual Stage prepare(size_t stage, Serial serial) = 0;
    // The work of a chunk. Where the stage has a context, several threads may do the same chunk, and one may
    // still be at it when the stage is over: it then reads nothing but the context and what never changes,
    // and writes nothing but what belongs to `thread`. The owner overwrites the context only after
    // wait_left(serial), and the walk outlives that too.
    virtual void compute(size_t stage, const void* context, size_t chunk, size_t thread) = 0;
    // Called once a chunk, after compute, by the thread whose result counts.
    virtual void publish(size_t, const void*, size_t, size_t) {}
  };

  // n_thread >= 1, the caller's thread included. `on_start` runs first in each worker. Error{kMemory}: the
  // system starts no more threads.
  explicit ThreadPool(size_t n_thread, void (*on_start)() = nullptr);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t size() const { return positions_.size(); }

  // Returns when all stages are finished. One walk at a time: the owner serializes.
  void walk(Walk& walk, size_t n_stage);

  // Calls f(chunk, thread) once for each chunk in [0, n_chunk); returns when all are done. f must not throw. A single chunk is
  // the caller's: sooner done than shared.
  template <typename F>
  void run(size_t n_chunk, const F& f) {
    for (; n_chunk > kMaxChunks; n_chunk -= kMaxChunks) {  // from the end
      const size_t first = n_chunk - kMaxChunks;
      run_few(kMaxChunks, [&](size_t chunk, size_t thread) { f(first + chunk, thread); });
    }
    run_few(n_chunk, f);
  }

  // Chunks that a stage with a context may have. Before the first walk with such a stage.
  void reserve_redo(size_t n_chunk);
  // Returns when no thread is in stage `serial` or an earlier one. From prepare, or between walks.
  void wait_left(Serial serial) const;
  Serial last_serial() const { return next_serial_ - 1; }

 private:
  template <typename F>
  void run_few(size_t n_chunk, const F& f) {
    if (n_chunk == 1) return f(0, 0);
    struct Single final : Walk {
      Single(size_t n, const F& g) : n_chunk(n), call(g) {}
      Stage prepare(size_t, Serial) override { return {n_chunk, nullptr}; }
      void compute(size_t, const void*, size_t chunk, size_t thread) override { call(chunk, thread); }
      size_t n_chunk;
      const F& call;
    } single(n_chunk, f);
    walk(single, 1);
  }

  // What is left of one thread's range: serial | next | end, so that a claim is one exchange and a claim that
  // comes a stage too late fails.
  struct alignas(64) Queue {
    std::atomic<uint64_t> left{0};
  };
  struct alignas(64) Position {
    std::atomic<Serial> at{UINT64_MAX};  // the stage a thread is in; the maximum: none
  };
  // One of a few places where stages live in turn. Every word carries the stage's serial, which only rises, so
  // a thread that wakes in a later stage's time fails at its first exchange.
  struct alignas(64) Control {
    std::atomic<uint64_t> prepared{0};   // 2 * serial: being prepared; 2 * serial + 1: prepared
    std::atomic<uint64_t> n_chunk{0};    // serial | n
    std::atomic<const void*> context{nullptr};
    std::vector<Queue> queues;
    // Of each chunk, with a context. 2 * serial: its result is found; 2 * serial + 1: and published. Who waits looks
    // through them, which costs less than a count that every thread takes from.
    std::vector<std::atomic<uint64_t>> published;
    alignas(64) std::atomic<uint64_t> unfinished{0};  // serial | chunks, without a context
  };
  struct Job {
    Control& control;
    Walk& walk;
    size_t stage;
    Serial serial;
    const void* context;
    size_t n_chunk, thread;
  };

  void work(size_t thread);
  void stop();
  void pass(Walk& walk, Serial first, size_t n_stage, size_t thread);
  void run_stage(Walk& walk, size_t stage, Serial serial, size_t thread);
  bool enter(Control& control, Walk& walk, size_t stage, Serial serial);
  bool claim(const Job& job, size_t queue, size_t& chunk);
  void do_chunk(const Job& job, size_t chunk);
  bool finished(const Job& job, size_t& first) const;
  bool redo_one(const Job& job);
  void walk_alone(Walk& walk, Serial first, size_t n_stage);

  std::vector<Position> positions_;
  std::vector<Control> controls_;
  Serial next_serial_ = 1;
  // The walk under way, for threads that join it; odd: being written.
  std::atomic<uint32_t> version_{0};
  std::atomic<Walk*> walk_{nullptr};
  std::atomic<Serial> first_{0};
  std::atomic<size_t> n_stage_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace rwkv
