#include "ranges.h"

#include <algorithm>

namespace command {

void RangeSet::add(Range range) {
  if (range.begin >= range.end) return;
  std::vector<Range> out;
  bool placed = false;
  for (const Range& r : ranges_) {
    if (r.end < range.begin) {
      out.push_back(r);
    } else if (r.begin > range.end) {
      if (!placed) out.push_back(range);
      placed = true;
      out.push_back(r);
    } else {
      range = {std::min(r.begin, range.begin), std::max(r.end, range.end)};
    }
  }
  if (!placed) out.push_back(range);
  ranges_ = std::move(out);
}

uint64_t RangeSet::total() const {
  uint64_t n = 0;
  for (const Range& r : ranges_) n += r.size();
  return n;
}

std::vector<Range> RangeSet::missing(uint64_t size, uint64_t piece) const {
  std::vector<Range> out;
  uint64_t at = 0;
  const auto fill = [&](uint64_t end) {
    for (; at < end; at = std::min(at + piece, end)) out.push_back({at, std::min(at + piece, end)});
  };
  for (const Range& r : ranges_) {
    fill(std::min(r.begin, size));
    at = std::max(at, r.end);
  }
  fill(size);
  return out;
}

}  // namespace command
