// What avx2.h and linear_short.inl.h have instead: no sums of 16 bits, nor weights unpacked for them. Included inside a namespace.
constexpr size_t short_steps(int, bool) { return 0; }
template <class Sums, class Weights>
Sums short_dot(Sums, Weights, const uint8_t*);
template <class Sums>
Sums widen(Sums);
constexpr size_t biased_steps(int32_t) { return 0; }
constexpr ActGroups kActGroups{};
inline void put_in_group(uint8_t*, size_t, const int32_t*, float, int32_t, int32_t) {}
template <int32_t, int32_t, bool, bool>
struct ShortPanel;
template <class Panel>
void short_rows(const LinearArgs&);
