#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <system_error>

#include "base/error.h"

namespace rwkv {
namespace {

constexpr unsigned kBits = 20;
constexpr uint64_t kMask = (uint64_t{1} << kBits) - 1;
constexpr uint64_t kSerialMask = (uint64_t{1} << (64 - 2 * kBits)) - 1;  // of a queue's word
constexpr size_t kControls = 4;
// About 50 microseconds: longer than the gaps between walks, shorter than anybody notices.
constexpr int kIdleSpins = 2000;
// About 40 microseconds, more than a usual chunk: who has waited longer does the straggler's chunk again.
constexpr int kStageSpins = 1600;
// About 100 microseconds: who yields beside a busy neighbour is without its core for milliseconds.
constexpr int kYieldSpins = 4000;

// Where the chunks begin that thread i of n takes first; of i == n: their end.
constexpr uint64_t first_chunk(size_t n_chunk, size_t i, size_t n) { return n_chunk * i / n; }
constexpr uint64_t keyed(uint64_t serial, uint64_t count) { return serial << kBits | count; }

void pause_cpu() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The first line's "quota period" of cgroup v2, in cores; 0: no limit.
size_t cgroup_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  const double microseconds = std::strtod(quota.c_str(), nullptr);
  return std::max<size_t>(1, static_cast<size_t>(microseconds / period + 0.5));
}

// Spins a while, then lets others run.
void wait_a_little(int turn) noexcept {
  if (turn < kYieldSpins) pause_cpu();
  else std::this_thread::yield();
}

}  // namespace

size_t default_thread_count() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  std::set<std::string> cores;  // by their list of sibling threads
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &set)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                       "/topology/thread_siblings_list");
    std::string siblings;
    if (!(file >> siblings)) siblings = std::to_string(cpu);
    cores.insert(siblings);
  }
  const size_t quota = cgroup_cores();
  const size_t count = std::max<size_t>(1, cores.size());
  return quota ? std::min(count, quota) : count;
}

