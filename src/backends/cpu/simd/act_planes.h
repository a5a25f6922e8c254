// Activations of a block of 32 as signed bytes, for instructions that multiply bytes: 8 bits as they are, 16 bits as two
// planes a = 256 * high + low. Included inside a namespace, after one of the files beside it.
constexpr size_t act_planes(bool wide) { return wide ? 2 : 1; }
constexpr size_t act_bytes(bool wide) { return wide ? 64 : 32; }
constexpr size_t act_step(bool) { return 4; }  // bytes of four k in a plane
constexpr size_t kActPlane = 32;
inline void store_act(uint8_t* out, const int32_t* a, bool wide) {
  if (!wide) return store_bytes(out, a, 0, 0);
  store_bytes(out, a, 128, 8);
  store_bytes(out + kActPlane, a, 0, 0);  // a - 256 * high ends in the same byte
}
#include "backends/cpu/simd/no_short_sums.h"
