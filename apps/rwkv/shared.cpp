#include "shared.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>

#include "terminal.h"

namespace command {

volatile int interrupted = 0;

namespace {

extern "C" void on_interrupt(int) {
  // A second Ctrl-C ends the program at once.
  if (interrupted) std::_Exit(130);
  interrupted = 1;
}

}  // namespace

bool terminal_draws() {
  const char* name = std::getenv("TERM");
  return name && *name && std::string_view(name) != "dumb";
}

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

void catch_interrupt() {
  if (std::signal(SIGINT, on_interrupt) == SIG_IGN) std::signal(SIGINT, SIG_IGN);  // a script's job in the background
  // Nothing is lost when a service manager stops it either, or its terminal goes.
  std::signal(SIGTERM, on_interrupt);
  if (std::signal(SIGHUP, on_interrupt) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // nohup
}

void ProgressLine::update(double fraction) {
  if (!is_terminal(STDERR_FILENO) || !terminal_draws()) return;
  const int percent = static_cast<int>(fraction * 100);
  if (percent == shown_) return;
  shown_ = percent;
  const int room = terminal_size(STDERR_FILENO).columns - static_cast<int>(label_.size()) - 10;  // a line that wraps cannot be drawn again
  const int width = std::clamp(room, 0, 30), filled = percent * width / 100;
  std::fprintf(stderr, "\r%s [%s%s] %3d %%", label_.c_str(), std::string(filled, '#').c_str(),
               std::string(width - filled, ' ').c_str(), percent);
  std::fflush(stderr);
}

void ProgressLine::clear() {
  if (shown_ >= 0) std::fprintf(stderr, "\r\033[K");
  shown_ = -1;
}

rwkv_api::Model open_model(const Options& options, const char* device) {
  const std::string path = find_model(options);
  if (path.empty()) throw Failure("no model: name one with -m MODEL");
  auto o = rwkv_api::options<rwkv_model_options>();
  o.device = device ? device : options.device.empty() ? nullptr : options.device.c_str();
  o.cpu_isa = options.isa.empty() ? nullptr : options.isa.c_str();
  o.tokenizer_path = options.tokenizer.empty() ? nullptr : options.tokenizer.c_str();
  o.n_thread = options.n_thread;
  o.v5_norm_eps = options.v5_norm_eps;
  o.activations = options.activations;
  o.dense = options.dense;
  o.bf16_activations = options.bf16_activations && !options.exact;
  o.quant = options.quant.empty() ? nullptr : options.quant.c_str();
  std::vector<const char*> lora;
  for (const std::string& file : options.lora) lora.push_back(file.c_str());
  o.lora = lora.data();
  o.n_lora = lora.size();
  ProgressLine line("loading");
  o.progress = [](float fraction, void* user) {
    static_cast<ProgressLine*>(user)->update(fraction);
    return interrupted == 0;
  };
  o.progress_user = &line;
  try {
    return rwkv_api::Model(path, &o);
  } catch (const rwkv_api::Error& error) {
    if (error.status() != RWKV_ERR_STOPPED) throw;
    throw Interrupted("interrupted while the model was loading");
  }
}

rwkv_sampler_options sampler_options(const SamplingOptions& from, const char* default_preset,
                                     std::vector<rwkv_logit_bias>& bias) {
  rwkv_sampler_options to =
      rwkv_api::sampler_preset(from.preset.empty() ? default_preset : from.preset.c_str());
  const auto set = [](auto& field, const auto& value) {
    if (value) field = *value;
  };
  set(to.temperature, from.temperature);
  set(to.top_k, from.top_k);
  set(to.top_p, from.top_p);
  set(to.min_p, from.min_p);
  set(to.typical_p, from.typical_p);
  set(to.top_n_sigma, from.top_n_sigma);
  set(to.xtc_probability, from.xtc_probability);
  set(to.xtc_threshold, from.xtc_threshold);
  set(to.mirostat, from.mirostat);
  set(to.mirostat_tau, from.mirostat_tau);
  set(to.mirostat_eta, from.mirostat_eta);
  set(to.presence_penalty, from.presence_penalty);
  set(to.frequency_penalty, from.frequency_penalty);
  set(to.penalty_decay, from.penalty_decay);
  set(to.repeat_penalty, from.repeat_penalty);
  set(to.repeat_last_n, from.repeat_last_n);
  set(to.dry_multiplier, from.dry_multiplier);
  set(to.dry_base, from.dry_base);
  set(to.dry_allowed_length, from.dry_allowed_length);
  set(to.dry_penalty_last_n, from.dry_penalty_last_n);
  to.seed = from.seed && *from.seed >= 0 ? static_cast<uint64_t>(*from.seed) : std::random_device()();
  if (from.temperature_first) to.temperature_first = true;
  if (from.penalty_mode == "ai00") to.penalty_mode = 1;
  else if (from.penalty_mode == "openai") to.penalty_mode = 2;
  else if (from.penalty_mode == "rapid") to.penalty_mode = 3;
  else if (from.penalty_mode == "rwkv") to.penalty_mode = 0;
  for (const std::string& text : from.logit_bias) {
    char *sign = nullptr, *end = nullptr;
    const long token = std::strtol(text.c_str(), &sign, 10);
    const float value = std::strtof(sign, &end);
    if (sign == text.c_str() || (*sign != '+' && *sign != '-') || end == sign || *end != '\0' || token < 0 || token > INT32_MAX)
      throw Failure("--logit-bias \"" + text + "\": expected TOKEN_ID+BIAS or TOKEN_ID-BIAS");
    bias.push_back({static_cast<int32_t>(token), value});
  }
  to.logit_bias = bias.data();
  to.n_logit_bias = bias.size();
  return to;
}

std::string process_escapes(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case '\\': out += '\\'; break;
      case '"': out += '"'; break;
      case '\'': out += '\''; break;
      case 'x': {
        const std::string digits = text.substr(i + 1, 2);
        if (digits.size() == 2 && digits.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos) {
          out += static_cast<char>(std::stoi(digits, nullptr, 16));
          i += 2;
          break;
        }
        [[fallthrough]];
      }
      default: out += '\\'; out += text[i];
    }
  }
  return out;
}

