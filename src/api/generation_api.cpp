// include/rwkv.h: sampler, generation, chat.
#include <algorithm>
#include <string>

#include "api/handles.h"
#include "base/error.h"

using namespace rwkv;
using namespace rwkv::api;

namespace {

std::string preset_names() {
  std::string out;
  for (const Preset& preset : presets()) out += (out.empty() ? "" : ", ") + std::string(preset.name);
  return out;
}

void copy_params(const SamplerParams& from, rwkv_sampler_options& to) {
  to.seed = from.seed;
  to.temperature = from.temperature;
  to.top_k = from.top_k;
  to.top_p = from.top_p;
  to.min_p = from.min_p;
  to.typical_p = from.typical_p;
  to.top_n_sigma = from.top_n_sigma;
  to.xtc_probability = from.xtc_probability;
  to.xtc_threshold = from.xtc_threshold;
  to.mirostat = from.mirostat;
  to.mirostat_tau = from.mirostat_tau;
  to.mirostat_eta = from.mirostat_eta;
  to.temperature_first = from.temperature_order == TemperatureOrder::kBeforeFilters;
  to.penalty_mode = static_cast<int32_t>(from.penalty_mode);
  to.presence_penalty = from.presence_penalty;
  to.frequency_penalty = from.frequency_penalty;
  to.penalty_decay = from.penalty_decay;
  to.repeat_penalty = from.repeat_penalty;
  to.repeat_last_n = from.repeat_last_n;
  to.dry_multiplier = from.dry_multiplier;
  to.dry_base = from.dry_base;
  to.dry_allowed_length = from.dry_allowed_length;
  to.dry_penalty_last_n = from.dry_penalty_last_n;
}

SamplerParams params_of(const rwkv_sampler_options& given) {
  // Fields behind the caller's size mean their neutral value, as without a preset.
  rwkv_sampler_options from{};
  copy_params(SamplerParams(), from);
  if (given.size < sizeof given.size)
    throw Error(Code::kArgument, "rwkv_sampler_options whose size says {}: start from rwkv_sampler_preset", given.size);
  std::memcpy(static_cast<void*>(&from), &given, std::min(given.size, sizeof from));
  if (from.penalty_mode < 0 || from.penalty_mode > 3)
    throw Error(Code::kArgument, "penalty_mode {}, expected 0 to 3", from.penalty_mode);
  SamplerParams to;
  to.seed = from.seed;
  to.temperature = from.temperature;
  to.top_k = from.top_k;
  to.top_p = from.top_p;
  to.min_p = from.min_p;
  to.typical_p = from.typical_p;
  to.top_n_sigma = from.top_n_sigma;
  to.xtc_probability = from.xtc_probability;
  to.xtc_threshold = from.xtc_threshold;
  to.mirostat = from.mirostat;
  to.mirostat_tau = from.mirostat_tau;
  to.mirostat_eta = from.mirostat_eta;
  to.temperature_order = from.temperature_first ? TemperatureOrder::kBeforeFilters
                                                : TemperatureOrder::kAfterFilters;
  to.penalty_mode = static_cast<PenaltyMode>(from.penalty_mode);
  to.presence_penalty = from.presence_penalty;
  to.frequency_penalty = from.frequency_penalty;
  to.penalty_decay = from.penalty_decay;
  to.repeat_penalty = from.repeat_penalty;
  to.repeat_last_n = from.repeat_last_n;
  to.dry_multiplier = from.dry_multiplier;
  to.dry_base = from.dry_base;
  to.dry_allowed_length = from.dry_allowed_length;
  to.dry_penalty_last_n = from.dry_penalty_last_n;
  require_list(from.logit_bias, from.n_logit_bias, "logit_bias");
  for (size_t i = 0; i < from.n_logit_bias; ++i)
    to.logit_bias.emplace_back(from.logit_bias[i].token, from.logit_bias[i].bias);
  return to;
}

// The pip package never counts tokens whose text is part of " \t0123456789".
void add_exempt_tokens(const Tokenizer& tokenizer, SamplerParams& params) {
  static constexpr std::string_view kExempt = " \t0123456789";
  for (size_t id = 0; id < tokenizer.n_token(); ++id) {
    const auto bytes = tokenizer.bytes_of(static_cast<Token>(id), Special::kAsText);
    if (!bytes.empty() && bytes.size() <= kExempt.size() && kExempt.find(bytes) != std::string_view::npos)
      params.penalty_exempt.push_back(static_cast<Token>(id));
  }
}

// llama.cpp's default breakers of a DRY repeat.
void add_dry_breakers(const Tokenizer& tokenizer, SamplerParams& params) {
  for (const char* text : {"\n", ":", "\"", "*"})
    params.dry_breakers.push_back(tokenizer.encode(text, Special::kAsText));
}

void accept(rwkv_sampler& sampler, std::span<const int32_t> tokens, Sampler::Origin origin) {
  for (const int32_t token : tokens)  // all of them first, so that an error changes nothing
    if (token < 0 || static_cast<size_t>(token) >= sampler.n_vocab)
      throw Error(Code::kArgument, "token {}, expected 0 to {}", token, sampler.n_vocab - 1);
  for (const int32_t token : tokens) sampler.sampler->accept(token, origin);
}

}  // namespace

