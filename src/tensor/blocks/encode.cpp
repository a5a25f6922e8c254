// From an encoder's name to the form of it that this processor runs fastest.
#include "tensor/blocks/encoders.h"

namespace rwkv::blocks {
namespace {

const Encoders& encoders() noexcept {
  static const Encoders& fastest = encoders_of_eight() ? *encoders_of_eight() : encoders_of_four();
  return fastest;
}

}  // namespace

void decode_f16(const Byte* in, size_t n_block, float* out) noexcept { encoders().from_f16(in, n_block, out); }

void encode_q4_0(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().q4_0(in, n_block, importance, out);
}
void encode_q4_1(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().q4_1(in, n_block, importance, out);
}
void encode_q5_0(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().q5_0(in, n_block, importance, out);
}
void encode_q5_1(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().q5_1(in, n_block, importance, out);
}
void encode_q8_0(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().q8_0(in, n_block, importance, out);
}
void encode_q2_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().q2_k(in, n_block, importance, out);
}
void encode_q3_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().q3_k(in, n_block, importance, out);
}
void encode_q4_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().q4_k(in, n_block, importance, out);
}
void encode_q5_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().q5_k(in, n_block, importance, out);
}
void encode_q6_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().q6_k(in, n_block, importance, out);
}
void encode_iq4_nl(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().iq4_nl(in, n_block, importance, out);
}
void encode_iq4_xs(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encoders().iq4_xs(in, n_block, importance, out);
}

}  // namespace rwkv::blocks
