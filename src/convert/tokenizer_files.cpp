// The tokenizer that goes with a converted model. The wrong one is the most frequent cause of garbage: nothing
// is guessed beyond World's size.
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "convert/metadata.h"
#include "formats/formats.h"
#include "tokenizers/gguf_export.h"

namespace rwkv {
namespace {

// In the words of Jinja, for programs that ask the file: turns of "WeightRole: text" with a blank line after each.
constexpr std::string_view kWorldTemplate =
    "{%- for m in messages -%}"
    "{{- m['role'] | capitalize + ': ' + m['content'] | trim + '\\n\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}";
constexpr std::string_view kChatMlTemplate =
    "{%- for m in messages -%}"
    "{{- '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}";

// The file named by the user, or the one beside the weights of a Hugging Face folder; "" when there is none.
std::string tokenizer_file(const Model& m, const std::string& tokenizer_path) {
  return tokenizer_path.empty() ? tokenizer_in_folder(m.weights->file()) : tokenizer_path;
}

// A tokenizer's file in GGUF's form; it must not have more tokens than the model.
GgufVocabulary read_vocabulary(const std::string& path, const std::string& text, size_t n_vocab) {
  GgufVocabulary out = is_tokenizer_json(text) ? export_tokenizer_json(text, path, n_vocab)
                                               : export_world(*parse_world_vocabulary(text, path), n_vocab);
  if (out.tokens.size() > n_vocab)
    throw Error(Code::kFormat, "{}: {} tokens, but the model has {}", path, out.tokens.size(), n_vocab);
  return out;
}

// The model's own template in Jinja; "" when it has none, or the user names a tokenizer instead of its own.
std::string own_chat_template(const Model& m, const std::string& tokenizer_path, std::vector<std::string>& notes) try {
  const TensorFile& file = m.weights->file();
  std::string text;
  if (!tokenizer_path.empty()) return text;
  if (const std::string* stated = file.meta_string("tokenizer.chat_template")) text = *stated;
  if (const std::string* path = file.meta_string("folder.tokenizer_config.json")) {
    const auto map = MappedFile::open(*path);
    const Json config = Json::parse({reinterpret_cast<const char*>(map->bytes().data()), map->bytes().size()}, *path);
    if (const Json* stated = config.find("chat_template"); stated && stated->is(Json::Kind::kString)) text = stated->string();
  }
  return text.find('{') == std::string::npos ? "" : text;  // a bare word names one that is known to programs
} catch (const Error& error) {  // nothing else is wanted of that file
  notes.push_back(error.sentence() + "; its chat template is not kept");
  return "";
}

std::unique_ptr<Tokenizer> world_of_gguf(const TensorFile& file) {
  const std::string* model = file.meta_string("tokenizer.ggml.model");
  const auto tokens = file.meta().find("tokenizer.ggml.tokens");
  if (!model || *model != "rwkv" || tokens == file.meta().end()) return nullptr;
  const auto* list = std::get_if<std::vector<std::string>>(&tokens->second);
  const auto types = file.meta().find("tokenizer.ggml.token_type");
  const auto* kinds = types == file.meta().end() ? nullptr : std::get_if<std::vector<int64_t>>(&types->second);
  if (!list) return nullptr;
  return make_world_from_gguf(*list, kinds ? *kinds : std::vector<int64_t>(), file.path());
}

void add_vocabulary(GgufVocabulary vocabulary, Metadata& meta) {
  const auto id_of = [&](std::string_view text) -> int64_t {
    for (size_t id = 0; id < vocabulary.tokens.size(); ++id)
      if (vocabulary.tokens[id] == text) return static_cast<int64_t>(id);
    return -1;
  };
  const bool world = vocabulary.model == "rwkv";
  const auto token = [&](const char* key, int64_t id) {
    if (id >= 0) meta[std::string("tokenizer.ggml.") + key] = id;
  };
  const int64_t end = world ? 0 : id_of("<|endoftext|>"), im_end = world ? -1 : id_of("<|im_end|>");
  token("bos_token_id", end);
  token("eos_token_id", im_end >= 0 ? im_end : end);
  // The blank line after a turn ends it; llama.cpp knows only tokens for that.
  if (world) token("eot_token_id", id_of("\\n\\n"));
  if (!world) meta["tokenizer.ggml.add_bos_token"] = false;
  meta["tokenizer.ggml.model"] = vocabulary.model;
  if (!vocabulary.pre.empty()) meta["tokenizer.ggml.pre"] = vocabulary.pre;
  if (!world) meta["tokenizer.ggml.merges"] = std::move(vocabulary.merges);
  if (world || im_end >= 0)
    meta["tokenizer.chat_template"] = std::string(world ? kWorldTemplate : kChatMlTemplate);
  meta["tokenizer.ggml.tokens"] = std::move(vocabulary.tokens);
  meta["tokenizer.ggml.token_type"] = std::move(vocabulary.types);
}

}  // namespace

void add_tokenizer(const Model& m, const std::string& tokenizer_path, Metadata& meta,
                   std::vector<std::string>& notes) {
  const size_t n_vocab = m.plan->n_vocab;
  const std::string path = tokenizer_file(m, tokenizer_path);
  if (!path.empty()) {
    add_vocabulary(read_vocabulary(path, read_tokenizer_file(path), n_vocab), meta);
  } else if (n_vocab == kWorldVocab) {
    add_vocabulary(export_world(*builtin_world_tokenizer(), n_vocab), meta);
  } else if (n_vocab > 256) {
    notes.push_back(strf("no tokenizer comes with this model of {} tokens, so the file has none; name one with "
                         "--tokenizer", n_vocab));
  }
  if (std::string chat = own_chat_template(m, tokenizer_path, notes); !chat.empty())
    meta["tokenizer.chat_template"] = std::move(chat);
}

void write_hf_tokenizer(const Model& m, const std::string& tokenizer_path, const std::string& folder,
                        std::vector<std::string>& notes) {
  const auto write = [&](const std::string& name, const std::string& text) {
    AtomicFile file(folder + "/" + name);
    file.write(std::as_bytes(std::span(text.data(), text.size())));
    file.commit();
  };
  std::string_view chat = kWorldTemplate;
  if (const std::string path = tokenizer_file(m, tokenizer_path); !path.empty()) {
    const std::string text = read_tokenizer_file(path);
    read_vocabulary(path, text, m.plan->n_vocab);  // as a check
    write(is_tokenizer_json(text) ? "tokenizer.json" : "rwkv_vocab.txt", text);
    if (is_tokenizer_json(text) && text.find("<|im_end|>") != std::string::npos) chat = kChatMlTemplate;
  } else if (const auto world = world_of_gguf(m.weights->file())) {
    write("rwkv_vocab.txt", world_vocabulary_text(*world));
  } else if (const std::string* other = m.weights->file().meta_string("tokenizer.ggml.model");
             m.plan->n_vocab == kWorldVocab && (!other || *other == "none")) {
    write("rwkv_vocab_v20230424.txt", world_vocabulary_text(*builtin_world_tokenizer()));
  } else {
    if (m.plan->n_vocab > 256)
      notes.push_back("no tokenizer file is written: the source has none that a folder could hold; name one with "
                      "--tokenizer");
    return;
  }
  const std::string own = own_chat_template(m, tokenizer_path, notes);
  if (!own.empty()) chat = own;
  write("tokenizer_config.json", strf("{\n  \"add_bos_token\": false,\n  \"add_eos_token\": false,\n"
                                      "  \"chat_template\": {}\n}\n", json_quote(chat)));
}

}  // namespace rwkv
