#include "engine/model.h"

#include <filesystem>
#include <map>

#include "backends/cpu/cpu.h"
#include "backends/reference/reference.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "convert/load.h"
#include "formats/formats.h"

namespace rwkv {
namespace {

uint64_t fingerprint_of(const Model& model) {
  Hash64 hash;
  hash.add(model.version);
  const Plan& plan = *model.plan;
  for (const size_t n : {plan.n_layer, plan.n_embd, plan.n_vocab, plan.n_head, plan.head_size, plan.n_ffn})
    hash.add(n);
  // Vectors keep their values when a model is quantized or converted.
  for (const char* name : {"ln_out.weight", "blocks.0.ln1.weight", "blocks.0.ln2.weight"})
    for (const float x : model.weights->vector(name, plan.n_embd)) hash.add(x);
  return hash.value();
}

// Then that is the first half of the work.
bool changes_weights(const OpenOptions& options) { return !options.quant.empty() || !options.lora.empty(); }

struct Backend {
  const char* name;
  std::unique_ptr<Executor> (*make)(const LoadedModel&, const OpenOptions&);
};
constexpr Backend kBackends[] = {
    {"cpu",
     [](const LoadedModel& m, const OpenOptions& options) -> std::unique_ptr<Executor> {
       CpuOptions cpu{options.n_thread, options.activations, options.bf16_activations, options.sparse, options.isa, {},
                      options.progress};
       if (options.progress && changes_weights(options))
         cpu.progress = [&options](float fraction) { options.progress(0.5f + 0.5f * fraction); };
       cpu.drop = [weights = m.model.weights](std::span<const std::byte> bytes) { weights->drop(bytes); };
       return make_cpu_executor(m.model.plan, cpu);
     }},
    {"reference",
     [](const LoadedModel& m, const OpenOptions&) { return make_reference_executor(m.model.plan); }},
    {"none", [](const LoadedModel&, const OpenOptions&) { return std::unique_ptr<Executor>(); }},
};

}  // namespace

const Tokenizer& LoadedModel::tokens() const {
  if (!tokenizer) throw Error(Code::kMissing, "{}", no_tokenizer);
  return *tokenizer;
}

Executor& LoadedModel::runner() const {
  if (!executor) throw Error(Code::kArgument, "{}: was opened with device \"none\", which runs nothing", path);
  return *executor;
}

std::shared_ptr<LoadedModel> load_model(const std::string& path, const OpenOptions& options) {
  const Backend* backend = nullptr;
  for (const Backend& candidate : kBackends)
    if (options.device == candidate.name) backend = &candidate;
  if (!backend)
    throw Error(Code::kArgument, "device \"{}\": expected cpu, reference or none", options.device);
  auto loaded = std::make_shared<LoadedModel>();
  loaded->path = path;
  loaded->file = open_tensor_file(path);
  const ModelOptions model_options{options.v5_norm_eps};
  LoadChanges changes{options.quant, options.lora, options.n_thread, {}};
  if (options.progress) changes.progress = [&](float fraction) { options.progress(0.5f * fraction); };
  loaded->model = !changes_weights(options) ? build_model(loaded->file, model_options)
                                  : build_changed_model(loaded->file, model_options, changes);
  const Plan& plan = loaded->plan();
  loaded->tokenizer =
      choose_tokenizer(*loaded->file, plan.n_vocab, options.tokenizer_path, loaded->no_tokenizer);
  loaded->fingerprint = fingerprint_of(loaded->model);
  const std::string* name = loaded->file->meta_string("general.name");
  const std::string* chat = loaded->file->meta_string("tokenizer.chat_template");
  loaded->chat_hints = {name ? *name : std::filesystem::path(path).filename().string(),
                        loaded->model.version, chat ? *chat : "", plan.n_vocab};
  loaded->executor = backend->make(*loaded, options);
  log(LogLevel::kInfo,
      strf("{}: RWKV {} ({} names), {} layers of {}, vocabulary of {}, tokenizer {}, chat template {}, {}", path,
           loaded->model.version, loaded->model.weights->scheme, plan.n_layer, plan.n_embd, plan.n_vocab,
           loaded->tokenizer ? loaded->tokenizer->kind() : loaded->no_tokenizer, choose_template(loaded->chat_hints),
           loaded->executor ? loaded->executor->device() : "not to be run"));
  return loaded;
}

std::string describe_json(const LoadedModel& m) {
  const Plan& plan = m.plan();
  std::map<std::string, size_t> types;
  size_t n_parameter = 0, weight_bytes = 0;
  for (const auto& [name, entry] : m.model.weights->entries()) {
    ++types[std::string(rwkv::name(entry.dtype))];
    n_parameter += count_of(entry.shape);
    weight_bytes += entry.bytes.size();
  }
  std::string out = "{\n";
  const auto text = [&](const char* key, const std::string& value) {
    out += strf("  \"{}\": {},\n", key, json_quote(replace_invalid_utf8(value)));
  };
  const auto number = [&](const char* key, size_t value) { out += strf("  \"{}\": {},\n", key, value); };
  text("path", m.path);
  text("name", m.chat_hints.model_name);
  text("format", m.file->format());
  text("naming", m.model.weights->scheme);
  text("version", m.model.version);
  number("n_layer", plan.n_layer);
  number("n_embd", plan.n_embd);
  number("n_ffn", plan.n_ffn);
  number("n_head", plan.n_head);
  number("head_size", plan.head_size);
  number("n_vocab", plan.n_vocab);
  number("n_parameter", n_parameter);
  number("file_bytes", m.file->file_bytes());
  number("weight_bytes", weight_bytes);
  number("state_bytes", plan.state.size * sizeof(float));
  number("memory_bytes", weight_bytes + plan.state.size * sizeof(float) + (size_t{32} << 20));
  out += "  \"tensor_types\": {";
  const char* comma = "";
  for (const auto& [type, count] : types) {
    out += strf("{}\"{}\": {}", comma, type, count);
    comma = ", ";
  }
  out += "},\n";
  text("tokenizer", m.tokenizer ? std::string(m.tokenizer->kind()) : "none");
  number("tokenizer_tokens", m.tokenizer ? m.tokenizer->n_token() : 0);
  text("chat_template", choose_template(m.chat_hints));
  text("fingerprint", hex(m.fingerprint));
  text("device", m.executor ? std::string(m.executor->device()) : "none");
  out.erase(out.size() - 2);
  return out + "\n}\n";
}

}  // namespace rwkv
