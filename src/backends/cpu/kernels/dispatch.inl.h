// From the pack of a matrix of blocks to its kernel.
inline void linear_by_unit(const LinearArgs& a) {
  switch (a.pack) {
    case Pack::kQ8_0: return linear_slice<Q8_0Slice>(a);
    case Pack::kQ4_0: return linear_slice<Q4_0Slice>(a);
    case Pack::kQ4_1: return linear_slice<Q4_1Slice>(a);
    case Pack::kQ5_0: return linear_slice<Q5_0Slice>(a);
    case Pack::kQ5_1: return linear_slice<Q5_1Slice>(a);
    case Pack::kQ4_K: return linear_slice<Q4_KSlice>(a);
    case Pack::kQ5_K: return linear_slice<Q5_KSlice>(a);
    case Pack::kQ6_K: return linear_slice<Q6_KSlice>(a);
    case Pack::kIQ4_NL: return linear_slice<IQ4_NLSlice>(a);
    case Pack::kIQ4_XS: return linear_slice<IQ4_XSSlice>(a);
    default: return;  // packed_slices.cpp has no other
  }
}
inline void linear_blocks(const LinearArgs& a) {
  if (a.by_unit) return linear_by_unit(a);
  switch (a.pack) {
    case Pack::kQ4_0: return linear_quant<Q4_0Panel>(a);
    case Pack::kQ4_1: return linear_quant<Q4_1Panel>(a);
    case Pack::kQ5_0: return linear_quant<Q5_0Panel>(a);
    case Pack::kQ5_1: return linear_quant<Q5_1Panel>(a);
    case Pack::kQ8_0: return linear_quant<Q8_0Panel>(a);
    case Pack::kQ2_K: return linear_quant<Q2_KPanel>(a);
    case Pack::kQ3_K: return linear_quant<Q3_KPanel>(a);
    case Pack::kQ4_K: return linear_quant<Q4_KPanel>(a);
    case Pack::kQ5_K: return linear_quant<Q5_KPanel>(a);
    case Pack::kQ6_K: return linear_quant<Q6_KPanel>(a);
    case Pack::kIQ4_NL: return linear_quant<IQ4_NLPanel>(a);
    case Pack::kIQ4_XS: return linear_quant<IQ4_XSPanel>(a);
    case Pack::kInt8: return linear_quant<Int8Panel>(a);
    case Pack::kF32:
    case Pack::kF16:
    case Pack::kBF16: return;  // linear.inl.h has them
  }
}
