// All encoders, for a unit that has said kWidth and its namespace, and has a from_f16.
#include "tensor/blocks/lanes.inl.h"

#include "tensor/blocks/fit.inl.h"

#include "tensor/blocks/super.inl.h"

#include "tensor/blocks/super_lines.inl.h"

#include "tensor/blocks/encode_legacy.inl.h"

#include "tensor/blocks/encode_iq4.inl.h"
#include "tensor/blocks/encode_k_lines.inl.h"
#include "tensor/blocks/encode_k_scales.inl.h"

constexpr Encoders kEncoders = {encode_q4_0, encode_q4_1, encode_q5_0, encode_q5_1, encode_q8_0,   encode_q2_k,
                                encode_q3_k, encode_q4_k, encode_q5_k, encode_q6_k, encode_iq4_nl, encode_iq4_xs,
                                from_f16};
