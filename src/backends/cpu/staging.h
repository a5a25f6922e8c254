// A ring of bytes for the inputs of linear stages: a thread that was put to sleep in a stage may still read
// them when the others are stages ahead, so bytes are handed out again only when no thread can be there.
#pragma once

#include <algorithm>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"

namespace rwkv::cpu {

class Staging {
 public:
  // Room for at least two allocations of `largest` bytes. Not during a walk.
  void reserve(size_t largest, const ThreadPool& pool) {
    if (2 * largest <= buffer_.size()) return;
    pool.wait_left(pool.last_serial());
    in_use_.clear();
    oldest_ = head_ = 0;
    const size_t size = std::max(kUsualBytes, 2 * largest);
    in_use_.reserve(kForgotten + size / kLeast + 1);  // so that `allocate` takes no memory
    buffer_ = AlignedBuffer(size);
  }

  // `bytes` (a multiple of 64, at least kLeast) for stage `serial`; called in rising order of serials.
  std::byte* allocate(size_t bytes, ThreadPool::Serial serial, const ThreadPool& pool) {
    if (head_ + bytes > buffer_.size()) {  // what lies behind the head is older than what lies at the start
      while (oldest_ < in_use_.size() && in_use_[oldest_].begin >= head_) release_oldest(pool);
      head_ = 0;
    }
    while (oldest_ < in_use_.size() && in_use_[oldest_].begin >= head_ && in_use_[oldest_].begin < head_ + bytes)
      release_oldest(pool);
    if (oldest_ >= kForgotten) {
      in_use_.erase(in_use_.begin(), in_use_.begin() + static_cast<ptrdiff_t>(oldest_));
      oldest_ = 0;
    }
    in_use_.push_back({head_, serial});
    std::byte* out = buffer_.data() + head_;
    head_ += bytes;
    return out;
  }

 private:
  static constexpr size_t kUsualBytes = size_t{4} << 20;  // some 10 ms of decoding: as long as threads sleep
  static constexpr size_t kLeast = 128;
  static constexpr size_t kForgotten = 256;  // pieces released before the list is cut
  struct Piece {
    size_t begin;
    ThreadPool::Serial serial;
  };
  void release_oldest(const ThreadPool& pool) { pool.wait_left(in_use_[oldest_++].serial); }

  AlignedBuffer buffer_;
  std::vector<Piece> in_use_;  // from oldest_ on, in the order of allocation
  size_t oldest_ = 0, head_ = 0;
};

}  // namespace rwkv::cpu
