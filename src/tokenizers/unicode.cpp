// Classes are those of Unicode 16, NFC that of Unicode 9; scripts/make_unicode_tables.py says why.
// The tables are sorted ranges, searched by halving; ASCII never gets that far. NFC follows Unicode
// Standard Annex 15: decompose, order marks, compose. Only stretches that need it are touched: from
// a stable character (a starter that composes with nothing before it) up to the next one.
#include "tokenizers/unicode.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/utf8.h"

namespace rwkv {
namespace {

struct PointRange {
  uint32_t first, last;
};
struct ClassRange {
  uint32_t first, last;
  uint8_t combining_class;
};
struct Decomposition {
  uint32_t point, first, second;
};

#include "tokenizers/unicode_tables.inl.h"

// Hangul syllables are composed by arithmetic (Unicode 16, section 3.12).
constexpr uint32_t kHangulS = 0xac00, kHangulL = 0x1100, kHangulV = 0x1161, kHangulT = 0x11a7;
constexpr uint32_t kCountL = 19, kCountV = 21, kCountT = 28;
constexpr uint32_t kCountS = kCountL * kCountV * kCountT;

// The range that holds `point`, or null.
template <typename Range, size_t n>
const Range* find_range(const Range (&ranges)[n], uint32_t point) noexcept {
  const Range* it = std::upper_bound(ranges, ranges + n, point,
                                     [](uint32_t p, const Range& r) { return p < r.first; });
  if (it == ranges || point > (it - 1)->last) return nullptr;
  return it - 1;
}

bool is_stable(uint32_t point) noexcept { return point < 0x300 || !find_range(kUnstable, point); }

unsigned combining_class(uint32_t point) noexcept {
  const ClassRange* range = find_range(kCombining, point);
  return range ? range->combining_class : 0u;
}

void decompose(uint32_t point, std::vector<uint32_t>& out) {
  if (const uint32_t s = point - kHangulS; s < kCountS) {
    out.push_back(kHangulL + s / (kCountV * kCountT));
    out.push_back(kHangulV + s % (kCountV * kCountT) / kCountT);
    if (s % kCountT) out.push_back(kHangulT + s % kCountT);
    return;
  }
  const Decomposition* it =
      std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), point,
                       [](const Decomposition& d, uint32_t p) { return d.point < p; });
  if (it == std::end(kDecompositions) || it->point != point) {
    out.push_back(point);
    return;
  }
  decompose(it->first, out);  // at most four steps deep
  if (it->second) out.push_back(it->second);
}

// The character that `first` and `second` make, or 0.
uint32_t compose_pair(uint32_t first, uint32_t second) noexcept {
  const uint32_t l = first - kHangulL, v = second - kHangulV;
  if (l < kCountL && v < kCountV) return kHangulS + (l * kCountV + v) * kCountT;
  const uint32_t s = first - kHangulS, t = second - kHangulT;
  if (s < kCountS && s % kCountT == 0 && t - 1 < kCountT - 1) return first + t;
  const auto before = [&](uint16_t row, int) {
    const Decomposition& d = kDecompositions[row];
    return d.first != first ? d.first < first : d.second < second;
  };
  const uint16_t* it =
      std::lower_bound(std::begin(kCompositions), std::end(kCompositions), 0, before);
  if (it == std::end(kCompositions)) return 0;
  const Decomposition& d = kDecompositions[*it];
  return d.first == first && d.second == second ? d.point : 0;
}

struct Mark {
  uint32_t point;
  unsigned combining_class;
};

// Stable sort of every run of non-starters by combining class.
void order_marks(std::vector<Mark>& marks) {
  const auto by_class = [](const Mark& a, const Mark& b) {
    return a.combining_class < b.combining_class;
  };
  for (auto it = marks.begin(); it != marks.end();) {
    const auto starts = [](const Mark& m) { return m.combining_class == 0; };
    const auto run = std::find_if_not(it, marks.end(), starts);
    const auto end = std::find_if(run, marks.end(), starts);
    std::stable_sort(run, end, by_class);
    it = end;
  }
}

void compose(std::vector<Mark>& marks) {
  constexpr size_t kNone = static_cast<size_t>(-1);
  size_t starter = kNone, size = 0;
  for (const Mark mark : marks) {
    // Blocked when something between has class 0 or a class that is not lower.
    const unsigned last = size > 0 ? marks[size - 1].combining_class : 0u;
    const bool open = starter != kNone && (size == starter + 1 ||
                                           (last != 0 && last < mark.combining_class));
    if (const uint32_t made = open ? compose_pair(marks[starter].point, mark.point) : 0) {
      marks[starter].point = made;
      continue;
    }
    if (mark.combining_class == 0) starter = size;
    marks[size++] = mark;
  }
  marks.resize(size);
}

void append_nfc(std::string& out, std::string_view text) {
  std::vector<uint32_t> points;
  while (!text.empty()) {
    const Utf8Char c = next_utf8(text);
    decompose(c.point, points);
    text.remove_prefix(c.size);
  }
  std::vector<Mark> marks;
  marks.reserve(points.size());
  for (uint32_t point : points) marks.push_back({point, combining_class(point)});
  order_marks(marks);
  compose(marks);
  for (const Mark& mark : marks) append_utf8(out, mark.point);
}

}  // namespace

CharClass char_class(uint32_t point) noexcept {
  if (point < 0x80) {
    if ((point | 0x20) - 'a' < 26) return CharClass::kLetter;
    if (point - '0' < 10) return CharClass::kNumber;
    return point == ' ' || point - 9 < 5 ? CharClass::kSpace : CharClass::kOther;
  }
  if (find_range(kLetters, point)) return CharClass::kLetter;
  if (find_range(kNumbers, point)) return CharClass::kNumber;
  return find_range(kSpaces, point) ? CharClass::kSpace : CharClass::kOther;
}

std::string to_nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t base = 0;      // where the last stable character begins; all before it is in `out`
  bool dirty = false;   // something unstable follows it
  const auto flush = [&](size_t end) {
    const std::string_view part = text.substr(base, end - base);
    if (dirty) append_nfc(out, part);
    else out += part;
    base = end;
    dirty = false;
  };
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = next_utf8(text.substr(at));
    if (c.point == kInvalidPoint) {
      flush(at);
      flush(at + c.size);
    } else if (is_stable(c.point)) {
      flush(at);
    } else {
      dirty = true;
    }
    at += c.size;
  }
  flush(text.size());
  return out;
}

}  // namespace rwkv
