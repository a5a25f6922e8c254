// Columns of fixed width, so that no label can meet another whatever the figures are:
//   test | bar up to its bound | share in percent | figures
#include "bench_plot.h"

#include <algorithm>
#include <cmath>

#include "text.h"

namespace command {
namespace {

constexpr double kWidth = 1080, kLeft = 210, kBars = 420, kShare = kLeft + kBars + 14,
                 kFigures = kShare + 52;
constexpr double kTop = 78, kLine = 24, kBar = 14, kGap = 12;
constexpr size_t kMaxName = 100;  // bytes; at 13 px they fit the width

struct Colour {
  const char *bound, *fill;
};
constexpr Colour kColours[] = {
    {"bandwidth", "#2f6fb2"}, {"arithmetic", "#c4682b"}, {"fair share", "#4d8a4a"}};

const char* colour_of(const std::string& bound) {
  for (const Colour& c : kColours)
    if (bound == c.bound) return c.fill;
  return "#777777";
}

// The middle of a long name goes; whole UTF-8 characters stay.
std::string shortened(const std::string& name) {
  if (name.size() <= kMaxName) return name;
  const auto is_inside = [&](size_t at) {
    return (static_cast<unsigned char>(name[at]) & 0xc0) == 0x80;
  };
  size_t head = kMaxName / 2, tail = name.size() - kMaxName / 2;
  while (head > 0 && is_inside(head)) --head;
  while (tail < name.size() && is_inside(tail)) ++tail;
  return name.substr(0, head) + "..." + name.substr(tail);
}

// Percent at the right end of the bars: 100, more only where a bar is longer.
double full_scale(const std::vector<BenchRow>& rows) {
  double most = 1;
  for (const BenchRow& row : rows)
    for (const double share : row.shares()) most = std::max(most, share);
  return std::clamp(std::ceil(most * 5) * 20, 100.0, 400.0);
}

std::string grid(double scale, double bottom) {
  const double step = scale > 200 ? 50 : 20;
  std::string out;
  for (double percent = 0; percent <= scale; percent += step) {
    const double x = kLeft + kBars * percent / scale;
    const bool is_bound = percent == 100;
    out += format(
        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
        "stroke-width=\"%s\"/>\n",
        x, kTop - 6, x, bottom, is_bound ? "#333333" : "#dddddd", is_bound ? "1.6" : "1");
    out += format(
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"#555555\">%.0f %%</text>\n", x,
        kTop - 12, percent);
  }
  return out;
}

std::string legend(const std::vector<BenchRow>& rows) {
  std::string out;
  double x = kLeft;
  for (const Colour& c : kColours) {
    if (std::none_of(rows.begin(), rows.end(),
                     [&](const BenchRow& r) { return std::string(r.bound) == c.bound; }))
      continue;
    out += format(
        "<rect x=\"%.1f\" y=\"37\" width=\"12\" height=\"12\" fill=\"%s\"/>\n"
        "<text x=\"%.1f\" y=\"47\">%s</text>\n",
        x, c.fill, x + 18, c.bound);
    x += 120;
  }
  return out;
}

std::string bar(const BenchRow& row, double scale, double y) {
  const std::vector<double> shares = row.shares();
  const auto [low, high] = std::minmax_element(shares.begin(), shares.end());
  const auto width = [&](double share) {
    return kBars * std::clamp(100 * share / scale, 0.0, 1.0);
  };
  const double share = median(shares), middle = y + kLine / 2, text = middle + 4;
  std::string label = row.test;
  if (row.batch > 1) label += format(", %zu at once", row.batch);
  std::string out = format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                           kLeft - 10, text, label.c_str());
  out += format("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", kLeft,
                middle - kBar / 2, width(share), kBar, colour_of(row.bound));
  out += format(
      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#111111\" "
      "stroke-width=\"2\"/>\n",
      kLeft + width(*low), middle, kLeft + width(*high), middle);
  out += format("<text x=\"%.1f\" y=\"%.1f\" font-weight=\"bold\">%.0f %%</text>\n", kShare, text,
                100 * share);
  out += format("<text x=\"%.1f\" y=\"%.1f\">%.1f of %.1f tokens/s", kFigures, text,
                median(row.tokens_per_s), median(row.bound_tokens_per_s));
  if (row.bound == std::string("bandwidth") && row.batch == 1)
    out += format("; %.1f of %.1f GB/s", row.gb_per_s(),
                  median(row.bound_tokens_per_s) * row.bytes_per_token / 1e9);
  return out + format(" (%s)</text>\n", row.bound);
}

}  // namespace

std::string bench_svg(const std::vector<BenchRow>& rows) {
  const double scale = full_scale(rows);
  std::string bars, model;
  double y = kTop;
  for (const BenchRow& row : rows) {
    if (row.model != model) {
      if (!model.empty()) y += kGap;
      model = row.model;
      bars += format("<text x=\"16\" y=\"%.1f\" font-size=\"13\" font-weight=\"bold\">%s</text>\n",
                     y + 16, shortened(model).c_str());
      y += kLine;
    }
    bars += bar(row, scale, y);
    y += kLine;
  }
  std::string out = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
      "height=\"%.0f\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#111111\">\n",
      kWidth, y + 44, kWidth, y + 44);
  out +=
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
      "<text x=\"16\" y=\"24\" font-size=\"16\" font-weight=\"bold\">Speed as a share of its "
      "bound</text>\n";
  out += legend(rows) + grid(scale, y + 4) + bars;
  if (!rows.empty())
    out += format(
        "<text x=\"16\" y=\"%.1f\" fill=\"#555555\">%s; bounds measured in the same "
        "run; bar: median, dark line: smallest to largest of %zu</text>\n",
        y + 28, rows[0].device.c_str(), rows[0].tokens_per_s.size());
  return out + "</svg>\n";
}

}  // namespace command
