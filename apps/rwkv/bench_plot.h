// rwkv bench --plot: rows as an SVG picture, each a bar from nothing to its bound.
#pragma once

#include <string>
#include <vector>

#include "bench_report.h"

namespace command {

std::string bench_svg(const std::vector<BenchRow>& rows);

}  // namespace command
