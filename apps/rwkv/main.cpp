// The command `rwkv`: parses, dispatches, prints errors. The only unit that includes CLI11.
#include <CLI/CLI.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <map>
#include <numeric>
#include <set>

#include "shared.h"

namespace {

using command::Options;

// llama.cpp's options of several letters behind one dash, which CLI11 does not know.
std::string long_name(const std::string& argument) {
  static const std::map<std::string, std::string> kNames = {
      {"-cnv", "--conversation"}, {"-no-cnv", "--no-conversation"}, {"-sys", "--system-prompt"},
      {"-ngl", "--gpu-layers"},   {"-ub", "--ubatch-size"},         {"-fa", "--flash-attn"},
      {"-md", "--model-draft"},   {"-st", "--single-turn"},         {"-nkvo", "--no-kv-offload"},
      {"-hf", "--hf-repo"},       {"-ctk", "--cache-type-k"},       {"-ctv", "--cache-type-v"},
      {"-tb", "--threads-batch"}, {"-np", "--parallel"},            {"-mg", "--main-gpu"},
      {"-sm", "--split-mode"},    {"-ts", "--tensor-split"},        {"-dev", "--device-list"},
      {"-lv", "--log-verbosity"}};
  const auto found = kNames.find(argument);
  return found == kNames.end() ? argument : found->second;
}

// CLI11 would take a text that begins with a dash for an option: written in one word it does not.
void join_texts(std::vector<std::string>& arguments, const std::set<std::string>& names) {
  static const std::set<std::string> kTexts = {"-p", "--prompt", "-r", "--reverse-prompt", "--system-prompt"};
  for (size_t i = 0; i + 1 < arguments.size(); ++i) {
    const std::string& text = arguments[i + 1];
    if (!kTexts.contains(arguments[i]) || text.size() < 2 || text[0] != '-' || names.contains(text)) continue;
    arguments[i] += (arguments[i][1] == '-' ? "=" : "") + text;
    arguments.erase(arguments.begin() + static_cast<ptrdiff_t>(i) + 1);
  }
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j)
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])}));
  }
  return row[b.size()];
}

// What llama.cpp's users look for under another name.
const char* elsewhere(const std::string& option) {
  static const std::map<std::string, const char*> kPlaces = {
      {"--prompt-cache", "--state-out FILE keeps the state of a text, --state-in FILE goes on from it"},
      {"-i", "rwkv chat talks"},
      {"--interactive", "rwkv chat talks"},
      {"-if", "rwkv chat talks"},
      {"--interactive-first", "rwkv chat talks"},
      {"-ins", "rwkv chat talks"},
      {"--in-prefix", "--chat-template custom:USER|ASSISTANT says how turns look"},
      {"--in-suffix", "--chat-template custom:USER|ASSISTANT says how turns look"},
      {"--chat-template-file", "--chat-template takes a name or custom:USER|ASSISTANT"},
      {"--samplers", "the order is fixed, but for --temp-first"},
      {"--grammar", "grammars are not there"},
      {"--grammar-file", "grammars are not there"},
      {"-j", "grammars are not there"},
      {"--json-schema", "grammars are not there"},
      {"-hff", "-hf OWNER/REPO:QUANT or rwkv pull hf:OWNER/REPO/FILE"},
      {"--hf-file", "-hf OWNER/REPO:QUANT or rwkv pull hf:OWNER/REPO/FILE"},
      {"-mu", "rwkv pull https://..."},
      {"--model-url", "rwkv pull https://..."},
      {"--leave-output-tensor", "--output-tensor-type F16"}};
  const auto found = kPlaces.find(option);
  return found == kPlaces.end() ? nullptr : found->second;
}

std::string nearest(const std::string& word, const std::set<std::string>& names) {  // "": none is near
  const auto near = std::min_element(names.begin(), names.end(), [&](const auto& a, const auto& b) {
    return edit_distance(word, a) < edit_distance(word, b);
  });
  return near != names.end() && edit_distance(word, *near) <= 2 && word.size() > 3 ? *near : "";
}

// An option's name, whether it stands alone or before "="; "" for what CLI11 takes for a text or a number.
std::string option_in(const std::string& argument) {
  const size_t n_dash = argument.rfind("--", 0) == 0 ? 2 : argument.rfind('-', 0) == 0 ? 1 : 0;
  if (n_dash == 0 || argument.size() <= n_dash) return "";
  const auto first = static_cast<unsigned char>(argument[n_dash]);
  if (first <= '!' || first == '-' || (n_dash == 1 && (std::isdigit(first) || first == '.'))) return "";
  return argument.substr(0, argument.find('='));
}

