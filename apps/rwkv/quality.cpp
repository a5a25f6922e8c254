// rwkv quality: what each quantized form of a model costs in bytes, speed and likeness to the original.
#include "quality_report.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "evaluate.h"
#include "shared.h"
#include "text.h"

namespace command {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPrefill = 256, kDecode = 32, kZeroTokens = 2048;

uint64_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

void quantize(const std::string& base, const std::string& out, const std::string& type, bool dry_run) {
  auto o = rwkv_api::options<rwkv_quantize_options>();
  o.type = type.c_str();
  o.dry_run = dry_run;
  o.progress = [](float, void*) { return interrupted == 0; };
  rwkv_api::quantize(base, out, o);
}

struct Job {
  std::string name, path, type;  // type: made of the base by quantize(), and removed afterwards
};

class Quality {
 public:
  Quality(const Options& options, const QualityOptions& quality)
      : options_(options), quality_(quality), text_(read_text(quality.file)) {
    options_.model = find_model(options);  // once: by its file from here on
    options_.hf.clear();
    report_.model = fs::path(options_.model).filename().string();
    report_.text = fs::path(quality.file).filename().string();
    for (const std::string& type : quality.types) jobs_.push_back({type, "", type});
    for (const std::string& path : quality.models) jobs_.push_back({fs::path(path).filename().string(), path, ""});
    std::error_code failed;
    fs::create_directories(quality.folder, failed);
    if (!fs::is_directory(quality.folder)) throw Failure(quality.folder + ": cannot be made a folder");
    base_ = (fs::path(quality.folder) / ("base-predictions-" + std::to_string(::getpid()))).string();
  }
  ~Quality() { std::remove(base_.c_str()); }

  int run() {
    const size_t n_vocab = open_model(options_, "none").n_vocab();
    for (const Job& job : jobs_)  // before hours of work
      if (job.type.empty()) check_vocabulary(job.path, n_vocab);
      else quantize(options_.model, base_ + ".gguf", job.type, true);
    measure(report_.model, options_.model, BaseUse::kWrite);
    for (const Job& job : jobs_) {
      if (interrupted) break;
      if (job.type.empty()) {
        measure(job.name, job.path, BaseUse::kCompare);
        continue;
      }
      const std::string path =
          (fs::path(quality_.folder) / ("quantized-" + std::to_string(::getpid()) + ".gguf")).string();
      const struct Removed {
        const std::string& file;
        ~Removed() { std::remove(file.c_str()); }
      } removed{path};
      try {
        quantize(options_.model, path, job.type, false);
      } catch (const rwkv_api::Error&) {
        if (!interrupted) throw;
        break;
      }
      measure(job.name, path, BaseUse::kCompare);
    }
    if (report_.rows.empty()) throw Interrupted("interrupted before anything was measured: no report is written");
    report_.complete = !interrupted && report_.rows.size() == jobs_.size() + 1;
    write_reports();
    std::printf("%s", to_markdown(report_).c_str());
    return report_.complete ? 0 : 130;
  }

 private:
  void check_vocabulary(const std::string& path, size_t want) const {
    Options other = options_;
    other.model = path;
    const size_t found = open_model(other, "none").n_vocab();
    if (found != want)
      throw Failure(path + ": a vocabulary of " + std::to_string(found) + " tokens, expected the base's " + std::to_string(want));
  }
  // Adds a row unless Ctrl-C came in between.
  void measure(const std::string& name, const std::string& path, BaseUse use) {
    Options options = options_;
    options.model = path;
    QualityRow row;
    row.name = name;
    const uint64_t before = resident_bytes();
    const rwkv_api::Model model = open_model(options);
    row.memory_bytes = std::max(resident_bytes(), before) - before;
    const std::string json = model.json();
    row.file_bytes = static_cast<uint64_t>(json_number(json, "file_bytes"));
    row.bits_per_weight = 8 * json_number(json, "weight_bytes") / json_number(json, "n_parameter");
    EvaluateOptions o;
    o.max_token = quality_.n_chunk * kChunk;
    o.base = base_;
    o.base_use = use;
    ProgressLine line(name);
    o.progress = [&](const Evaluation& e) {
      line.update(static_cast<double>(e.n_done) / static_cast<double>(e.n_token));
    };
    Evaluation e = evaluate(model, model.tokenize(text_), o);
    line.clear();
    if (!e.complete()) return;
    row.prefill = prefill_rate(model, kPrefill);
    let_layouts_settle(model, 1);
    row.decode = decode_rate(model, kDecode, 1);
    if (interrupted) return;
    const Estimate nll = estimate(e.sums.nll, e.sums.nll2, e.sums.n);
    row.perplexity = std::exp(nll.mean);
    row.perplexity_error = row.perplexity * nll.error;
    if (use == BaseUse::kWrite) {
      report_.zeros = zeros_of(model);
      report_.version = json_string(json, "version");
      report_.device = json_string(json, "device");
      report_.n_parameter = static_cast<uint64_t>(json_number(json, "n_parameter"));
      report_.n_scored = e.sums.n;
    } else {
      const Estimate kl = estimate(e.sums.kl, e.sums.kl2, e.sums.n);
      row.kl = kl.mean;
      row.kl_error = kl.error;
      std::sort(e.kl.begin(), e.kl.end());
      row.kl_99 = quantile(e.kl, 0.99);
      row.same_top = static_cast<double>(e.sums.n_same_top) / static_cast<double>(e.sums.n);
    }
    report_.rows.push_back(std::move(row));
    write_reports();
  }

  // Of the first tokens of the text, layer by layer.
  std::vector<double> zeros_of(const rwkv_api::Model& model) const {
    std::vector<int32_t> tokens = model.tokenize(text_);
    tokens.resize(std::min<size_t>(tokens.size(), kZeroTokens));
    rwkv_api::check(rwkv_imatrix_start(model.get(), true));
    rwkv_api::Session(model).feed(tokens);
    std::istringstream lines(rwkv_zeros_text(model.get()));
    rwkv_api::check(rwkv_imatrix_start(model.get(), false));
    std::vector<double> out;
    for (std::string name; lines >> name;) lines >> out.emplace_back();
    return out;
  }

  void write_reports() const {
    const fs::path folder = quality_.folder;
    write_whole(folder / "report.md", to_markdown(report_));
    write_whole(folder / "report.json", to_json(report_));
    write_whole(folder / "report.svg", to_svg(report_));
    write_whole(folder / "report.html", to_html(report_));
  }

  Options options_;
  const QualityOptions& quality_;
  std::string text_, base_;
  std::vector<Job> jobs_;
  QualityReport report_;
};

}  // namespace

int quality(const Options& options, const QualityOptions& quality) {
  catch_interrupt();
  return Quality(options, quality).run();
}

}  // namespace command
