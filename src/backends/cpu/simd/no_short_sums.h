// What avx2.h has instead: no sums of 16 bits, nor weights made plain for them. Included inside a namespace.
constexpr size_t short_steps(int, bool) { return 0; }
template <class Sums, class Weights>
Sums short_dot(Sums, Weights, const uint8_t*);
template <class Sums>
Sums widen(Sums);
constexpr bool kUsesPlain = false;  // linear_plain.inl.h has only been measured on AVX2
