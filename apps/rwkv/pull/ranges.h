// Which bytes of a file are there: disjoint half-open ranges in rising order.
#pragma once

#include <cstdint>
#include <vector>

namespace command {

struct Range {
  uint64_t begin, end;  // [begin, end)
  uint64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

class RangeSet {
 public:
  void add(Range range);  // touching and overlapping ranges become one
  const std::vector<Range>& ranges() const { return ranges_; }
  uint64_t total() const;
  // What is missing of [0, size), cut into pieces of at most `piece` bytes.
  std::vector<Range> missing(uint64_t size, uint64_t piece) const;

 private:
  std::vector<Range> ranges_;
};

}  // namespace command