extern "C" {

rwkv_status rwkv_sampler_preset(const char* name, rwkv_sampler_options* options) {
  return guard([&] {
    require(options, "options");
    const Preset* preset = name ? find_preset(name) : nullptr;
    if (name && !preset)
      throw Error(Code::kArgument, "preset \"{}\": expected one of {}", name, preset_names());
    rwkv_sampler_options all{};
    all.size = options->size;
    copy_params(preset ? preset->params : SamplerParams(), all);
    write_sized(all, options);
  });
}

const char* rwkv_sampler_preset_list(void) {
  static const std::string list = [] {
    std::string out;
    for (const Preset& p : presets())
      out += strf("{}{}{}\n", p.name, std::string(p.name.size() < 14 ? 14 - p.name.size() : 1, ' '),
                  p.about);
    return out;
  }();
  return list.c_str();
}

rwkv_status rwkv_sampler_open(const rwkv_model* model, const rwkv_sampler_options* options,
                              rwkv_sampler** sampler) {
  return guard([&] {
    require(model, "model");
    require(options, "options");
    require(sampler, "sampler");
    SamplerParams params = params_of(*options);
    if (const Tokenizer* tokenizer = model->model->tokenizer.get()) {
      if (params.penalty_mode == PenaltyMode::kRwkv) add_exempt_tokens(*tokenizer, params);
      if (params.dry_multiplier > 0) add_dry_breakers(*tokenizer, params);
    }
    *sampler = new rwkv_sampler{Sampler::make(params, rwkv_n_vocab(model)), rwkv_n_vocab(model)};
  });
}
void rwkv_sampler_close(rwkv_sampler* sampler) { delete sampler; }
rwkv_status rwkv_sampler_reset(rwkv_sampler* sampler) {
  return guard([&] {
    require(sampler, "sampler");
    sampler->sampler->reset();
  });
}
rwkv_status rwkv_sampler_sample(rwkv_sampler* sampler, const float* logits, int32_t* token) {
  return guard([&] {
    require(sampler, "sampler");
    require(logits, "logits");
    require(token, "token");
    *token = sampler->sampler->sample({logits, sampler->n_vocab});
  });
}
rwkv_status rwkv_sampler_accept(rwkv_sampler* sampler, int32_t token) {
  return guard([&] {
    require(sampler, "sampler");
    accept(*sampler, {&token, 1}, Sampler::Origin::kGenerated);
  });
}
rwkv_status rwkv_sampler_accept_prompt(rwkv_sampler* sampler, const int32_t* tokens, size_t n_token) {
  return guard([&] {
    require(sampler, "sampler");
    if (n_token > 0) require(tokens, "tokens");
    accept(*sampler, {tokens, n_token}, Sampler::Origin::kPrompt);
  });
}

rwkv_status rwkv_generation_open(rwkv_session* session, rwkv_sampler* sampler,
                                 const rwkv_generation_options* o, const float* logits,
                                 rwkv_generation** generation) {
  return guard([&] {
    require(session, "session");
    require(sampler, "sampler");
    require(logits, "logits");
    require(generation, "generation");
    GenerationOptions options;
    options.max_token = RWKV_FIELD(o, max_token, 0u);
    options.ignore_end = RWKV_FIELD(o, ignore_end, false);
    const auto* stops = RWKV_FIELD(o, stops, nullptr);
    const size_t n_stop = RWKV_FIELD(o, n_stop, size_t{0});
    require_list(stops, n_stop, "stops");
    for (size_t i = 0; i < n_stop; ++i) {
      require(stops[i], "a stop string");
      options.stops.emplace_back(stops[i]);
    }
    const auto* tokens = RWKV_FIELD(o, stop_tokens, nullptr);
    const size_t n_stop_token = RWKV_FIELD(o, n_stop_token, size_t{0});
    require_list(tokens, n_stop_token, "stop_tokens");
    if (n_stop_token > 0) options.stop_tokens.assign(tokens, tokens + n_stop_token);
    options.n_draft = RWKV_FIELD(o, n_draft, size_t{0});
    if (options.n_draft > 16) throw Error(Code::kArgument, "n_draft {}, expected at most 16", options.n_draft);
    const auto* context = RWKV_FIELD(o, context, nullptr);
    const size_t n_context = RWKV_FIELD(o, n_context, size_t{0});
    require_list(context, n_context, "context");
    if (n_context > 0) options.context.assign(context, context + n_context);
    if (rwkv_session* draft = RWKV_FIELD(o, draft, nullptr)) options.draft = draft->session.get();
    const size_t n_vocab = session->session->model()->plan().n_vocab;
    *generation = new rwkv_generation{
        std::make_unique<Generation>(*session->session, *sampler->sampler, std::move(options),
                                     std::span(logits, n_vocab)),
        {}};
  });
}
rwkv_status rwkv_generation_next(rwkv_generation* g, const char** text, size_t* n_byte,
                                 rwkv_finish* finish) {
  return guard([&] {
    require(g, "generation");
    require(text, "text");
    require(n_byte, "n_byte");
    require(finish, "finish");
    *finish = static_cast<rwkv_finish>(g->generation->next(g->text));
    *text = g->text.c_str();
    *n_byte = g->text.size();
  });
}
rwkv_status rwkv_generation_stop(rwkv_generation* g, const char** text, size_t* n_byte) {
  return guard([&] {
    require(g, "generation");
    require(text, "text");
    require(n_byte, "n_byte");
    g->generation->stop(g->text);
    *text = g->text.c_str();
    *n_byte = g->text.size();
  });
}
uint64_t rwkv_generation_n_token(const rwkv_generation* g) { return g->generation->n_token(); }
void rwkv_generation_guesses(const rwkv_generation* g, uint64_t* guessed, uint64_t* accepted) {
  if (guessed) *guessed = g->generation->n_drafted();
  if (accepted) *accepted = g->generation->n_accepted();
}
void rwkv_generation_close(rwkv_generation* g) { delete g; }

rwkv_status rwkv_chat_open(const rwkv_model* model, const char* name, const char* think,
                           rwkv_chat** chat) {
  return guard([&] {
    require(model, "model");
    require(chat, "chat");
    *chat = new rwkv_chat{
        make_chat_template(name ? name : "", think ? think : "", model->model->chat_hints), {}};
  });
}
void rwkv_chat_close(rwkv_chat* chat) { delete chat; }
const char* rwkv_chat_name(const rwkv_chat* chat) { return chat->chat.name.c_str(); }
rwkv_status rwkv_chat_message(rwkv_chat* chat, rwkv_role role, const char* text, const char** rendered) {
  return guard([&] {
    require(chat, "chat");
    require(text, "text");
    require(rendered, "rendered");
    if (role < RWKV_ROLE_SYSTEM || role > RWKV_ROLE_ASSISTANT)
      throw Error(Code::kArgument, "role {}, expected 0 to 2", static_cast<int>(role));
    chat->rendered = chat->chat.message(static_cast<Role>(role), text);
    *rendered = chat->rendered.c_str();
  });
}
const char* rwkv_chat_reply_begin(const rwkv_chat* chat) { return chat->chat.reply_begin.c_str(); }
const char* rwkv_chat_reply_end(const rwkv_chat* chat) { return chat->chat.reply_end.c_str(); }
const char* rwkv_chat_think_end(const rwkv_chat* chat) { return chat->chat.think_end.c_str(); }
size_t rwkv_chat_n_stop(const rwkv_chat* chat) { return chat->chat.stops.size(); }
const char* rwkv_chat_stop(const rwkv_chat* chat, size_t i) {
  return i < chat->chat.stops.size() ? chat->chat.stops[i].c_str() : "";
}

}  // extern "C"
