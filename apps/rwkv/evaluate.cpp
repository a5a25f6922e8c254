// Reads a text piece by piece and scores each token by the logits before it.
#include "evaluate.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "shared.h"

namespace command {
namespace {

constexpr double kSaveSeconds = 30;

template <typename T>
uint64_t hash_of(const std::vector<T>& values) {  // FNV-1a, four bytes at a time
  static_assert(sizeof(T) == 4);
  uint64_t hash = 14695981039346656037ull;
  for (const T& value : values) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    hash = (hash ^ bits) * 1099511628211ull;
  }
  return hash;
}

struct ResumeHeader {  // then n_kl floats, then the bytes of a state file (none at a chunk's beginning)
  char magic[8] = {'R', 'W', 'K', 'V', 'E', 'V', 'A', 'L'};
  uint32_t version = 2, base_use = 0;
  uint64_t n_token = 0, token_hash = 0, chunk_length = 0, model_hash = 0;
  uint64_t n_done = 0, n_kl = 0;
  Sums sums;
};

class Evaluator {
 public:
  Evaluator(const rwkv_api::Model& model, std::vector<int32_t> tokens, const EvaluateOptions& options)
      : model_(model), options_(options), tokens_(std::move(tokens)), session_(model) {
    if (options_.max_token && tokens_.size() > options_.max_token) tokens_.resize(options_.max_token);
    if (tokens_.size() < 2)
      throw Failure("the text has " + std::to_string(tokens_.size()) + " tokens, expected 2 or more");
    length_ = options_.chunk_length ? options_.chunk_length : tokens_.size();
    out_.n_token = tokens_.size();
    header_.base_use = static_cast<uint32_t>(options_.base_use);
    header_.n_token = tokens_.size();
    header_.token_hash = hash_of(tokens_);
    header_.chunk_length = options_.chunk_length;
    // About 32 MB of logits at once.
    piece_ = std::clamp<size_t>((size_t{1} << 23) / model.n_vocab(), 16, 512);
  }

  Evaluation run() {
    if (!options_.resume.empty()) load();
    if (options_.base_use != BaseUse::kNone) {
      BaseHeader header;
      header.n_vocab = static_cast<uint32_t>(model_.n_vocab());
      header.n_token = header_.n_token;
      header.token_hash = header_.token_hash;
      header.chunk_length = header_.chunk_length;
      base_ = std::make_unique<BaseFile>(options_.base, options_.base_use, header, out_.sums.n);
    }
    const Stopwatch watch;
    double saved = 0;
    while (!out_.complete() && !interrupted) {
      step();
      out_.seconds = watch.seconds();
      if (options_.progress) options_.progress(out_);
      if (!options_.resume.empty() && out_.seconds - saved > kSaveSeconds) {
        save();
        saved = out_.seconds;
      }
    }
    if (!out_.complete() && !options_.resume.empty()) {
      save();
      if (base_) base_->keep();
    }
    if (out_.complete()) {
      if (base_) base_->finish();
      if (!options_.resume.empty()) std::remove(options_.resume.c_str());
    }
    return std::move(out_);
  }

 private:
  void step() {
    const size_t begin = out_.n_done;
    const size_t chunk_end = std::min((begin / length_ + 1) * length_, tokens_.size());
    const size_t end = std::min(begin + piece_, chunk_end);
    if (begin % length_ == 0) session_.reset();
    const auto at = [&](size_t i) { return tokens_.begin() + static_cast<ptrdiff_t>(i); };
    const std::vector<float> logits = session_.feed_all({at(begin), at(end)});
    for (size_t i = begin; i < end && i + 1 < chunk_end; ++i)
      score(logits.data() + (i - begin) * model_.n_vocab(), tokens_[i + 1]);
    out_.n_done = end;
    out_.n_fed += end - begin;
  }

  void score(const float* logits, int32_t next) {
    Sums& s = out_.sums;
    const RowSummary row = summarise(logits, model_.n_vocab());
    const double nll = row.log_sum - static_cast<double>(logits[next]);
    if (!std::isfinite(nll)) throw Failure("the model's logits are not finite numbers");
    ++s.n;
    s.n_byte += model_.token_bytes(next).size();
    s.nll += nll;
    s.nll2 += nll * nll;
    if (options_.base_use == BaseUse::kWrite) base_->write(logits, row, next);
    if (options_.base_use == BaseUse::kCompare) compare(base_->read(), logits, row, nll);
  }

