// Parts of a vector, for loops whose sums of whole vectors would not fit the registers: here they do, and a part is the
// whole. Included inside a namespace, after one of the files beside it.
using WPart = WVec;
using IPart = IVec;
constexpr size_t kParts = 1, kPartBytes = 64;
inline WPart load_part(const uint8_t* p) { return load_w(p); }
inline void store_part(uint8_t* p, WPart a) { store_w(p, a); }
inline IPart zero_part() { return iset1(0); }
inline void set_part(IVec& whole, size_t, IPart part) { whole = part; }
