// The codebooks of IQ1, IQ2 and IQ3: each entry is a group of values, packed into 16 bits, value j lowest
// first.
#pragma once

#include <cstdint>

namespace rwkv::blocks {

extern const uint16_t kIq2Xxs[256], kIq2Xs[512], kIq2S[1024];  // 8 values of 2 bits: 0..2 = 8, 25, 43
extern const uint16_t kIq3Xxs[256];  // 4 values of 3 bits: 0..7 = 4, 12, 20, 28, 36, 44, 52, 62
extern const uint16_t kIq3S[512];    // 4 values of 3 bits: v = 2 v + 1
extern const uint16_t kIq1[2048];    // 8 values of 2 bits: 0..2 = -1, 0, 1

}  // namespace rwkv::blocks