  void compare(const BaseRow& base, const float* logits, const RowSummary& row, double nll) {
    Sums& s = out_.sums;
    double sum = 0, weighted = 0;
    for (size_t i = 0; i < base.codes.size(); ++i) {
      const float log_base = -base.step * static_cast<float>(base.codes[i]);
      const auto p = static_cast<double>(std::exp(log_base));
      sum += p;
      if (p > 0) weighted += p * static_cast<double>(log_base - logits[i]);
    }
    const double kl = weighted / sum + row.log_sum - std::log(sum);
    const double diff = nll - static_cast<double>(base.nll);
    const double dp = std::exp(-nll) - std::exp(-static_cast<double>(base.nll));
    s.n_same_top += base.top == row.top;
    s.base_nll += static_cast<double>(base.nll);
    s.diff += diff;
    s.diff2 += diff * diff;
    s.kl += kl;
    s.kl2 += kl * kl;
    s.dp2 += dp * dp;
    s.dp4 += dp * dp * dp * dp;
    out_.kl.push_back(static_cast<float>(kl));
  }

  void save() {
    if (base_ && options_.base_use == BaseUse::kWrite) base_->flush();
    header_.n_done = out_.n_done;
    header_.n_kl = out_.kl.size();
    header_.sums = out_.sums;
    std::string bytes(reinterpret_cast<const char*>(&header_), sizeof header_);
    bytes.append(reinterpret_cast<const char*>(out_.kl.data()), out_.kl.size() * sizeof(float));
    if (out_.n_done % length_ != 0) {
      const std::string state = options_.resume + ".state-" + std::to_string(::getpid());
      session_.snapshot().save(state);
      bytes += read_file(state);
      std::remove(state.c_str());
    }
    write_whole(options_.resume, bytes);
  }

  void load() {
    const std::string& path = options_.resume;
    check_writable(path);
    // What the first token brings tells the model with its adapters and types, bit for bit.
    header_.model_hash = hash_of(rwkv_api::Session(model_).feed({tokens_.front()}));
    if (!std::filesystem::exists(path)) return;  // nothing yet
    const std::string bytes = read_file(path);
    ResumeHeader found;
    if (bytes.size() < sizeof found || std::memcmp(bytes.data(), found.magic, sizeof found.magic) != 0)
      throw Failure(path + ": not a file of --resume (no magic RWKVEVAL)");
    std::memcpy(&found, bytes.data(), sizeof found);
    if (found.version != header_.version || found.base_use != header_.base_use ||
        found.n_token != header_.n_token || found.token_hash != header_.token_hash ||
        found.chunk_length != header_.chunk_length || found.model_hash != header_.model_hash)
      throw Failure(path + ": belongs to another model or text or other options; remove it to start anew");
    const size_t left = bytes.size() - sizeof found;
    if (found.n_done > found.n_token || found.n_kl > left / sizeof(float) || found.sums.n > found.n_done)
      throw Failure(path + ": is damaged; remove it to start anew");
    out_.kl.resize(found.n_kl);
    if (found.n_kl != 0)  // memcpy wants no null pointer, not even for 0 bytes
      std::memcpy(out_.kl.data(), bytes.data() + sizeof found, found.n_kl * sizeof(float));
    out_.sums = found.sums;
    out_.n_done = found.n_done;
    if (found.n_done % length_ == 0) return;
    const std::string state = path + ".state";
    write_whole(state, std::string_view(bytes).substr(sizeof found + found.n_kl * sizeof(float)));
    try {
      session_.restore(rwkv_api::Snapshot::load(model_, state));
    } catch (const rwkv_api::Error&) {
      std::remove(state.c_str());
      throw Failure(path + ": its state does not fit this model, or is damaged; remove it to start anew");
    }
    std::remove(state.c_str());
  }

  const rwkv_api::Model& model_;
  const EvaluateOptions& options_;
  std::vector<int32_t> tokens_;
  rwkv_api::Session session_;
  std::unique_ptr<BaseFile> base_;
  ResumeHeader header_;
  Evaluation out_;
  size_t length_ = 0, piece_ = 0;
};

}  // namespace

double quantile(const std::vector<float>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  const double part = at - static_cast<double>(low);
  return static_cast<double>(sorted[low]) * (1 - part) + static_cast<double>(sorted[high]) * part;
}

Estimate estimate(double sum, double sum_of_squares, uint64_t n) {
  if (n == 0) return {};
  const auto count = static_cast<double>(n);
  const double mean = sum / count;
  const double variance = std::max(sum_of_squares / count - mean * mean, 0.0);
  return {mean, n > 1 ? std::sqrt(variance / (count - 1)) : 0};
}

RowSummary summarise(const float* logits, size_t n_vocab) {
  const float* top = std::max_element(logits, logits + n_vocab);
  double sum = 0;
  for (size_t i = 0; i < n_vocab; ++i) sum += static_cast<double>(std::exp(logits[i] - *top));
  return {std::log(sum) + static_cast<double>(*top), static_cast<int32_t>(top - logits)};
}

Evaluation evaluate(const rwkv_api::Model& model, std::vector<int32_t> tokens, const EvaluateOptions& options) {
  return Evaluator(model, std::move(tokens), options).run();
}

}  // namespace command
