// rwkv bench --plot: rows as an SVG picture, each a bar from nothing to its bound.
#pragma once

#include <string>
#include <vector>

#include "bench_report.h"

namespace command {

std::string bench_svg(const std::vector<BenchRow>& rows);

// Throws Failure. To be called before the minutes of measuring.
void check_plot_path(const std::string& path);
// Writes all of the file or, on Failure, leaves what was there.
void write_plot(const std::string& path, const std::vector<BenchRow>& rows);

}  // namespace command