// CLI11 names the value of an option that it does not know, and takes an option for the value of the one before.
std::string mistake_in(const std::vector<std::string>& arguments, const CLI::App& sub, const std::set<std::string>& names) {
  const std::string help = " (rwkv " + sub.get_name() + " --help)";
  for (size_t i = 1; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::string option = option_in(arguments[i]);
    if (option.empty()) continue;
    const bool glued = option[1] != '-' && option.size() > 2 && names.contains(option.substr(0, 2)) && !elsewhere(option);
    if (!names.contains(option) && !glued) {
      const std::string near = nearest(option, names);
      const char* place = elsewhere(option);
      return "unknown option " + option +
             (place ? std::string(": ") + place : near.empty() ? "" : ": did you mean " + near + "?") + help;
    }
    const CLI::Option* known = glued ? nullptr : sub.get_option_no_throw(option);
    if (!known || option != arguments[i] || known->get_items_expected_min() == 0) continue;
    if (i + 1 == arguments.size() || names.contains(arguments[i + 1])) return option + " needs a value" + help;
    ++i;  // the value, whatever it looks like
  }
  return "";
}

// CLI11's errors in this program's words. `names`: of the subcommands, when none was chosen.
std::string sentence_of(const CLI::ParseError& error, const std::string& command, const std::set<std::string>& names) {
  std::string what = error.what();
  const std::string help = " (rwkv " + command + (command.empty() ? "" : " ") + "--help)";
  if (dynamic_cast<const CLI::ExtrasError*>(&error)) {
    const size_t colon = what.find(": ");
    const std::string argument = what.substr(colon + 2, what.find(' ', colon + 2) - colon - 2);
    if (!command.empty()) return "'" + argument + "' is one argument too many" + help;
    const std::string near = nearest(argument, names);
    return "'" + argument + "' is no command" + (near.empty() ? "" : ": did you mean " + near + "?") + help;
  }
  if (what == "A subcommand is required" && command == "state") return "expected info, convert, mix or diff after state" + help;
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) && what.find("required") != std::string::npos)
    return what.substr(0, what.find(':')) + " needs a value" + help;
  if (dynamic_cast<const CLI::ConversionError*>(&error) && what.rfind("Could not convert: ", 0) == 0)
    return what.substr(19) + ": expected a number" + help;
  return what + help;
}

constexpr const char* kModelHelp =
    "model file (GGUF, .pth, safetensors, .bin), Hugging Face folder, or a pulled model's name";

void add_loading(CLI::App* app, Options& o) {
  app->add_option("-t,--threads", o.n_thread, "threads (default: physical cores this process may use)")
      ->check(CLI::Range(1, 1024));
  app->add_option("--device", o.device, "cpu (default) or reference (double precision, slow)");
  app->add_option("--cpu", o.isa, "instruction set: scalar, avx2, avx512, amx, neon, neon_dotprod, neon_i8mm (also by RWKV_CPU)");
  app->add_option("--activations", o.activations, "s8 or s16: bits of activations beside quantized weights")
      ->transform(CLI::CheckedTransformer(std::map<std::string, uint32_t>{{"s8", 8}, {"s16", 16}}));
  app->add_flag("--dense", o.dense, "do not leave out the zeros of the feed-forward (same text, slower)");
  app->add_option("--tokenizer", o.tokenizer, "tokenizer.json or a World vocabulary file");
  app->add_option("--quant", o.quant, "quantize while loading: Q8_0, Q4_K_M ...");
  app->add_option("--lora", o.lora, "adapter to merge, FILE or FILE:SCALE (may be given again)")
      ->allow_extra_args(false);
  app->add_option("--v5-eps", o.v5_norm_eps, "group norm epsilon of v5 (default 64e-5; rwkv.cpp's: 1e-5)")
      ->check([](const std::string& text) {
        const double value = std::strtod(text.c_str(), nullptr);
        return value > 0 && value <= 1 ? std::string() : "\"" + text + "\": expected a number above 0 and at most 1";
      });
  app->add_flag("-v,--verbose", o.verbose, "log what is going on");
  app->add_flag("--bf16-activations", o.bf16_activations,
                "BF16 weights times activations rounded to BF16, for --cpu amx (slower without)");
  app->add_flag("--exact", o.exact, "float weights times activations as they are, whatever else is asked for");
}

