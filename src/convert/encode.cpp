#include "convert/encode.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"

namespace rwkv {
namespace {

constexpr size_t kCopyBytes = size_t{8} << 20;
constexpr size_t kPieceValues = size_t{1} << 17;  // of one thread at a time: half a megabyte of f32
constexpr float kLargestF16 = 65504, kRoundsPastF16 = 65520;

// Finite values that the type would round to infinity become its largest; how many.
size_t clip(DType type, std::span<float> values) {
  if (type != DType::kF16) return 0;
  size_t n = 0;
  for (float& x : values)
    if (std::abs(x) >= kRoundsPastF16 && std::isfinite(x)) {
      x = std::copysign(kLargestF16, x);
      ++n;
    }
  return n;
}

bool all_finite(std::span<const float> values) {
  uint32_t largest = 0;  // of the bits without the sign: infinities and NaN are above all numbers
  for (const float x : values) largest = std::max(largest, std::bit_cast<uint32_t>(x) & 0x7fffffffu);
  return largest < 0x7f800000u;
}

void decode_entry(const Weights::Entry& entry, size_t begin, std::span<float> out) {
  const DTypeInfo& type = info(entry.dtype);
  type.decode(entry.bytes.data() + begin / type.block_values * type.block_bytes,
              out.size() / type.block_values, out.data());
}

// [.., rows, cols] -> [.., cols, rows]
std::vector<float> transposed(const std::vector<float>& in, size_t rows, size_t cols) {
  std::vector<float> out(in.size());
  for (size_t at = 0; at < in.size(); at += rows * cols)
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = 0; c < cols; ++c) out[at + c * rows + r] = in[at + r * cols + c];
  return out;
}

}  // namespace

void Encoder::not_finite(const OutTensor& tensor) const {
  throw Error(Code::kFormat, "{}: tensor {} holds a value that is not finite, which {} cannot hold",
              weights_.file().path(), weights_.at(tensor.from.front()).source,
              name(tensor.spec.dtype));
}

void Encoder::encode(const OutTensor& t, const ByteSink& sink) {
  const Weights::Entry& entry = weights_.at(t.from.front());
  const RowPatch* patch = hooks_.patch ? hooks_.patch(t.from.front()) : nullptr;
  const bool plain = t.from.size() == 1 && t.transform == Transform::kSame;
  if (plain && !t.map && t.scale == 1 && !patch && entry.dtype == t.spec.dtype)
    return copy(t, sink);
  if (!info(t.spec.dtype).encode)
    throw Error(Code::kUnsupported, "tensor {}: type {} cannot be written, only copied",
                t.spec.name, name(t.spec.dtype));
  const size_t unit = std::max(info(entry.dtype).block_values, info(t.spec.dtype).block_values);
  const bool same_rows = !entry.shape.empty() && entry.shape.back() == t.spec.shape.back();
  if (plain && (same_rows || unit == 1)) return encode_rows(t, sink);
  encode_whole(t, sink);
}

void Encoder::copy(const OutTensor& t, const ByteSink& sink) {
  const auto bytes = weights_.at(t.from.front()).bytes;
  for (size_t at = 0; at < bytes.size(); at += kCopyBytes) {
    const auto part = bytes.subspan(at, std::min(kCopyBytes, bytes.size() - at));
    sink(part);
    weights_.file().drop(part);
  }
}

// In a worker thread, out of which no exception may come.
void Encoder::write(std::span<const std::byte> bytes, const ByteSink& sink, std::exception_ptr& failure) {
  try {
    if (!bytes.empty()) sink(bytes);
  } catch (...) {
    failure = std::current_exception();
  }
}

