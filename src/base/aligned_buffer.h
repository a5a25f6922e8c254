// Zeroed memory aligned to cache lines; large buffers ask for huge pages. The one place that allocates raw.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace rwkv {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes);  // throws std::bad_alloc
  ~AlignedBuffer();
  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }

  std::byte* data() const { return data_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  size_t size() const { return size_; }

 private:
  void swap(AlignedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Hands out zeroed pieces of large buffers, so that many of them share huge pages. Nothing is given back before
// the end.
class Arena {
 public:
  std::byte* allocate(size_t bytes);  // aligned to cache lines; throws std::bad_alloc

 private:
  std::vector<AlignedBuffer> buffers_;
  size_t used_ = 0;  // of the last one
};

}  // namespace rwkv