void add_model(CLI::App* app, Options& o) {
  app->add_option("-m,--model", o.model, kModelHelp);
  app->add_option("--hf-repo", o.hf, "OWNER/REPO[:QUANT] on Hugging Face; pulled if it is not there (-hf)");
  add_loading(app, o);
}

// Options of llama.cpp that have no meaning for a model without attention; taken so that guides work.
void add_ignored(CLI::App* app) {
  const char* group = "Taken for llama.cpp's sake, without effect here";
  for (const char* name : {"-c,--ctx-size", "--gpu-layers,--n-gpu-layers", "-b,--batch-size",
                           "--ubatch-size", "--keep", "--cache-type-k", "--cache-type-v", "--threads-batch",
                           "--parallel", "--main-gpu", "--split-mode", "--tensor-split", "--device-list",
                           "--log-verbosity", "--numa", "--prio"})
    for (const std::string& free : CLI::detail::split(name, ','))
      if (!app->get_option_no_throw(free)) app->add_option(free)->group(group)->expected(1);
  for (const char* name : {"--no-mmap", "--mmap", "--mlock", "--no-kv-offload", "--no-warmup", "--jinja",
                           "--no-jinja", "--simple-io", "--log-disable", "--no-perf", "--perf", "--offline",
                           "--no-context-shift", "--verbose-prompt", "--color", "--flash-attn"})
    app->add_flag(name)->group(group);
}

void add_prompt(CLI::App* app, Options& o) {
  app->add_option("-p,--prompt", o.prompt,
                  "prompt; \"-\" reads standard input (run and chat leave out a last line break, as of a -f FILE); in a chat the system prompt, or with -sys or -st the first message");
  app->add_option("-f,--file", o.file, "file with the prompt");
  app->add_flag("-e,--escape,!--no-escape", o.escape, "process \\n, \\t, \\xHH in -p (default: yes)");
  app->add_flag("--special", o.special, "names of control tokens in the prompt become those tokens");
}

void add_generation(CLI::App* app, Options& o) {
  app->add_option("-n,--predict,--n-predict", o.n_predict, "tokens to generate (-1: until the end; default 256)")
      ->check(CLI::Range(-2, INT32_MAX))
      ->each([&o](const std::string&) { o.n_predict_given = true; });
  app->add_option("-r,--reverse-prompt", o.reverse_prompts, "text that ends the output");
  app->add_flag("--ignore-eos", o.ignore_end, "go on after the end of the text");
  app->add_option("--state-in", o.state_in, "start from this state file");
  app->add_option("--state-out", o.state_out, "write the state here at the end");
  app->add_option("--init-state", o.init_state, "state-tuned .pth or safetensors (time_state)");
  app->add_option("--draft,--draft-max", o.n_draft,
                  "guess up to N tokens ahead from repetitions in the text; the text stays the same (with -md: 8)")
      ->check(CLI::Range(0, 16));
  app->add_option("--model-draft", o.draft_model, "guess with this smaller model of the same vocabulary (-md)");
  app->add_flag("-q,--quiet", o.quiet, "no timings, no echo of the prompt");
  app->add_flag("--no-display-prompt", o.no_echo, "no echo of the prompt");
}

