// Activations of a block of 32 as signed bytes, for instructions that multiply bytes: 8 bits as they are, 16 bits as two
// planes a = 256 * high + low. Included inside a namespace.
constexpr size_t act_planes(bool wide) { return wide ? 2 : 1; }
constexpr size_t act_bytes(bool wide) { return wide ? 64 : 32; }
constexpr size_t act_step(bool) { return 4; }  // bytes of four k in a plane
constexpr size_t kActPlane = 32;
inline void store_act(uint8_t* out, const int32_t* a, bool wide) {
  for (size_t i = 0; i < 32; ++i) {
    const int32_t high = wide ? (a[i] + 128) >> 8 : a[i];
    out[i] = static_cast<uint8_t>(high);
    if (wide) out[32 + i] = static_cast<uint8_t>(a[i] - 256 * high);
  }
}
#include "backends/cpu/simd/no_short_sums.h"
