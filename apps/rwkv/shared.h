// What the subcommands share: opening with progress, prompts, samplers, terminal manners, timings.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "files.h"
#include "options.h"
#include "rwkv.hpp"

namespace command {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

bool is_terminal(int fd);
bool terminal_draws();  // by TERM: it knows colours and a cursor that moves
// Set by Ctrl-C or SIGTERM once catch_interrupt() was called; the caller clears it.
extern volatile int interrupted;
void catch_interrupt();

// A line on stderr that rewrites itself; silent unless stderr is a terminal.
class ProgressLine {
 public:
  explicit ProgressLine(std::string label) : label_(std::move(label)) {}
  ~ProgressLine() { clear(); }
  void update(double fraction);
  void clear();

 private:
  std::string label_;
  int shown_ = -1;
};

// The path of -m or -hf: a file as it is, a pulled model by its name. -hf pulls what is missing.
std::string find_model(const Options& options);
rwkv_api::Model open_model(const Options& options, const char* device = nullptr);
rwkv_sampler_options sampler_options(const SamplingOptions& options, const char* default_preset,
                                     std::vector<rwkv_logit_bias>& bias);

// -p TEXT, -p - (standard input) or -f FILE, with escapes processed if asked for. What will be continued comes without the last
// line break of a file or standard input.
std::string read_prompt(const Options& options, bool is_continued);
std::string process_escapes(const std::string& text);

// Control characters that could steer a terminal become visible symbols.
std::string neutralise(std::string_view text);
void print(std::string_view text, bool to_terminal);

// The tokens of a text that is read and then continued. The Pile and Raven models never saw the one token that their vocabulary
// has for a blank line: at the end it is read as two line breaks.
std::vector<int32_t> tokens_to_read(const rwkv_api::Model& model, const std::string& text, bool special = false);
// Feeds with a progress line; the logits after the last token.
std::vector<float> prefill(rwkv_api::Session& session, const std::vector<int32_t>& tokens);

// Tokens per second: a prompt of n tokens; n greedy steps of `batch` sequences together.
double prefill_rate(const rwkv_api::Model& model, size_t n);
double decode_rate(const rwkv_api::Model& model, size_t n, size_t batch,
                   const std::function<void(size_t)>& pause = {});
// Decodes until matrices lie as they do in the long run: weights that are stored by unit become panels where activations turn out
// not to be mostly zeros, or where steps serve several sequences.
void let_layouts_settle(const rwkv_api::Model& model, size_t batch);

struct Timings {
  double load_s = 0, prefill_s = 0, decode_s = 0;
  uint64_t n_prefill = 0, n_decode = 0, n_guessed = 0, n_accepted = 0;
  void print() const;  // on stderr
};

}  // namespace command
