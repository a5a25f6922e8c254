// What `rwkv bench` measured, and its table as Markdown, CSV or JSON. bench_plot.h draws the same
// rows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace command {

struct BenchRow {
  std::string model;   // name of the file: see shown_name
  std::string device;  // with its kernel table: "cpu (avx512, 2 threads)"
  uint32_t threads;
  std::string test;        // "pp512", "tg64"
  const char* bound;       // "bandwidth", "arithmetic" or "fair share"
  size_t batch;            // sequences at once
  double bytes_per_token;  // of weights, that one token of one sequence reads
  std::vector<double> tokens_per_s = {},
                      bound_tokens_per_s = {};  // [repetitions], measured in pairs

  std::vector<double> shares() const;  // [repetitions] tokens_per_s / bound_tokens_per_s
  double gb_per_s() const;             // of weights, at the median rate
};

double median(std::vector<double> values);  // of one or more

// The last part of a path, where what would break a table, JSON or XML becomes "_".
std::string shown_name(std::string_view path);

// `format` is "md", "csv" or "json" (an object a line). The head line comes with `first` only.
void print_rows(const std::vector<BenchRow>& rows, const std::string& format, bool first);

}  // namespace command
