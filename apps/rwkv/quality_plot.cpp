// Two plots beside each other: size against KL, speed against KL. KL is drawn on a logarithmic axis. Below them bars: the
// zeros of each layer after relu^2.
#include <algorithm>
#include <cmath>

#include "quality_report.h"
#include "text.h"

namespace command {
namespace {

constexpr double kPlotWidth = 480, kHeight = 400, kPlotLeft = 76, kRight = 24, kPlotTop = 40, kBottom = 56;
constexpr double kTextHeight = 14, kLetter = 7.2;  // of 12 px sans-serif, generous

struct Box {
  double x, y, w, h;
  bool meets(const Box& o) const { return x < o.x + o.w && o.x < x + w && y < o.y + o.h && o.y < y + h; }
};

struct Point {
  double x, y;  // pixels
  std::string label;
  bool best;
};

// 1, 2 or 5 times a power of ten, so that `span` has 3 to 7 of them.
double tick_step(double span) {
  const double power = std::pow(10, std::floor(std::log10(span / 3)));
  for (const double factor : {5.0, 2.0})
    if (span / (power * factor) >= 3) return power * factor;
  return power;
}

// Labels stand right of their points if there is room, else at the nearest free place, with a line.
std::string draw_points(const std::vector<Point>& points) {
  std::vector<Box> taken;
  for (const Point& p : points) taken.push_back({p.x - 5, p.y - 5, 10, 10});
  std::string out;
  for (const Point& p : points) {
    const double w = kLetter * static_cast<double>(p.label.size());
    Box box{p.x + 8, p.y - kTextHeight / 2, w, kTextHeight};
    bool placed = false;
    for (double distance = 0; distance < 200 && !placed; distance += 7)
      for (const double side : {1.0, -1.0}) {
        for (const double up : {0.0, -1.0, 1.0}) {
          const double x = side > 0 ? p.x + 8 + distance / 4 : p.x - 8 - distance / 4 - w;
          const Box at{x, p.y - kTextHeight / 2 + up * distance, w, kTextHeight};
          const bool inside = at.x > kPlotLeft && at.x + w < kPlotWidth - 2 && at.y > kPlotTop - 8 && at.y + kTextHeight < kHeight - kBottom;
          if (placed || !inside || std::any_of(taken.begin(), taken.end(), [&](const Box& b) { return b.meets(at); })) continue;
          box = at;
          placed = true;
        }
      }
    taken.push_back(box);
    const double middle = box.y + box.h / 2, edge = box.x > p.x ? box.x - 1 : box.x + w + 1;
    if (std::abs(middle - p.y) > 6)
      out += format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#aaa\"/>\n", p.x, p.y, edge, middle);
    out += format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" fill=\"%s\"/>\n", p.x, p.y, p.best ? "#2a7d2a" : "#2a5db0");
    out += format("<text x=\"%.1f\" y=\"%.1f\"%s>", box.x, middle + 4, p.best ? " font-weight=\"bold\"" : "") + xml_escaped(p.label) + "</text>\n";
  }
  return out;
}

template <typename F>
std::string draw_panel(const QualityReport& report, double offset, const char* title, const char* x_label, F x_of) {
  double x_most = 0, low = 1e9, high = 0;
  for (size_t i = 1; i < report.rows.size(); ++i) {
    const double kl = std::max(report.rows[i].kl, 1e-7);
    x_most = std::max(x_most, x_of(report.rows[i]));
    low = std::min(low, kl);
    high = std::max(high, kl);
  }
  x_most = x_most > 0 ? x_most * 1.15 : 1;
  const double bottom = std::floor(std::log10(low)), top = std::max(std::ceil(std::log10(high)), bottom + 1);
  const auto px = [&](double x) { return kPlotLeft + x / x_most * (kPlotWidth - kPlotLeft - kRight); };
  const auto py = [&](double decade) {
    return kHeight - kBottom - (decade - bottom) / (top - bottom) * (kHeight - kPlotTop - kBottom);
  };
  std::string out = format("<g transform=\"translate(%.0f 0)\">\n<text x=\"%.0f\" y=\"22\" font-size=\"15\">%s</text>\n",
                           offset, kPlotLeft, title);
  for (double decade = bottom; decade <= top + 0.5; ++decade)
    out += format("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n"
                  "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                  kPlotLeft, kPlotWidth - kRight, py(decade), py(decade), kPlotLeft - 8, py(decade) + 4, std::pow(10, decade));
  const double step = tick_step(x_most);
  for (double x = 0; x <= x_most; x += step)
    out += format("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#888\"/>\n"
                  "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g</text>\n",
                  px(x), px(x), kHeight - kBottom, kHeight - kBottom + 5, px(x), kHeight - kBottom + 19, x);
  out += format("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#888\"/>\n", kPlotLeft, kPlotWidth - kRight,
                kHeight - kBottom, kHeight - kBottom);
  out += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", (kPlotLeft + kPlotWidth - kRight) / 2,
                kHeight - 14, x_label);
  out += format("<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">mean KL divergence to the base</text>\n",
                (kPlotTop + kHeight - kBottom) / 2);
  std::vector<Point> points;
  const size_t best = report.recommended();
  for (size_t i = 1; i < report.rows.size(); ++i) {
    const QualityRow& r = report.rows[i];
    points.push_back({px(x_of(r)), py(std::log10(std::max(r.kl, 1e-7))), r.name, best == i});
  }
  return out + draw_points(points) + "</g>\n";
}

constexpr double kZerosHeight = 200;

std::string draw_zeros(const QualityReport& report, double top) {
  const double bottom = kZerosHeight - 44, height = bottom - kPlotTop, right = 2 * kPlotWidth - kRight;
  std::string out = format("<g transform=\"translate(0 %.0f)\">\n<text x=\"%.0f\" y=\"22\" font-size=\"15\">"
                           "Zeros after relu^2 (never read by the sparse feed-forward)</text>\n", top, kPlotLeft);
  for (const int percent : {0, 50, 100}) {
    const double y = bottom - height * percent / 100;
    out += format("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n"
                  "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%d %%</text>\n",
                  kPlotLeft, right, y, y, kPlotLeft - 8, y + 4, percent);
  }
  const auto n = static_cast<double>(report.zeros.size());
  const double slot = std::min((right - kPlotLeft) / n, 90.0);
  const size_t every = report.zeros.size() / 32 + 1;  // labels that do not touch
  for (size_t i = 0; i < report.zeros.size(); ++i) {
    const double x = kPlotLeft + slot * static_cast<double>(i), h = height * report.zeros[i];
    out += format("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#2a5db0\"/>\n", x + slot / 8,
                  bottom - h, slot * 3 / 4, h);
    if (i % every == 0)
      out += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%zu</text>\n", x + slot / 2, bottom + 16, i);
  }
  return out + format("<text x=\"%.1f\" y=\"%.1f\">layer</text>\n</g>\n", kPlotLeft, kZerosHeight - 10);
}

}  // namespace

std::string to_svg(const QualityReport& report) {
  const double top = report.rows.size() > 1 ? kHeight : 0, height = top + (report.zeros.empty() ? 0 : kZerosHeight);
  std::string out = format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
                           "font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                           2 * kPlotWidth, height, 2 * kPlotWidth, height);
  if (report.rows.size() > 1) {
    out += draw_panel(report, 0, "Size against KL (lower left is better)", "file, MB",
                      [](const QualityRow& r) { return static_cast<double>(r.file_bytes) / 1e6; });
    out += draw_panel(report, kPlotWidth, "Speed against KL (lower right is better)", "decode, tokens per second",
                      [](const QualityRow& r) { return r.decode; });
  }
  if (!report.zeros.empty()) out += draw_zeros(report, top);
  return out + "</svg>\n";
}

}  // namespace command
