// The bytes of the output's tensors, made one after another with all threads and in pieces of a few
// megabytes: copied where nothing changes, else decoded, changed and encoded. Mapped pages are
// dropped behind the way.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/thread_pool.h"
#include "convert/layout.h"

namespace rwkv {

// Changes rows of a weight before they are encoded (LoRA): `values` are `n_row` rows from
// `first_row` on, of the canonical matrix. Called from several threads.
class RowPatch {
 public:
  virtual ~RowPatch() = default;
  virtual void apply(size_t first_row, size_t n_row, std::span<float> values) const = 0;
};

struct EncodeHooks {
  // Null: the weight stays as it is.
  std::function<const RowPatch*(const std::string& canonical)> patch;
  // How much an error of each value of a row counts, [cols]; empty: all the same.
  std::function<std::span<const float>(const std::string& gguf_name)> importance;
};

class Encoder {
 public:
  Encoder(const Weights& weights, size_t n_thread, EncodeHooks hooks = {})
      : weights_(weights), pool_(n_thread), hooks_(std::move(hooks)) {}

  // Error{kFormat} naming the tensor when a value that must be encoded is not finite.
  void encode(const OutTensor& tensor, const ByteSink& sink);
  // Values that were too large for the type and became its largest.
  size_t n_clipped() const { return n_clipped_; }

 private:
  void copy(const OutTensor& tensor, const ByteSink& sink);
  static void write(std::span<const std::byte> bytes, const ByteSink& sink, std::exception_ptr& failure);
  void encode_rows(const OutTensor& tensor, const ByteSink& sink);
  void encode_whole(const OutTensor& tensor, const ByteSink& sink);
  void encode_values(const OutTensor& tensor, std::span<float> values, std::span<std::byte> out);
  [[noreturn]] void not_finite(const OutTensor& tensor) const;

  const Weights& weights_;
  ThreadPool pool_;
  EncodeHooks hooks_;
  std::atomic<size_t> n_clipped_{0};
  std::atomic<bool> bad_{false};
};

}  // namespace rwkv