void add_sampling(CLI::App* app, Options& o) {
  const char* group = "Sampling (what is not given comes from the preset: --preset help)";
  auto& s = o.sampling;
  app->add_option("--preset", s.preset, "named settings; \"help\" lists them")->group(group);
  app->add_option("-s,--seed", s.seed, "same seed, same text; -1 or none: another text each time")
      ->check([](const std::string& text) {  // CLI11 would take the nearest number
        int64_t value = 0;
        const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
        return end.ec == std::errc::result_out_of_range ? text + ": expected a number below 2^63" : std::string();
      })
      ->group(group);
  app->add_option("--temp,--temperature", s.temperature, "0: always the likeliest token")->group(group);
  app->add_option("--top-k", s.top_k, "only the K likeliest (0: all)")->group(group);
  app->add_option("--top-p", s.top_p, "only the likeliest that make up this share (1: all)")->group(group);
  app->add_option("--min-p", s.min_p, "only those above this share of the likeliest one (0: all)")->group(group);
  app->add_option("--typical", s.typical_p, "locally typical sampling (1: off)")->group(group);
  app->add_option("--top-n-sigma", s.top_n_sigma, "only logits within N deviations of the highest (off: -1)")->group(group);
  app->add_option("--xtc-probability", s.xtc_probability, "how often the likeliest are left out (0: never)")->group(group);
  app->add_option("--xtc-threshold", s.xtc_threshold, "what counts as likely for that")->group(group);
  app->add_option("--mirostat", s.mirostat, "0 (off) or 2: hold the surprise at a level")->group(group);
  app->add_option("--mirostat-ent", s.mirostat_tau, "that level, in bits")->group(group);
  app->add_option("--mirostat-lr", s.mirostat_eta, "how fast it is followed")->group(group);
  app->add_option("--presence-penalty", s.presence_penalty, "taken off the logit of a token that came before")->group(group);
  app->add_option("--frequency-penalty", s.frequency_penalty, "for each time that it came")->group(group);
  app->add_option("--penalty-decay", s.penalty_decay, "per token (RWKV)")->group(group);
  app->add_option("--penalty-mode", s.penalty_mode, "rwkv, ai00, openai or rapid")
      ->check(CLI::IsMember({"rwkv", "ai00", "openai", "rapid"}))->group(group);
  app->add_option("--repeat-penalty", s.repeat_penalty, "divides the logits of the last tokens (1: off)")->group(group);
  app->add_option("--repeat-last-n", s.repeat_last_n, "how many are the last")->group(group);
  app->add_option("--dry-multiplier", s.dry_multiplier, "against repeated passages (0: off)")->group(group);
  app->add_option("--dry-base", s.dry_base, "how it grows with their length")->group(group);
  app->add_option("--dry-allowed-length", s.dry_allowed_length, "tokens that may repeat freely")->group(group);
  app->add_option("--dry-penalty-last-n", s.dry_penalty_last_n, "how far back it looks")->group(group);
  app->add_option("--logit-bias", s.logit_bias, "TOKEN_ID+BIAS or TOKEN_ID-BIAS (may be given again)")->group(group);
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
  app->add_option("-p,--n-prompt", b.n_prompt, "prompt lengths to read (0: none; default 512)")
      ->delimiter(',')->check(CLI::Range(0, 1 << 24));
  app->add_option("-n,--n-gen", b.n_gen, "tokens to decode (0: none; default 64)")
      ->delimiter(',')->check(CLI::Range(0, 1 << 24));
  app->add_option("-b,--batch", b.batches, "sequences decoded at once (default 1)")->delimiter(',')->check(CLI::Range(1, 1024));
  app->add_option("-r,--repetitions", b.repetitions, "of each test (default 3)")->check(CLI::Range(1, 1000));
  app->add_flag("--profile", b.profile, "time, bytes and share of each op while decoding, and how much of it threads were in kernels");
  app->add_flag("--neighbour", b.neighbour, "decode again beside a busy loop on one core");
  app->add_option("--plot", b.plot, "write an SVG picture of the table to this file");
  app->add_option("-o,--output", b.format, "md, csv, or json (jsonl): an object a line")
      ->check(CLI::IsMember({"md", "csv", "json", "jsonl"}));
}

void add_convert(CLI::App* app, command::ConvertOptions& c) {
  app->add_option("IN", c.in, "model file or Hugging Face folder")->required();
  app->add_option("OUT", c.out, "what to write")->required();
  app->add_option("-t,--threads", c.n_thread, "threads (default: physical cores this process may use)")
      ->check(CLI::Range(1, 1024));
  app->add_option("--to", c.format, "gguf, pth, safetensors, hf, ggmf (default: by OUT's ending)");
  app->add_option("--tokenizer", c.tokenizer, "tokenizer.json or a World vocabulary file");
  app->add_option("--lora", c.lora, "adapter to merge, FILE or FILE:SCALE (may be given again)")
      ->allow_extra_args(false);
  app->add_flag("--keep-split", c.keep_split, "as many files as IN has (GGUF)");
  app->add_flag("--dry-run", c.dry_run, "check and count, write nothing");
  app->add_flag("--list", c.list, "print every tensor and its type");
}