ThreadPool::ThreadPool(size_t n_thread, void (*on_start)())
    : positions_(std::max<size_t>(1, n_thread)), controls_(kControls) {
  for (Control& control : controls_) control.queues = std::vector<Queue>(size());
  workers_.reserve(size());
  try {
    for (size_t i = 1; i < size(); ++i)
      workers_.emplace_back([this, i, on_start] {
        if (on_start) on_start();
        work(i);
      });
  } catch (const std::system_error& error) {
    stop();
    throw Error(Code::kMemory, "{} threads: the system starts no more than {} ({})", size(), workers_.size() + 1,
                error.what());
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  stop_.store(true);
  version_.fetch_add(2);
  version_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::reserve_redo(size_t n_chunk) {
  wait_left(last_serial());
  for (Control& control : controls_)
    if (control.published.size() < n_chunk) control.published = std::vector<std::atomic<uint64_t>>(n_chunk);
}

void ThreadPool::wait_left(Serial serial) const {
  for (const Position& position : positions_)
    for (int turn = 0; position.at.load() <= serial; ++turn) wait_a_little(turn);
}

void ThreadPool::walk(Walk& walk, size_t n_stage) {
  const Serial first = next_serial_;
  next_serial_ += n_stage;
  if (size() == 1) return walk_alone(walk, first, n_stage);
  version_.fetch_add(1);
  walk_.store(&walk);
  first_.store(first);
  n_stage_.store(n_stage);
  version_.fetch_add(1);
  version_.notify_all();
  pass(walk, first, n_stage, 0);
}

void ThreadPool::walk_alone(Walk& walk, Serial first, size_t n_stage) {
  for (size_t i = 0; i < n_stage; ++i) {
    const Stage stage = walk.prepare(i, first + i);
    for (size_t chunk = 0; chunk < stage.n_chunk; ++chunk) {
      walk.compute(i, stage.context, chunk, 0);
      walk.publish(i, stage.context, chunk, 0);
    }
  }
}

void ThreadPool::work(size_t thread) {
  uint32_t seen = 0;
  for (;;) {
    for (int i = 0; i < kIdleSpins && version_.load() == seen; ++i) pause_cpu();
    version_.wait(seen);
    if (stop_.load()) return;
    const uint32_t version = version_.load();
    Walk* const walk = walk_.load();
    const Serial first = first_.load();
    const size_t n_stage = n_stage_.load();
    if (version % 2 != 0 || version_.load() != version) continue;
    seen = version;
    pass(*walk, first, n_stage, thread);
  }
}

// A thread says where it is before it looks whether the stage still runs, and contexts are overwritten only
// after looking where threads are: with sequentially consistent atomics one of the two sees the other.
void ThreadPool::pass(Walk& walk, Serial first, size_t n_stage, size_t thread) {
  for (size_t i = 0; i < n_stage; ++i) {
    positions_[thread].at.store(first + i);
    run_stage(walk, i, first + i, thread);
  }
  positions_[thread].at.store(UINT64_MAX);
}

// Returns when the stage is finished, at once where that was long ago.
void ThreadPool::run_stage(Walk& walk, size_t stage, Serial serial, size_t thread) {
  Control& control = controls_[serial % kControls];
  if (!enter(control, walk, stage, serial)) return;
  const void* const context = control.context.load();
  const size_t n_chunk = control.n_chunk.load() & kMask;
  if (control.prepared.load() != 2 * serial + 1) return;  // those were a later stage's
  const Job job{control, walk, stage, serial, context, n_chunk, thread};
  size_t chunk = 0;
  for (size_t i = 0; i < size(); ++i)
    while (claim(job, (thread + i) % size(), chunk)) do_chunk(job, chunk);
  size_t first = 0;
  for (int turn = 0; !finished(job, first); ++turn)
    if (turn < kStageSpins || !context || !redo_one(job)) wait_a_little(turn);
}

// Chunks before `first` are known to be published.
bool ThreadPool::finished(const Job& job, size_t& first) const {
  if (!job.context) {
    const uint64_t unfinished = job.control.unfinished.load();
    return unfinished >> kBits != job.serial || (unfinished & kMask) == 0;
  }
  while (first < job.n_chunk && job.control.published[first].load() > 2 * job.serial) ++first;
  return first == job.n_chunk;
}

// Prepares the stage, or waits until another has. False: a later stage has taken its place.
bool ThreadPool::enter(Control& control, Walk& walk, size_t stage, Serial serial) {
  uint64_t prepared = control.prepared.load();
  for (int turn = 0;; ++turn) {
    if (prepared > 2 * serial) return prepared == 2 * serial + 1;
    if (prepared == 2 * serial) {
      wait_a_little(turn);
      prepared = control.prepared.load();
    } else if (control.prepared.compare_exchange_weak(prepared, 2 * serial)) {
      const Stage made = walk.prepare(stage, serial);
      control.context.store(made.context);
      control.n_chunk.store(keyed(serial, made.n_chunk));
      for (size_t i = 0; i < size(); ++i) {
        const uint64_t begin = first_chunk(made.n_chunk, i, size()), end = first_chunk(made.n_chunk, i + 1, size());
        control.queues[i].left.store((serial & kSerialMask) << 2 * kBits | begin << kBits | end);
      }
      control.unfinished.store(keyed(serial, made.n_chunk));
      control.prepared.store(2 * serial + 1);
      return true;
    }
  }
}

bool ThreadPool::claim(const Job& job, size_t queue, size_t& chunk) {
  std::atomic<uint64_t>& left = job.control.queues[queue].left;
  uint64_t seen = left.load();
  for (;;) {
    const uint64_t next = seen >> kBits & kMask;
    if (seen >> 2 * kBits != (job.serial & kSerialMask) || next >= (seen & kMask)) return false;
    if (left.compare_exchange_weak(seen, seen + (uint64_t{1} << kBits))) {
      chunk = next;
      return true;
    }
  }
}

void ThreadPool::do_chunk(const Job& job, size_t chunk) {
  job.walk.compute(job.stage, job.context, chunk, job.thread);
  if (!job.context) {
    job.walk.publish(job.stage, job.context, chunk, job.thread);
    job.control.unfinished.fetch_sub(1);
    return;
  }
  const uint64_t found = 2 * job.serial;
  std::atomic<uint64_t>& published = job.control.published[chunk];
  uint64_t seen = published.load();
  while (seen < found && !published.compare_exchange_weak(seen, found)) {
  }
  if (seen >= found) return;  // another was first
  job.walk.publish(job.stage, job.context, chunk, job.thread);
  published.store(found + 1, std::memory_order_release);  // not a barrier: the next chunk's loads go on
}

// Does a chunk that another has not finished; false when there is none.
bool ThreadPool::redo_one(const Job& job) {
  for (size_t i = 0; i < job.n_chunk; ++i) {
    const size_t chunk = (i + job.thread * job.n_chunk / size()) % job.n_chunk;
    if (job.control.published[chunk].load() >= 2 * job.serial) continue;
    do_chunk(job, chunk);
    return true;
  }
  return false;
}

}  // namespace rwkv
