#include "bench_report.h"

#include <algorithm>
#include <cstdio>

namespace command {
namespace {

// Bytes of the UTF-8 character at `at`; 0 where there is none.
size_t character_length(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t length = lead < 0x80   ? 1
                        : lead < 0xc2 ? 0
                        : lead < 0xe0 ? 2
                        : lead < 0xf0 ? 3
                        : lead < 0xf5 ? 4
                                      : 0;
  if (at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return 0;
  if (length < 3) return length;
  const auto second = static_cast<unsigned char>(text[at + 1]);
  const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool outside = (lead == 0xed && second >= 0xa0) || (lead == 0xf4 && second >= 0x90);
  return overlong || outside ? 0 : length;
}

void print_row(const BenchRow& r, const std::string& format) {
  const double rate = median(r.tokens_per_s), bound = median(r.bound_tokens_per_s);
  const double share = median(r.shares()), gb = r.gb_per_s();
  const auto [low, high] = std::minmax_element(r.tokens_per_s.begin(), r.tokens_per_s.end());
  if (format == "md")
    std::printf("| %s | %s | %zu | %.1f (%.1f-%.1f) | %.1f | %s | %.1f | %.0f %% |\n",
                r.model.c_str(), r.test.c_str(), r.batch, rate, *low, *high, gb, r.bound, bound,
                100 * share);
  else if (format == "csv")
    std::printf("%s,%s,%u,%zu,%.3f,%.3f,%.3f,%.3f,%s,%.3f,%.4f\n", r.model.c_str(), r.test.c_str(),
                r.threads, r.batch, rate, *low, *high, gb, r.bound, bound, share);
  else
    std::printf(
        "{\"test\": \"%s\", \"model_type\": \"%s\", \"device\": \"%s\", \"threads\": %u, "
        "\"batch\": %zu, \"tokens_per_s\": %.3f, \"min\": %.3f, \"max\": %.3f, "
        "\"gb_per_s\": %.3f, \"bound\": \"%s\", \"bound_tokens_per_s\": %.3f, "
        "\"share_of_bound\": %.4f}\n",
        r.test.c_str(), r.model.c_str(), r.device.c_str(), r.threads, r.batch, rate, *low, *high,
        gb, r.bound, bound, share);
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::vector<double> BenchRow::shares() const {
  std::vector<double> shares;
  for (size_t i = 0; i < tokens_per_s.size(); ++i)
    shares.push_back(tokens_per_s[i] / bound_tokens_per_s[i]);
  return shares;
}

double BenchRow::gb_per_s() const {
  return median(tokens_per_s) / static_cast<double>(batch) * bytes_per_token / 1e9;
}

std::string shown_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.find_last_of('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  std::string name;
  for (size_t i = 0; i < path.size();) {
    const size_t length = character_length(path, i);
    const auto byte = static_cast<unsigned char>(path[i]);
    // U+FFFE and U+FFFF, which XML forbids, share their first two bytes.
    const bool plain = length > 0 && byte >= 0x20 && byte != 0x7f &&
                       path.substr(i, 2) != "\xef\xbf" &&
                       std::string_view("\"\\|,<>&'").find(path[i]) == std::string_view::npos;
    name += plain ? path.substr(i, length) : "_";
    i += std::max<size_t>(length, 1);
  }
  return name;
}

void print_rows(const std::vector<BenchRow>& rows, const std::string& format, bool first) {
  if (format == "md" && first)
    std::printf(
        "| model | test | batch | tokens/s, median (min-max) | GB/s | bound | bound tokens/s | of "
        "bound |\n"
        "|---|---|---|---|---|---|---|---|\n");
  if (format == "csv" && first)
    std::printf(
        "model_type,test,threads,batch,tokens_per_s,min,max,gb_per_s,bound,bound_tokens_per_s,"
        "share_of_bound\n");
  for (const BenchRow& row : rows) print_row(row, format);
  std::fflush(stdout);
}

}  // namespace command