void add_quantize(CLI::App* app, command::ConvertOptions& c) {
  app->add_option("TYPE", c.type, "Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0 ... F16, BF16, F32")->required();
  app->add_option("THREADS", c.n_thread, "threads")->check(CLI::Range(1, 1024));
  app->add_option("--imatrix", c.imatrix, "importance matrix (GGUF or .dat)");
  app->add_flag("--pure", c.pure, "one type for all matrices but low-rank ones");
  app->add_option("--output-tensor-type", c.output_tensor_type, "type of the head");
  app->add_option("--token-embedding-type", c.token_embedding_type, "type of the embedding");
  app->add_option("--tensor-type", c.tensor_types, "NAME=TYPE, NAME a regular expression (may be given again)")
      ->allow_extra_args(false);
  app->add_flag("--allow-requantize", c.allow_requantize, "from one block type to another");
}

void add_perplexity(CLI::App* app, command::PerplexityOptions& p) {
  app->add_option("-f,--file", p.file, "text; \"-\" reads standard input");
  app->add_option("-c,--ctx-size", p.chunk_length, "reset the state after this many tokens (default: never)")
      ->check(CLI::Range(2, 1 << 30));
  app->add_option("--chunks", p.n_chunk, "stop after this many chunks (of -c, else 512 tokens), or passages");
  app->add_option("--resume", p.resume, "keep what is known here; the same command goes on from it");
  app->add_option("--kl-divergence-base", p.base, "file of the base model's predictions: written, or with");
  app->add_flag("--kl-divergence", p.compare, "compared with");
  app->add_option("--lambada", p.lambada, "score the last word of each line {\"text\": ...} of this file");
  app->add_flag("--json", p.json, "as JSON");
}

void add_imatrix(CLI::App* app, command::ImatrixOptions& i) {
  app->add_option("-f,--file", i.file, "calibration text; \"-\" reads standard input");
  app->add_option("-o,--output", i.out, "file to write")->required();
  app->add_option("--output-format", i.format, "gguf or dat")->check(CLI::IsMember({"gguf", "dat"}));
  app->add_option("-c,--ctx-size", i.chunk_length, "reset the state after this many tokens (default: never)")
      ->check(CLI::Range(1, 1 << 30));
  app->add_option("--chunks", i.n_chunk, "stop after this many chunks (of -c, else 512 tokens)");
  app->add_option("--in-file", i.inputs, "importance matrix that is added; may be given again");
}

void add_quality(CLI::App* app, Options& o, command::QualityOptions& q) {
  app->add_option("MODEL", o.model, "the original");
  app->add_option("-f,--file", q.file, "text; \"-\" reads standard input");
  app->add_option("--types", q.types, "types to quantize to and measure: q8_0,q6_k,q4_k_m")->delimiter(',');
  app->add_option("--models", q.models, "quantized files to measure: A.gguf,B.gguf")->delimiter(',');
  app->add_option("-o,--output", q.folder, "folder of report.md, .json, .svg, .html (default: quality)");
  app->add_option("--chunks", q.n_chunk, "tokens of the text to read, in 512s (default: 8; 0: all)");
}

void add_pull(CLI::App* app, command::PullOptions& p) {
  app->add_option("NAME", p.name,
                  "rwkv7-g1d-0.4b[:QUANT], hf:OWNER/REPO/FILE, hf:OWNER/REPO[:QUANT], ms:OWNER/REPO/FILE, "
                  "https://...");
  app->add_option("--hf-repo", p.hf, "the same as hf:OWNER/REPO[:QUANT] (-hf)");
  app->add_flag("--list", p.list, "the names of the catalogue");
  app->add_option("--from", p.from, "where the catalogue's names come from: hf or ms (ModelScope)")
      ->check(CLI::IsMember({"hf", "ms"}));
  app->add_option("--connections", p.n_connection, "ranges fetched at once (default 4)")
      ->check(CLI::Range(1, 16));
  app->add_option("--retries", p.n_retry, "faults in a row that are borne (default 5)")
      ->check(CLI::Range(0, 100));
  app->add_option("--stall", p.stall_s, "seconds without a byte that are a fault (default 60)")
      ->check(CLI::Range(1, 3600));
  app->add_flag("-q,--quiet", p.quiet, "no progress");
}

