// The command `rwkv`: parses, dispatches, prints errors. The only unit that includes CLI11.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "shared.h"

namespace {

using command::Options;

// llama.cpp's options of several letters behind one dash, which CLI11 does not know.
std::string long_name(const std::string& argument) {
  static const std::map<std::string, std::string> kNames = {
      {"-cnv", "--conversation"}, {"-no-cnv", "--no-conversation"}, {"-sys", "--system-prompt"},
      {"-ngl", "--gpu-layers"},   {"-ub", "--ubatch-size"},         {"-fa", "--flash-attn"},
      {"-st", "--single-turn"},   {"-nkvo", "--no-kv-offload"},     {"-hf", "--hf-repo"}};
  const auto found = kNames.find(argument);
  return found == kNames.end() ? argument : found->second;
}

constexpr const char* kModelHelp = "model file (GGUF, .pth, safetensors, .bin) or Hugging Face folder";

void add_loading(CLI::App* app, Options& o) {
  app->add_option("-t,--threads", o.n_thread, "threads (default: physical cores this process may use)")
      ->check(CLI::Range(1, 1024));
  app->add_option("--device", o.device, "cpu (default) or reference (double precision, slow)");
  app->add_option("--cpu", o.isa, "instruction set: scalar, avx2, avx512, neon (also by RWKV_CPU)");
  app->add_option("--activations", o.activations, "s8 or s16: bits of activations beside quantized weights")
      ->transform(CLI::CheckedTransformer(std::map<std::string, uint32_t>{{"s8", 8}, {"s16", 16}}));
  app->add_option("--tokenizer", o.tokenizer, "tokenizer.json or a World vocabulary file");
  app->add_option("--v5-eps", o.v5_norm_eps, "group norm epsilon of v5 (default 64e-5; rwkv.cpp's: 1e-5)");
  app->add_flag("-v,--verbose", o.verbose, "log what is going on");
  app->add_flag("--exact", o.exact, "bits that never depend on chunks, threads or neighbours (always so on the CPU)");
}

void add_model(CLI::App* app, Options& o) {
  app->add_option("-m,--model", o.model, kModelHelp);
  add_loading(app, o);
}

// Options of llama.cpp that have no meaning for a model without attention; taken so that guides work.
void add_ignored(CLI::App* app) {
  const char* group = "Taken for llama.cpp's sake, without effect here";
  for (const char* name : {"-c,--ctx-size", "--gpu-layers,--n-gpu-layers", "-b,--batch-size",
                           "--ubatch-size", "--keep", "--cache-type-k", "--cache-type-v"})
    app->add_option(name)->group(group)->expected(1);
  for (const char* name : {"--flash-attn", "--no-mmap", "--mlock", "--no-kv-offload", "--no-warmup",
                           "--jinja", "--simple-io", "--no-display-prompt"})
    app->add_flag(name)->group(group);
}

void add_prompt(CLI::App* app, Options& o) {
  app->add_option("-p,--prompt", o.prompt, "prompt; \"-\" reads standard input");
  app->add_option("-f,--file", o.file, "file with the prompt");
  app->add_flag("-e,--escape,!--no-escape", o.escape, "process \\n, \\t, \\xHH in -p (default: yes)");
  app->add_flag("--special", o.special, "names of control tokens in the prompt become those tokens");
}

void add_generation(CLI::App* app, Options& o) {
  app->add_option("-n,--predict,--n-predict", o.n_predict, "tokens to generate (-1: until the end)")
      ->each([&o](const std::string&) { o.n_predict_given = true; });
  app->add_option("-r,--reverse-prompt", o.reverse_prompts, "text that ends the output");
  app->add_flag("--ignore-eos", o.ignore_end, "go on after the end of the text");
  app->add_option("--state-in", o.state_in, "start from this state file");
  app->add_option("--state-out", o.state_out, "write the state here at the end");
  app->add_option("--init-state", o.init_state, "state-tuned .pth or safetensors (time_state)");
  app->add_flag("-q,--quiet", o.quiet, "no timings, no echo of the prompt");
}

void add_sampling(CLI::App* app, Options& o) {
  const char* group = "Sampling";
  auto& s = o.sampling;
  app->add_option("--preset", s.preset, "named settings; \"help\" lists them")->group(group);
  app->add_option("-s,--seed", s.seed, "same seed, same text")->group(group);
  app->add_option("--temp,--temperature", s.temperature, "0: always the likeliest token")->group(group);
  app->add_option("--top-k", s.top_k)->group(group);
  app->add_option("--top-p", s.top_p)->group(group);
  app->add_option("--min-p", s.min_p)->group(group);
  app->add_option("--typical", s.typical_p)->group(group);
  app->add_option("--top-n-sigma", s.top_n_sigma)->group(group);
  app->add_option("--xtc-probability", s.xtc_probability)->group(group);
  app->add_option("--xtc-threshold", s.xtc_threshold)->group(group);
  app->add_option("--mirostat", s.mirostat, "0 or 2")->group(group);
  app->add_option("--mirostat-ent", s.mirostat_tau)->group(group);
  app->add_option("--mirostat-lr", s.mirostat_eta)->group(group);
  app->add_option("--presence-penalty", s.presence_penalty)->group(group);
  app->add_option("--frequency-penalty", s.frequency_penalty)->group(group);
  app->add_option("--penalty-decay", s.penalty_decay, "per token (RWKV)")->group(group);
  app->add_option("--penalty-mode", s.penalty_mode, "rwkv, ai00, openai or rapid")
      ->check(CLI::IsMember({"rwkv", "ai00", "openai", "rapid"}))->group(group);
  app->add_option("--repeat-penalty", s.repeat_penalty)->group(group);
  app->add_option("--repeat-last-n", s.repeat_last_n)->group(group);
  app->add_option("--dry-multiplier", s.dry_multiplier)->group(group);
  app->add_option("--dry-base", s.dry_base)->group(group);
  app->add_option("--dry-allowed-length", s.dry_allowed_length)->group(group);
  app->add_option("--dry-penalty-last-n", s.dry_penalty_last_n)->group(group);
  app->add_option("--logit-bias", s.logit_bias, "TOKEN_ID+BIAS")->group(group);
  app->add_flag("--temp-first", s.temperature_first, "temperature before the filters, as llama.cpp")
      ->group(group);
}

void add_chat(CLI::App* app, Options& o) {
  app->add_option("--system-prompt", o.system_prompt, "system prompt of a chat");
  app->add_option("--chat-template", o.chat_template,
                  "rwkv-world, g1, g1h, chatml, raven, custom:USER|ASSISTANT (default: by the model)");
  app->add_option("--think", o.think, "none, fast, free, think, short, long (g1 models)");
  app->add_flag("--conversation", o.conversation, "chat (-cnv)");
  app->add_flag("--no-conversation", o.no_conversation, "complete (-no-cnv)");
  app->add_flag("--single-turn", o.single_turn, "end after one reply");
  app->add_flag("--no-color", o.no_color, "no colours (also by NO_COLOR)");
  app->add_flag("--no-history", o.no_history, "keep no file of the lines typed in a chat");
}

void add_bench(CLI::App* app, command::BenchOptions& b) {
  app->add_option("-m,--model", b.models, std::string(kModelHelp) + "; repeat it to compare several")
      ->allow_extra_args(false);
  app->add_option("-p,--n-prompt", b.n_prompt, "prompt lengths to read (0: none)")->delimiter(',');
  app->add_option("-n,--n-gen", b.n_gen, "tokens to decode (0: none)")->delimiter(',');
  app->add_option("-b,--batch", b.batches, "sequences decoded at once")->delimiter(',')->check(CLI::Range(1, 1024));
  app->add_option("-r,--repetitions", b.repetitions)->check(CLI::Range(1, 1000));
  app->add_flag("--profile", b.profile, "time, bytes and share of each op while decoding");
  app->add_flag("--neighbour", b.neighbour, "decode again beside a busy loop on one core");
  app->add_option("--plot", b.plot, "write an SVG picture of the table to this file");
  app->add_option("-o,--output", b.format, "md, csv or json")->check(CLI::IsMember({"md", "csv", "json"}));
}

int dispatch(CLI::App& app, Options& o, const command::BenchOptions& bench, const std::map<std::string, CLI::App*>& subcommands) {
  const auto chosen = [&](const char* name) { return subcommands.at(name)->parsed(); };
  if (o.sampling.preset == "help") {
    std::printf("%s", rwkv_sampler_preset_list());
    return 0;
  }
  if (o.verbose)
    rwkv_set_log([](int, const char* sentence, void*) { std::fprintf(stderr, "rwkv: %s\n", sentence); },
                 nullptr);
  if (chosen("run")) return o.conversation && !o.no_conversation ? command::chat(o) : command::run(o);
  if (chosen("chat")) return o.no_conversation ? command::run(o) : command::chat(o);
  if (chosen("bench")) return command::bench(o, bench);
  if (chosen("info")) return command::info(o);
  if (chosen("tokenize")) return command::tokenize(o);
  if (chosen("logits")) return command::logits(o);
  std::printf("%s", app.help().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  command::BenchOptions bench_options;
  CLI::App app("Runs RWKV language models.", "rwkv");
  app.set_version_flag("--version", std::string("librwkv ") + rwkv_version_text());
  app.set_help_flag("-h,--help", "this text");
  std::map<std::string, CLI::App*> sub;
  const auto add = [&](const char* name, const char* about) {
    return sub[name] = app.add_subcommand(name, about);
  };
  for (CLI::App* generating : {add("run", "complete a text"), add("chat", "chat in the terminal")}) {
    add_model(generating, options);
    add_prompt(generating, options);
    add_generation(generating, options);
    add_sampling(generating, options);
    add_chat(generating, options);
    add_ignored(generating);
  }
  CLI::App* bench = add("bench", "speed, as a share of what the machine could do");
  add_loading(bench, options);
  add_bench(bench, bench_options);
  CLI::App* info = add("info", "what a model file holds");
  add_model(info, options);
  info->add_option("MODEL", options.model);
  info->add_flag("--json", options.json, "as JSON");
  CLI::App* tokenize = add("tokenize", "text to token ids");
  add_model(tokenize, options);
  tokenize->add_option("TEXT", options.text, "text; \"-\" reads standard input")->required();
  tokenize->add_flag("--ids", options.ids, "ids only, on one line");
  tokenize->add_flag("--special", options.special, "names of control tokens become those tokens");
  CLI::App* logits = add("logits", "raw float32 logits of a text");
  add_model(logits, options);
  add_prompt(logits, options);
  logits->add_option("--tokens", options.tokens, "ids: 1,2,3");
  logits->add_flag("--all", options.all, "after every token, [T, V]");
  logits->add_option("--chunk", options.chunk, "feed in pieces of this many tokens");
  logits->add_option("-o,--output", options.out, "file; \"-\": standard output");

  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) arguments.push_back(long_name(argv[i]));
  // A llama.cpp guide has no subcommand: complete.
  if (!arguments.empty() && arguments[0].rfind("-", 0) == 0 && arguments[0] != "--version" &&
      arguments[0] != "-h" && arguments[0] != "--help")
    arguments.insert(arguments.begin(), "run");
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(arguments);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "rwkv: %s (rwkv --help)\n", error.what());
    return 1;
  }
  try {
    return dispatch(app, options, bench_options, sub);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rwkv: %s\n", error.what());
    return 1;
  }
}
