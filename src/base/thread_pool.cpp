#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

namespace rwkv {
namespace {

constexpr unsigned kBits = 20;
constexpr uint64_t kMask = (uint64_t{1} << kBits) - 1;
// About 50 microseconds: longer than the gaps between the ops of a step, shorter than anybody notices.
constexpr int kSpins = 2000;

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
  return std::max<size_t>(1, static_cast<size_t>(std::stod(quota) / period + 0.5));
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
    : queues_(std::max<size_t>(1, n_thread)) {
  for (size_t i = 1; i < queues_.size(); ++i)
    workers_.emplace_back([this, i, on_start] {
      if (on_start) on_start();
      work(i);
    });
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool ThreadPool::claim(size_t queue, size_t& chunk) {
  std::atomic<uint64_t>& left = queues_[queue].left;
  uint64_t seen = left.load(std::memory_order_acquire);
  for (;;) {
    const uint64_t next = seen >> kBits & kMask;
    if (next >= (seen & kMask)) return false;
    if (left.compare_exchange_weak(seen, seen + (uint64_t{1} << kBits), std::memory_order_acq_rel)) {
      chunk = next;
      return true;
    }
  }
}

void ThreadPool::take_all(size_t thread) {
  size_t chunk = 0;
  for (size_t i = 0; i < queues_.size(); ++i)
    while (claim((thread + i) % queues_.size(), chunk)) {
      call_(context_, chunk, thread);
      done_.fetch_add(1, std::memory_order_acq_rel);
    }
}

void ThreadPool::work(size_t thread) {
  uint32_t seen = 0;
  for (;;) {
    for (int i = 0; i < kSpins && generation_.load(std::memory_order_acquire) == seen; ++i) pause_cpu();
    generation_.wait(seen, std::memory_order_acquire);
    seen = generation_.load(std::memory_order_acquire);
    if (stop_.load()) return;
    take_all(thread);
  }
}

void ThreadPool::run_erased(size_t n_chunk, const void* context, Call call) {
  if (n_chunk <= 1 || queues_.size() == 1) {
    for (size_t chunk = 0; chunk < n_chunk; ++chunk) call(context, chunk, 0);
    return;
  }
  context_ = context;
  call_ = call;
  done_.store(0, std::memory_order_relaxed);
  const uint64_t generation = generation_.load(std::memory_order_relaxed) + 1;
  const size_t n = queues_.size();
  for (size_t i = 0; i < n; ++i) {
    const uint64_t begin = n_chunk * i / n, end = n_chunk * (i + 1) / n;
    queues_[i].left.store(generation << 2 * kBits | begin << kBits | end, std::memory_order_release);
  }
  generation_.store(static_cast<uint32_t>(generation), std::memory_order_release);
  generation_.notify_all();
  take_all(0);
  for (int i = 0; done_.load(std::memory_order_acquire) != n_chunk; ++i) {
    if (i < kSpins) pause_cpu();
    else std::this_thread::yield();
  }
}

}  // namespace rwkv