void add_state(CLI::App* app, command::StateOptions& s) {
  app->require_subcommand(1);
  const auto action = [&](const char* name, const char* about, const char* files, int n_file) {
    CLI::App* sub = app->add_subcommand(name, about);
    sub->fallthrough();  // -m may stand behind
    sub->add_option(files, s.files)->required()->expected(n_file);
    sub->callback([&s, name] { s.action = name; });
    return sub;
  };
  action("info", "sizes and magnitudes", "FILE", 1);
  action("convert", "write a state in another program's layout", "IN OUT", 2)
      ->add_option("--to", s.format, "librwkv (default), rwkv.cpp, pip, llama.cpp, tuned");
  action("mix", "OUT = weighted sum of FILE:WEIGHT ... (without weights: the mean)", "OUT FILE...", -3);
  action("diff", "how far two states are apart", "FILE FILE", 2);
}

// What the subcommands with options of their own are given.
struct Given {
  Options o;
  command::BenchOptions bench;
  command::PerplexityOptions perplexity;
  command::ImatrixOptions imatrix;
  command::QualityOptions quality;
  command::ConvertOptions convert;
  command::PullOptions pull;
  command::StateOptions state;
};

int dispatch(CLI::App& app, Given& given, const std::map<std::string, CLI::App*>& subcommands) {
  Options& o = given.o;
  const auto chosen = [&](const char* name) { return subcommands.at(name)->parsed(); };
  for (const auto& [name, sub] : subcommands) {
    const CLI::Option *named = sub->get_option_no_throw("--model"), *bare = sub->get_option_no_throw("MODEL");
    if (sub->parsed() && named && bare && named->count() > 0 && bare->count() > 0)
      throw command::Failure("'" + o.model + "' is one argument too many: -m names a model already (a prompt comes with -p)");
  }
  if (o.sampling.preset == "help") {
    std::printf("%s", rwkv_sampler_preset_list());
    return 0;
  }
  rwkv_set_log(
      [](int level, const char* sentence, void* verbose) {
        if (level >= 2 || verbose) std::fprintf(stderr, "rwkv: %s\n", sentence);
      },
      o.verbose ? &o : nullptr);
  if (chosen("run") || chosen("chat")) {
    // A system prompt and a single turn are a chat's, as for llama-cli.
    const bool talks = chosen("chat") || o.conversation || o.single_turn || !o.system_prompt.empty();
    if (!o.no_conversation && talks) return command::chat(o);
    for (const auto& [name, value] : {std::pair{"--system-prompt", &o.system_prompt},
                                      {"--chat-template", &o.chat_template}, {"--think", &o.think}})
      if (!value->empty() && !o.quiet)
        std::fprintf(stderr, "rwkv: %s is for a chat (rwkv chat, or -cnv) and has no effect here\n", name);
    return command::run(o);
  }
  if (chosen("bench")) return command::bench(o, given.bench);
  if (chosen("perplexity")) return command::perplexity(o, given.perplexity);
  if (chosen("quality")) return command::quality(o, given.quality);
  if (chosen("imatrix")) return command::imatrix(o, given.imatrix);
  if (chosen("convert")) return command::convert(given.convert);
  if (chosen("quantize")) return command::quantize(given.convert);
  if (chosen("pull")) return command::pull(given.pull);
  if (chosen("list")) return command::list_models(o.json);
  if (chosen("rm")) return command::remove_model(o.text);
  if (chosen("state")) return command::state(o, given.state);
  if (chosen("info")) return command::info(o);
  if (chosen("tokenize")) return command::tokenize(o);
  if (chosen("logits")) return command::logits(o);
  std::printf("%s", app.help().c_str());
  return 1;
}

