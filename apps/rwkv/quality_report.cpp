#include "quality_report.h"

#include "text.h"

namespace command {
namespace {

constexpr double kMaxKl = 0.01, kMinSameTop = 0.95;
constexpr double kSmallModel = 1.5e9, kMinBitsSmall = 5;

std::string cell(const std::string& text) {  // of a Markdown table
  std::string out;
  for (const char c : text) out += c == '|' || c == '\n' ? ' ' : c;
  return out;
}
const std::vector<std::string> kColumns = {"type", "file, MB", "bits per weight", "perplexity", "KL, mean",
                                           "KL, 99 %", "same top, %", "decode, tok/s", "prefill, tok/s",
                                           "memory, MB"};

std::vector<std::string> cells_of(const QualityRow& r, bool base) {
  return {r.name + (base ? " (base)" : ""),
          format("%.1f", static_cast<double>(r.file_bytes) / 1e6),
          format("%.2f", r.bits_per_weight),
          format("%.4f +- %.4f", r.perplexity, r.perplexity_error),
          base ? "0" : format("%.3g +- %.1g", r.kl, r.kl_error),
          base ? "0" : format("%.3g", r.kl_99),
          format("%.2f", 100 * r.same_top),
          format("%.1f", r.decode),
          format("%.1f", r.prefill),
          format("%.0f", static_cast<double>(r.memory_bytes) / 1e6)};
}

std::string about(const QualityReport& r) {
  return format("%.2f billion parameters, RWKV %s, %llu tokens scored, %s%s", static_cast<double>(r.n_parameter) / 1e9,
                r.version.c_str(), static_cast<unsigned long long>(r.n_scored), r.device.c_str(),
                r.complete ? "" : "; interrupted: not every type was measured");
}

}  // namespace

size_t QualityReport::recommended() const {
  size_t best = 0;
  for (size_t i = 1; i < rows.size(); ++i) {
    const QualityRow& r = rows[i];
    if (!(r.kl < kMaxKl) || !(r.same_top > kMinSameTop)) continue;
    if (static_cast<double>(n_parameter) < kSmallModel && r.bits_per_weight < kMinBitsSmall) continue;
    if (best == 0 || r.file_bytes < rows[best].file_bytes) best = i;
  }
  return best;
}

std::string QualityReport::recommendation() const {
  const size_t best = recommended();
  std::string out = rows.size() < 2 ? "Nothing was compared with the base."
                    : best == 0     ? "Recommended: the base itself; no type here meets the rule."
                                    : "Recommended: " + rows[best].name + ".";
  out += " The rule: the smallest file whose mean KL divergence to the base is below 0.01 and whose likeliest token is "
         "the base's at more than 95 % of positions";
  out += static_cast<double>(n_parameter) < kSmallModel
             ? "; for this model, below 1.5 billion parameters, only types of 5 bits per weight or more, because"
             : ". Mind that";
  return out + " 4 bits below 1.5B loses reasoning that perplexity does not show.";
}

std::string to_markdown(const QualityReport& report) {
  std::string out = "# Quality of " + cell(report.model) + "\n\n" + about(report) + ". Text: " + cell(report.text) + "\n\n|";
  for (const std::string& column : kColumns) out += " " + column + " |";
  out += "\n|";
  for (size_t i = 0; i < kColumns.size(); ++i) out += "---|";
  for (size_t i = 0; i < report.rows.size(); ++i) {
    out += "\n|";
    for (const std::string& text : cells_of(report.rows[i], i == 0)) out += " " + cell(text) + " |";
  }
  out += "\n\n" + report.recommendation() + "\n";
  if (report.zeros.empty()) return out;
  out += "\nZeros after relu^2, which the sparse feed-forward does not read:\n\n| layer | zeros, % |\n|---|---|\n";
  for (size_t i = 0; i < report.zeros.size(); ++i) out += format("| %zu | %.1f |\n", i, 100 * report.zeros[i]);
  return out;
}

std::string to_json(const QualityReport& report) {
  std::string out = "{\n  \"model\": " + json_quoted(report.model) + ",\n  \"version\": " + json_quoted(report.version) +
                    ",\n  \"device\": " + json_quoted(report.device) + ",\n  \"text\": " + json_quoted(report.text) +
                    format(",\n  \"n_parameter\": %llu,\n  \"n_scored\": %llu,\n  \"complete\": %s,\n",
                           static_cast<unsigned long long>(report.n_parameter),
                           static_cast<unsigned long long>(report.n_scored), report.complete ? "true" : "false");
  const size_t best = report.recommended();
  out += "  \"recommended\": " + (best ? json_quoted(report.rows[best].name) : "null") + ",\n  \"types\": [";
  for (size_t i = 0; i < report.rows.size(); ++i) {
    const QualityRow& r = report.rows[i];
    out += std::string(i ? "," : "") + "\n    {\"type\": " + json_quoted(r.name) +
           format(", \"base\": %s, \"file_bytes\": %llu, \"memory_bytes\": %llu, \"bits_per_weight\": %.6g, "
                  "\"perplexity\": %.9g, \"perplexity_error\": %.6g, \"kl_mean\": %.9g, \"kl_mean_error\": %.6g, "
                  "\"kl_99\": %.9g, \"same_top\": %.9g, \"decode_tokens_per_s\": %.6g, "
                  "\"prefill_tokens_per_s\": %.6g}",
                  i == 0 ? "true" : "false", static_cast<unsigned long long>(r.file_bytes),
                  static_cast<unsigned long long>(r.memory_bytes), r.bits_per_weight, r.perplexity,
                  r.perplexity_error, r.kl, r.kl_error, r.kl_99, r.same_top, r.decode, r.prefill);
  }
  out += "\n  ],\n  \"zeros_after_relu2\": [";
  for (size_t i = 0; i < report.zeros.size(); ++i) out += format("%s%.6g", i ? ", " : "", report.zeros[i]);
  return out + "]\n}\n";
}

std::string to_html(const QualityReport& report) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Quality of " + xml_escaped(report.model) +
      "</title>\n<style>body{font:16px/1.5 sans-serif;max-width:62em;margin:2em auto;padding:0 1em}"
      "table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{border-bottom:1px solid #ccc;"
      "padding:.3em .7em;text-align:right}th:first-child,td:first-child{text-align:left}"
      "tr.best{background:#e3f1e3}svg{max-width:100%;height:auto}</style></head><body>\n<h1>Quality of " +
      xml_escaped(report.model) + "</h1>\n<p>" + xml_escaped(about(report)) + ". Text: " + xml_escaped(report.text) +
      "</p>\n<table><tr>";
  for (const std::string& column : kColumns) out += "<th>" + xml_escaped(column) + "</th>";
  out += "</tr>\n";
  const size_t best = report.recommended();
  for (size_t i = 0; i < report.rows.size(); ++i) {
    out += best && i == best ? "<tr class=\"best\">" : "<tr>";
    for (const std::string& text : cells_of(report.rows[i], i == 0)) out += "<td>" + xml_escaped(text) + "</td>";
    out += "</tr>\n";
  }
  return out + "</table>\n<p>" + xml_escaped(report.recommendation()) + "</p>\n" + to_svg(report) + "</body></html>\n";
}

}  // namespace command
