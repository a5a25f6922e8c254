// What the command line says. One struct for all subcommands, so that main.cpp alone parses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace command {

struct SamplingOptions {  // what differs from the preset
  std::string preset;
  std::optional<float> temperature, top_p, min_p, typical_p, top_n_sigma, xtc_probability, xtc_threshold;
  std::optional<float> presence_penalty, frequency_penalty, penalty_decay, repeat_penalty;
  std::optional<float> mirostat_tau, mirostat_eta, dry_multiplier, dry_base;
  std::optional<int32_t> top_k, mirostat, repeat_last_n, dry_allowed_length, dry_penalty_last_n;
  std::optional<int64_t> seed;            // below 0: another one each time
  std::string penalty_mode;               // "rwkv", "ai00", "openai"
  bool temperature_first = false;
  std::vector<std::string> logit_bias;    // "TOKEN_ID+1.5"
};

struct Options {
  std::string model, hf;  // a path or a pulled model's name; OWNER/REPO[:QUANT]
  std::string device, isa, tokenizer, quant;
  std::vector<std::string> lora;
  uint32_t n_thread = 0, activations = 0;
  float v5_norm_eps = 0;
  bool dense = false, bf16_activations = false, exact = false;
  bool quiet = false, verbose = false, no_echo = false;

  std::string prompt, file, system_prompt;
  bool escape = true, special = false;
  int64_t n_predict = 256;
  bool n_predict_given = false;  // a chat has no limit unless one is given
  bool ignore_end = false;
  std::vector<std::string> reverse_prompts;
  std::string state_in, state_out, init_state;
  size_t n_draft = 0;                    // guessed tokens a pass
  std::string draft_model;
  SamplingOptions sampling;

  bool conversation = false, no_conversation = false;
  std::string chat_template, think;
  bool no_color = false, single_turn = false, no_history = false;

  bool json = false, ids = false;        // info, tokenize
  std::string text;

  std::string tokens, out;               // logits
  bool all = false;
  size_t chunk = 0;
};

struct ConvertOptions {
  std::string in, out, type, format, tokenizer, imatrix;
  uint32_t n_thread = 0;
  std::string output_tensor_type, token_embedding_type;
  std::vector<std::string> tensor_types, lora;
  bool pure = false, allow_requantize = false, keep_split = false, dry_run = false, list = false;
};

struct StateOptions {
  std::string action;              // "info", "convert", "mix", "diff"
  std::vector<std::string> files;  // of "mix": OUT, then FILE or FILE:WEIGHT
  std::string format;
};

struct BenchOptions {
  std::vector<std::string> models;
  std::string plot;  // SVG file
  std::vector<size_t> n_prompt{512}, n_gen{64}, batches{1};
  size_t repetitions = 3;
  std::string format = "md";
  bool profile = false, neighbour = false;
};

struct PerplexityOptions {
  std::string file, resume, base, lambada;
  size_t chunk_length = 0, n_chunk = 0;
  bool compare = false, json = false;
};

struct ImatrixOptions {
  std::string file, out, format = "gguf";
  std::vector<std::string> inputs;
  size_t chunk_length = 0, n_chunk = 0;
};

struct QualityOptions {
  std::string file, folder = "quality";
  std::vector<std::string> types, models;
  size_t n_chunk = 8;
};

struct PullOptions {
  std::string name, hf, from = "hf";
  bool list = false, quiet = false;
  int n_connection = 4, n_retry = 5;
  double stall_s = 60;
};

int bench(const Options& options, const BenchOptions& bench);
int convert(const ConvertOptions& options);
int quantize(const ConvertOptions& options);
int perplexity(const Options& options, const PerplexityOptions& perplexity);
int imatrix(const Options& options, const ImatrixOptions& imatrix);
int quality(const Options& options, const QualityOptions& quality);
int lambada(const Options& options, const PerplexityOptions& perplexity);  // perplexity --lambada
int state(const Options& options, const StateOptions& state);
int run(const Options& options);
int chat(const Options& options);
int info(const Options& options);
int tokenize(const Options& options);
int logits(const Options& options);
int pull(const PullOptions& options);
int list_models(bool json);
int remove_model(const std::string& name);

}  // namespace command