std::map<std::string, CLI::App*> add_subcommands(CLI::App& app, Given& given) {
  Options& options = given.o;
  std::map<std::string, CLI::App*> sub;
  const auto add = [&](const char* name, const char* about) {
    return sub[name] = app.add_subcommand(name, about);
  };
  for (CLI::App* generating : {add("run", "complete a text"), add("chat", "chat in the terminal")}) {
    add_model(generating, options);
    generating->add_option("MODEL", options.model, "the same as -m");
    add_prompt(generating, options);
    add_generation(generating, options);
    add_sampling(generating, options);
    add_chat(generating, options);
    add_ignored(generating);
  }
  CLI::App* bench = add("bench", "speed, as a share of what the machine could do");
  add_loading(bench, options);
  bench->add_option("--hf-repo", options.hf, "OWNER/REPO[:QUANT] on Hugging Face (-hf)");
  add_bench(bench, given.bench);
  add_ignored(bench);
  CLI::App* perplexity = add("perplexity", "how well a model predicts a text, and beside another model");
  add_model(perplexity, options);
  add_perplexity(perplexity, given.perplexity);
  add_ignored(perplexity);
  CLI::App* quality = add("quality", "what each quantized form of a model costs: a report");
  add_model(quality, options);
  add_quality(quality, options, given.quality);
  CLI::App* imatrix = add("imatrix", "importance matrix for quantizing, from a text");
  add_model(imatrix, options);
  add_imatrix(imatrix, given.imatrix);
  add_ignored(imatrix);
  CLI::App* convert = add("convert", "write a model in another format, without changing a value");
  add_convert(convert, given.convert);
  convert->add_option("--outtype,--type", given.convert.type, "f32, f16, bf16, auto (default) or a block type");
  CLI::App* quantize = add("quantize", "write a smaller model");
  add_convert(quantize, given.convert);
  add_quantize(quantize, given.convert);
  CLI::App* state = add("state", "look at state files, convert, mix and compare them");
  add_model(state, options);
  add_state(state, given.state);
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
  logits->add_option("--chunk", options.chunk, "feed in pieces of this many tokens")
      ->check(CLI::Range(1, INT32_MAX));
  logits->add_option("-o,--output", options.out, "file; \"-\": standard output");
  add_pull(add("pull", "get a published model"), given.pull);
  add("list", "the models that were pulled")->add_flag("--json", options.json, "as JSON");
  add("rm", "remove a pulled model")->add_option("NAME", options.text)->required();
  return sub;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a limit to the size of files ends in a sentence, like a full disk
  Given given;
  CLI::App app("Runs RWKV language models.", "rwkv");
  app.set_version_flag("--version", std::string("librwkv ") + rwkv_version_text());
  app.set_help_flag("-h,--help", "this text");
  const auto sub = add_subcommands(app, given);
  // Where an option is given twice the last one counts, as in llama.cpp: wrappers append theirs.
  for (const auto& [name, command] : sub)
    for (CLI::Option* option : command->get_options())
      if (option->get_expected_max() == 1 && option->get_items_expected_max() == 1 && !option->get_positional())
        option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) arguments.push_back(long_name(argv[i]));
  if (!arguments.empty() && arguments[0] == "help") {  // help [COMMAND]
    arguments.erase(arguments.begin());
    arguments.push_back("--help");
  }
  // A llama.cpp guide has no subcommand: complete.
  if (!arguments.empty() && arguments[0].rfind("-", 0) == 0 && arguments[0] != "--version" &&
      arguments[0] != "-h" && arguments[0] != "--help")
    arguments.insert(arguments.begin(), "run");
  const std::string chosen = !arguments.empty() && sub.contains(arguments[0]) ? arguments[0] : "";
  std::set<std::string> names;
  if (!chosen.empty())
    for (const CLI::Option* option : sub.at(chosen)->get_options()) {
      for (const std::string& name : option->get_lnames()) names.insert("--" + name);
      for (const std::string& name : option->get_snames()) names.insert("-" + name);
    }
  join_texts(arguments, names);
  // llama.cpp's newer form of flags.
  static const std::set<std::string> kSwitches = {"--flash-attn", "--color", "--jinja"}, kStates = {"on", "off", "auto", "0", "1"};
  for (size_t i = 0; i + 1 < arguments.size(); ++i)
    if (kSwitches.contains(arguments[i]) && kStates.contains(arguments[i + 1]))
      arguments.erase(arguments.begin() + static_cast<ptrdiff_t>(i) + 1);
  if (!chosen.empty() && chosen != "state")
    if (const std::string mistake = mistake_in(arguments, *sub.at(chosen), names); !mistake.empty()) {
      std::fprintf(stderr, "rwkv: %s\n", mistake.c_str());
      return 1;
    }
  if (chosen.empty())
    for (const auto& [name, command] : sub) names.insert(name);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  bool answered = false;  // --version and --help
  try {
    app.parse(arguments);
  } catch (const CLI::Success& done) {
    app.exit(done);
    answered = true;
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "rwkv: %s\n", sentence_of(error, chosen, names).c_str());
    return 1;
  }
  try {
    const int code = answered ? 0 : dispatch(app, given, sub);
    command::check_output();
    return code;
  } catch (const command::Interrupted& interrupted) {
    std::fprintf(stderr, "rwkv: %s\n", interrupted.what());
    return 130;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rwkv: %s\n", error.what());
    return 1;
  }
}
