// How well a model predicts a text: log-likelihoods, and beside another model's predictions (KL divergence).
// The formulas and the base file's format are in docs/quality.md.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rwkv.hpp"

namespace command {

constexpr size_t kChunk = 512;  // tokens: what --chunks counts without -c

// What is summed over the scored tokens; natural logarithms. Plain data: a resume file holds it as it is.
struct Sums {
  uint64_t n = 0;            // scored tokens
  uint64_t n_byte = 0;       // of their text
  uint64_t n_same_top = 0;   // both models' likeliest token is the same
  double nll = 0, nll2 = 0;  // -log p(token), and its square
  double base_nll = 0;
  double diff = 0, diff2 = 0;      // nll - base_nll
  double kl = 0, kl2 = 0;          // sum over the vocabulary of p_base (log p_base - log p)
  double dp2 = 0, dp4 = 0;         // (p - p_base)^2 of the token, and its square
};

struct Estimate {
  double mean = 0, error = 0;  // standard error
};
Estimate estimate(double sum, double sum_of_squares, uint64_t n);
double quantile(const std::vector<float>& sorted, double q);  // between neighbours: the line between them

struct Evaluation {
  Sums sums;
  std::vector<float> kl;  // of each token; empty without a base
  uint64_t n_done = 0, n_token = 0;  // tokens of the text: read, and to be read
  double seconds = 0;                // of this run
  uint64_t n_fed = 0;                // in this run
  bool complete() const { return n_done == n_token; }
};

enum class BaseUse { kNone, kWrite, kCompare };

struct EvaluateOptions {
  size_t chunk_length = 0;  // tokens after which the state is reset; 0: never
  uint64_t max_token = 0;   // of the text; 0: all
  std::string resume;       // file that keeps what is known when the run is interrupted
  std::string base;         // file of the base model's predictions
  BaseUse base_use = BaseUse::kNone;
  std::function<void(const Evaluation&)> progress;
};

// Stops early when `interrupted` is set. Throws Failure.
Evaluation evaluate(const rwkv_api::Model& model, std::vector<int32_t> tokens,
                    const EvaluateOptions& options);

// One row of logits as probabilities: log p_i = logits_i - log_sum.
struct RowSummary {
  double log_sum;
  int32_t top;
};
RowSummary summarise(const float* logits, size_t n_vocab);

// The base model's predictions, one row a scored token.
struct BaseHeader {  // 64 bytes, little-endian, then rows
  char magic[8] = {'R', 'W', 'K', 'V', 'B', 'A', 'S', 'E'};
  uint32_t version = 1, n_vocab = 0;
  uint64_t n_token = 0, token_hash = 0, chunk_length = 0;
  uint64_t reserved[3] = {};
};
static_assert(sizeof(BaseHeader) == 64);

struct BaseRow {
  float step = 0;               // log p_i = -step * code_i - log(sum over j of exp(-step * code_j))
  float nll = 0;                // of the token that follows, exact
  int32_t top = 0;              // the likeliest token
  std::vector<uint16_t> codes;  // [n_vocab]
};

class BaseFile {
 public:
  // kWrite: a neighbour that takes its place in finish(), begun anew or continued after `first_row` rows;
  // kCompare: the header must be `header`. Throws Failure.
  BaseFile(const std::string& path, BaseUse use, const BaseHeader& header, uint64_t first_row);
  ~BaseFile();  // removes an unfinished neighbour unless keep() was called
  BaseFile(const BaseFile&) = delete;
  BaseFile& operator=(const BaseFile&) = delete;
  void write(const float* logits, const RowSummary& row, int32_t next);
  const BaseRow& read();
  void flush();
  void keep() { keep_ = true; }
  void finish();

 private:
  void position(uint64_t row);
  std::string path_, open_path_;
  BaseUse use_;
  std::FILE* file_ = nullptr;
  BaseRow row_;
  bool keep_ = false;
};

}  // namespace command