std::string read_prompt(const Options& options, bool is_continued) {
  if (!options.prompt.empty() && !options.file.empty())
    throw Failure("-p and -f are both given: name one prompt");
  if (options.prompt == "-" || !options.file.empty()) {
    std::string text = read_text(options.prompt == "-" ? "-" : options.file);
    // Editors and echo put it there; to a model that goes on from here it is a token that matters.
    if (is_continued && text.ends_with('\n')) text.pop_back();
    return text;
  }
  return options.escape ? process_escapes(options.prompt) : options.prompt;
}

std::string neutralise(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0x7f) {
      out += "\u2421";
    } else if (byte < 0x20 && byte != '\n' && byte != '\t') {
      out += "\xe2\x90";  // U+2400 + byte: the symbol for the control character
      out += static_cast<char>(0x80 + byte);
    } else if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      out += "\ufffd";  // a C1 control character
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

void print(std::string_view text, bool to_terminal) {
  const std::string shown = to_terminal ? neutralise(text) : std::string(text);
  std::fwrite(shown.data(), 1, shown.size(), stdout);
  check_output();
}

std::vector<int32_t> tokens_to_read(const rwkv_api::Model& model, const std::string& text, bool special) {
  constexpr size_t kNeoX = 50277, kNeoXPadded = 50304;
  std::vector<int32_t> tokens = model.tokenize(text, special);
  if ((model.n_vocab() != kNeoX && model.n_vocab() != kNeoXPadded) || tokens.empty()) return tokens;
  const auto blank = model.tokenize("\n\n"), line = model.tokenize("\n");
  if (blank.size() != 1 || line.size() != 1 || tokens.back() != blank[0]) return tokens;
  tokens.back() = line[0];
  tokens.push_back(line[0]);
  return tokens;
}

std::vector<float> prefill(rwkv_api::Session& session, const std::vector<int32_t>& tokens) {
  constexpr size_t kPiece = 512;
  ProgressLine line("reading");
  std::vector<float> logits;
  for (size_t begin = 0; begin < tokens.size() && !interrupted; begin += kPiece) {
    const size_t end = std::min(begin + kPiece, tokens.size());
    logits = session.feed({tokens.begin() + static_cast<ptrdiff_t>(begin),
                           tokens.begin() + static_cast<ptrdiff_t>(end)});
    if (tokens.size() > kPiece)
      line.update(static_cast<double>(end) / static_cast<double>(tokens.size()));
  }
  return logits;
}

void Timings::print() const {
  const auto rate = [](uint64_t n, double s) { return s > 0 ? static_cast<double>(n) / s : 0.0; };
  if (n_guessed > 0)
    std::fprintf(stderr, "guessed %llu tokens, %llu right (%.0f %%); ", static_cast<unsigned long long>(n_guessed),
                 static_cast<unsigned long long>(n_accepted), 100 * rate(n_accepted, static_cast<double>(n_guessed)));
  std::fprintf(stderr, "load %.2f s; prefill %llu tokens, %.1f tok/s; decode %llu tokens, %.1f tok/s\n",
               load_s, static_cast<unsigned long long>(n_prefill), rate(n_prefill, prefill_s),
               static_cast<unsigned long long>(n_decode), rate(n_decode, decode_s));
}

}  // namespace command
