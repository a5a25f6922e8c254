// What rwkv quality has found, and its forms: Markdown, JSON, SVG, HTML.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace command {

struct QualityRow {
  std::string name;          // file name, or type
  uint64_t file_bytes = 0, memory_bytes = 0;  // memory: growth of the resident set while loading
  double bits_per_weight = 0;
  double perplexity = 0, perplexity_error = 0;
  double kl = 0, kl_error = 0, kl_99 = 0, same_top = 1;  // against the base; the base itself: 0, 0, 0, 1
  double decode = 0, prefill = 0;  // tokens per second
};

struct QualityReport {
  std::string model, version, device, text;
  uint64_t n_parameter = 0, n_scored = 0;
  bool complete = false;
  std::vector<QualityRow> rows;  // the first is the base
  std::vector<double> zeros;     // of each layer's feed-forward, the share of exact zeros after relu^2; empty: no relu^2

  // The rule of docs/quality.md; the row's index, or 0 when none but the base will do.
  size_t recommended() const;
  std::string recommendation() const;  // in words
};

std::string to_markdown(const QualityReport& report);
std::string to_json(const QualityReport& report);
std::string to_svg(const QualityReport& report);
std::string to_html(const QualityReport& report);  // self-contained

}  // namespace command
