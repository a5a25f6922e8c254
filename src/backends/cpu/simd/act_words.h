// Activations of a block of 32 as i16, whatever their width. Included inside a namespace.
constexpr size_t act_planes(bool) { return 1; }
constexpr size_t act_bytes(bool) { return 64; }
constexpr size_t act_step(bool) { return 8; }  // bytes of four k
constexpr size_t kActPlane = 0;
inline void store_act(uint8_t* out, const int32_t* a, bool) {
  for (size_t i = 0; i < 32; ++i) {
    const int16_t narrow = static_cast<int16_t>(a[i]);
    memcpy(out + 2 * i, &narrow, 2);
  }
}
#include "backends/cpu/simd/no_short_sums.h"