void Encoder::encode_rows(const OutTensor& t, const ByteSink& sink) {
  const Weights::Entry& entry = weights_.at(t.from.front());
  const RowPatch* patch = hooks_.patch ? hooks_.patch(t.from.front()) : nullptr;
  const size_t width = entry.shape.empty() ? 1 : entry.shape.back(),
               n_row = count_of(entry.shape) / width;
  const size_t rows_per_piece = std::max<size_t>(1, kPieceValues / width);
  const size_t out_bytes = bytes_of(t.spec.dtype, width), in_bytes = bytes_of(entry.dtype, width);
  const size_t batch = rows_per_piece * pool_.size() * 4;
  std::vector<std::vector<float>> values(pool_.size(), std::vector<float>(rows_per_piece * width));
  std::vector<std::byte> out[2];  // one is written by some thread while the other is filled
  for (std::vector<std::byte>& bytes : out) bytes.resize(std::min(batch, n_row) * out_bytes);
  std::span<const std::byte> ready;
  std::exception_ptr failure;  // of the sink
  bad_ = false;
  for (size_t first = 0, turn = 0; first < n_row; first += batch, turn ^= 1) {
    const size_t rows = std::min(batch, n_row - first);
    pool_.run(1 + (rows + rows_per_piece - 1) / rows_per_piece, [&](size_t piece, size_t thread) {
      if (piece == 0) return write(ready, sink, failure);
      const size_t begin = (piece - 1) * rows_per_piece, n = std::min(rows_per_piece, rows - begin);
      const std::span<float> part(values[thread].data(), n * width);
      decode_entry(entry, (first + begin) * width, part);
      if (patch) patch->apply(first + begin, n, part);
      encode_values(t, part, {out[turn].data() + begin * out_bytes, n * out_bytes});
    });
    if (failure) std::rethrow_exception(failure);
    if (bad_) not_finite(t);
    ready = {out[turn].data(), rows * out_bytes};
    weights_.file().drop(entry.bytes.subspan(first * in_bytes, rows * in_bytes));
  }
  sink(ready);
}

// Small tensors that are stacked, transposed or reshaped.
void Encoder::encode_whole(const OutTensor& t, const ByteSink& sink) {
  std::vector<float> values;
  for (const std::string& name : t.from) {
    const Weights::Entry& entry = weights_.at(name);
    const size_t begin = values.size(), count = count_of(entry.shape);
    values.resize(begin + count);
    decode_entry(entry, 0, {values.data() + begin, count});
    if (const RowPatch* patch = hooks_.patch ? hooks_.patch(name) : nullptr)
      patch->apply(0, count / entry.shape.back(), {values.data() + begin, count});
  }
  if (t.transform == Transform::kTransposeRkvwg) {  // w k v r g back to r k v w g
    const size_t piece = values.size() / 5;
    std::swap_ranges(values.begin(), values.begin() + static_cast<ptrdiff_t>(piece),
                     values.begin() + static_cast<ptrdiff_t>(3 * piece));
  }
  if (t.transform != Transform::kSame) {
    const Shape& shape = weights_.at(t.from.front()).shape;
    values = transposed(values, shape[shape.size() - 2], shape.back());
  }
  std::vector<std::byte> out(t.spec.bytes());
  bad_ = false;
  encode_values(t, values, out);
  if (bad_) not_finite(t);
  sink(out);
}

void Encoder::encode_values(const OutTensor& t, std::span<float> values, std::span<std::byte> out) {
  if (t.map)
    for (float& x : values) x = t.map(x);
  if (t.scale != 1)
    for (float& x : values) x *= t.scale;
  const DTypeInfo& type = info(t.spec.dtype);
  if (type.block_values == 1) {
    if (const size_t n = clip(type.dtype, values)) n_clipped_ += n;
    return type.encode(values.data(), values.size(), nullptr, out.data());
  }
  if (!all_finite(values)) {
    bad_ = true;
    return;
  }
  const auto importance =
      hooks_.importance ? hooks_.importance(t.gguf_name) : std::span<const float>();
  const size_t width = t.spec.shape.back();
  if (importance.size() != width)
    return type.encode(values.data(), values.size() / type.block_values, nullptr, out.data());
  const size_t row_bytes = bytes_of(type.dtype, width);
  for (size_t row = 0; row * width < values.size(); ++row)
    type.encode(values.data() + row * width, width / type.block_values, importance.data(),
                out.data() + row * row_bytes);
}

}  // namespace rwkv
