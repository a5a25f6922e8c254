#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace rwkv {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kMapped = size_t{1} << 20;  // from here on pages of our own, which may be huge
constexpr size_t kArena = size_t{1} << 28;   // untouched pages cost nothing

}  // namespace

AlignedBuffer::AlignedBuffer(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  if (bytes < kMapped) {
    data_ = static_cast<std::byte*>(::operator new(bytes, std::align_val_t(kLine)));
    std::memset(data_, 0, bytes);
    return;
  }
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  ::madvise(at, bytes, MADV_HUGEPAGE);
  data_ = static_cast<std::byte*>(at);
}

AlignedBuffer::~AlignedBuffer() {
  if (!data_) return;
  if (size_ < kMapped) ::operator delete(data_, std::align_val_t(kLine));
  else ::munmap(data_, size_);
}

std::byte* Arena::allocate(size_t bytes) {
  bytes = (bytes + kLine - 1) / kLine * kLine;
  if (buffers_.empty() || buffers_.back().size() - used_ < bytes) {
    buffers_.emplace_back(std::max(bytes, kArena));
    used_ = 0;
  }
  used_ += bytes;
  return buffers_.back().data() + used_ - bytes;
}

}  // namespace rwkv
