// Which tokenizer a model speaks: the wrong one is the most frequent cause of garbage, so it is never
// guessed beyond what is sure.
#include "base/error.h"
#include "engine/model.h"
#include "formats/formats.h"

namespace rwkv {
namespace {

std::unique_ptr<Tokenizer> read_tokenizer(const std::string& path) {
  const std::string text = read_tokenizer_file(path);
  if (is_tokenizer_json(text)) return parse_tokenizer_json(text, path);
  return parse_world_vocabulary(text, path);
}

template <typename T>
const std::vector<T>* meta_list(const TensorFile& file, const std::string& key) {
  const auto found = file.meta().find(key);
  if (found == file.meta().end()) return nullptr;
  const auto* list = std::get_if<std::vector<T>>(&found->second);
  if (!list) throw Error(Code::kFormat, "{}: key {}: expected a list of another type", file.path(), key);
  return list;
}

std::unique_ptr<Tokenizer> from_gguf(const TensorFile& file, const std::string& model) {
  const auto* tokens = meta_list<std::string>(file, "tokenizer.ggml.tokens");
  if (!tokens)
    throw Error(Code::kMissing, "{}: key tokenizer.ggml.model is there, but not tokenizer.ggml.tokens",
                file.path());
  static const std::vector<int64_t> kNoTypes;
  const auto* types = meta_list<int64_t>(file, "tokenizer.ggml.token_type");
  if (!types) types = &kNoTypes;
  if (model == "rwkv") return make_world_from_gguf(*tokens, *types, file.path());
  if (model == "gpt2") {
    const auto* merges = meta_list<std::string>(file, "tokenizer.ggml.merges");
    if (!merges)
      throw Error(Code::kMissing, "{}: no key tokenizer.ggml.merges for its BPE tokenizer", file.path());
    const std::string* pre = file.meta_string("tokenizer.ggml.pre");
    return make_bpe_from_gguf(*tokens, *types, *merges, pre ? *pre : "default", file.path());
  }
  throw Error(Code::kUnsupported, "{}: tokenizer \"{}\", expected \"rwkv\" or \"gpt2\"", file.path(), model);
}

std::unique_ptr<Tokenizer> find_tokenizer(const TensorFile& file, size_t n_vocab, const std::string& tokenizer_path,
                                          std::string& why_not) {
  if (!tokenizer_path.empty()) return read_tokenizer(tokenizer_path);
  if (const std::string* model = file.meta_string("tokenizer.ggml.model"); model && *model != "none")
    return from_gguf(file, *model);
  // A Hugging Face folder's own; the folder of a single file does not count, since other models may lie there too.
  if (const std::string found = tokenizer_in_folder(file); !found.empty()) return read_tokenizer(found);
  if (n_vocab == kWorldVocab) return builtin_world_tokenizer();
  if (n_vocab <= 256) return make_byte_tokenizer(n_vocab);
  why_not = strf("{}: no tokenizer comes with this model of {} tokens; name one with --tokenizer FILE "
                 "(tokenizer.json or a World vocabulary){}", file.path(), n_vocab,
                 n_vocab == 50277 || n_vocab == 50304 ? ", here 20B_tokenizer.json of GPT-NeoX" : "");
  return nullptr;
}

}  // namespace

std::unique_ptr<Tokenizer> choose_tokenizer(const TensorFile& file, size_t n_vocab,
                                            const std::string& tokenizer_path, std::string& why_not) {
  auto found = find_tokenizer(file, n_vocab, tokenizer_path, why_not);
  if (found && found->n_token() > n_vocab)  // one of another model, whose ids would mean other tokens here
    throw Error(Code::kShape, "{}: a tokenizer of {} tokens{}{}, but the model has {}: it is another model's", file.path(),
                found->n_token(), tokenizer_path.empty() ? "" : " from ", tokenizer_path, n_vocab);
  return found;
}

}  // namespace rwkv
