// A Hugging Face tokenizer.json of byte-level BPE. What would change ids is either understood or
// refused by name: model type and its switches, normalizer, pre_tokenizer, decoder, flags of added
// tokens. What only shapes batches (truncation, padding) or adds tokens around a text
// (post_processor) is not looked at.
#include "base/error.h"
#include "base/json.h"
#include "tokenizers/bpe.h"
#include "tokenizers/tokenizer.h"
#include "tokenizers/trie.h"

namespace rwkv {
namespace {

// Written as in the files; first_piece() holds them as code.
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class TokenizerJson {
 public:
  TokenizerJson(std::string_view text, const std::string& source)
      : source_(source), root_(Json::parse(text, source)) {}

  BpeParts read() {
    if (!root_.is(Json::Kind::kObject)) fail("the file", "an object");
    check_model();
    if (const Json* value = member(root_, "normalizer")) read_normalizer(*value);
    read_pre_tokenizer();
    if (const Json* decoder = member(root_, "decoder"))
      if (type_of(*decoder, "decoder") != "ByteLevel") refuse("decoder", type_of(*decoder, ""));
    read_vocab();
    read_merges();
    read_added();
    return std::move(parts_);
  }

 private:
  [[noreturn]] void fail(std::string_view what, std::string_view expected) const {
    throw Error(Code::kFormat, "{}: {} should be {}", source_, what, expected);
  }
  [[noreturn]] void refuse(std::string_view what, std::string_view value) const {
    throw Error(Code::kUnsupported,
                "{}: {} {} is not supported, only byte-level BPE as in NeoX-20B, Qwen2 and Qwen3",
                source_, what, value);
  }

  // Null when absent or JSON's null.
  static const Json* member(const Json& object, std::string_view key) {
    const Json* value = object.find(key);
    return value && value->is(Json::Kind::kNull) ? nullptr : value;
  }
  std::string text_of(const Json& object, std::string_view key, std::string_view what) const {
    const Json* value = object.find(key);
    if (!value || !value->is(Json::Kind::kString)) fail(strf("\"{}\" of {}", key, what), "a string");
    return value->string();
  }
  std::string type_of(const Json& object, std::string_view what) const {
    return text_of(object, "type", what);
  }
  bool flag_of(const Json& object, std::string_view key, bool absent) const {
    const Json* value = member(object, key);
    if (!value) return absent;
    if (!value->is(Json::Kind::kBool)) fail(strf("\"{}\"", key), "true or false");
    return value->boolean();
  }
  Token id_of(const Json& value, std::string_view what) const {
    const double id = value.is(Json::Kind::kNumber) ? value.number() : -1;
    if (!(id >= 0 && id < static_cast<double>(kMaxTokens)) || id != static_cast<Token>(id))
      fail(strf("the id of {}", json_quote(what)), strf("a whole number below {}", kMaxTokens));
    return static_cast<Token>(id);
  }
  // The elements of an array, or the object itself where "Sequence" is not used.
  std::vector<const Json*> steps_of(const Json& object, std::string_view list,
                                    std::string_view what) const {
    if (type_of(object, what) != "Sequence") return {&object};
    const Json* steps = object.find(list);
    if (!steps || !steps->is(Json::Kind::kArray)) fail(strf("\"{}\" of {}", list, what), "an array");
    std::vector<const Json*> out;
    for (const Json& step : steps->array()) out.push_back(&step);
    return out;
  }

  const Json& model() const {
    const Json* model = root_.find("model");
    if (!model || !model->is(Json::Kind::kObject)) fail("\"model\"", "an object");
    return *model;
  }

  void check_model() const {
    const Json* type = member(model(), "type");  // files from before 2021 leave it out
    if (type && type_of(model(), "model") != "BPE") refuse("model type", type->string());
    for (std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (const Json* value = member(model(), key))
        if (!value->is(Json::Kind::kString) || !value->string().empty())
          refuse("a model option:", key);
    for (std::string_view key : {"byte_fallback", "ignore_merges"})
      if (flag_of(model(), key, false)) refuse("a model option:", key);
    if (const Json* dropout = member(model(), "dropout"))
      if (!dropout->is(Json::Kind::kNumber) || dropout->number() != 0)
        refuse("a model option:", "dropout");
  }

  void read_normalizer(const Json& normalizer) {
    for (const Json* step : steps_of(normalizer, "normalizers", "normalizer")) {
      if (const std::string type = type_of(*step, "normalizer"); type != "NFC")
        refuse("normalizer", type);
      parts_.nfc = true;
    }
  }

  SplitRule read_split(const Json& split) const {
    const Json* pattern = split.find("pattern");
    if (!pattern || !pattern->is(Json::Kind::kObject)) fail("\"pattern\" of Split", "an object");
    const Json* regex = pattern->find("Regex");
    if (!regex || !regex->is(Json::Kind::kString)) refuse("pre_tokenizer Split", "without a Regex");
    if (text_of(split, "behavior", "Split") != "Isolated" || flag_of(split, "invert", false))
      refuse("pre_tokenizer Split", "that is inverted or not Isolated");
    if (regex->string() == kQwen2Pattern) return SplitRule::kQwen2;
    if (regex->string() == kGpt2Pattern) return SplitRule::kGpt2;
    refuse("pre_tokenizer pattern", json_quote(regex->string()));
  }

  // ByteLevel, which splits like GPT-2 itself, or Split and then ByteLevel without its own
  // splitting.
  void read_pre_tokenizer() {
    const Json* value = member(root_, "pre_tokenizer");
    if (!value) refuse("pre_tokenizer", "null");
    const std::vector<const Json*> steps = steps_of(*value, "pretokenizers", "pre_tokenizer");
    if (steps.empty() || steps.size() > 2) refuse("pre_tokenizer", "Sequence of another length");
    if (const std::string type = type_of(*steps.back(), "pre_tokenizer"); type != "ByteLevel")
      refuse("pre_tokenizer", type);
    if (flag_of(*steps.back(), "add_prefix_space", true))
      refuse("pre_tokenizer ByteLevel", "with add_prefix_space");
    const bool splits = flag_of(*steps.back(), "use_regex", true);
    if (steps.size() == 1) {
      if (!splits) refuse("pre_tokenizer ByteLevel", "without use_regex");
      return;
    }
    if (const std::string type = type_of(*steps.front(), "pre_tokenizer"); type != "Split")
      refuse("pre_tokenizer", type);
    parts_.split = read_split(*steps.front());
    // The GPT-2 rule leaves its own pieces whole, so a second pass of it changes nothing.
    if (splits && parts_.split != SplitRule::kGpt2)
      refuse("pre_tokenizer ByteLevel", "with use_regex after Split");
  }

  void put(Token id, const std::string& entry) {
    const size_t row = static_cast<size_t>(id);
    if (row >= parts_.tokens.size()) parts_.tokens.resize(row + 1);
    std::string& place = parts_.tokens[row];
    if (!place.empty() && place != entry)
      throw Error(Code::kFormat, "{}: id {} is both {} and {}", source_, id, json_quote(place),
                  json_quote(entry));
    place = entry;
  }

  void read_vocab() {
    const Json* vocab = model().find("vocab");
    if (!vocab || !vocab->is(Json::Kind::kObject)) fail("\"vocab\" of the model", "an object");
    for (const auto& [entry, id] : vocab->object()) {
      if (entry.empty()) fail("an entry of \"vocab\"", "a text that is not empty");
      put(id_of(id, entry), entry);
    }
  }

  void read_merges() {
    const Json* merges = model().find("merges");
    if (!merges || !merges->is(Json::Kind::kArray)) fail("\"merges\" of the model", "an array");
    for (const Json& merge : merges->array()) {
      const std::string name = strf("merge {}", parts_.merges.size() + 1);
      if (merge.is(Json::Kind::kArray)) {
        const Json::Array& pair = merge.array();
        if (pair.size() != 2 || !pair[0].is(Json::Kind::kString) || !pair[1].is(Json::Kind::kString))
          fail(name, "two strings");
        parts_.merges.emplace_back(pair[0].string(), pair[1].string());
        continue;
      }
      if (!merge.is(Json::Kind::kString)) fail(name, "a string or two strings");
      const std::string& text = merge.string();
      const size_t space = text.find(' ');
      if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
        fail(name, "two entries with one space between");
      parts_.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
    }
  }

  void read_added() {
    const Json* list = member(root_, "added_tokens");
    if (!list) return;
    if (!list->is(Json::Kind::kArray)) fail("\"added_tokens\"", "an array");
    for (const Json& added : list->array()) {
      const std::string text = text_of(added, "content", "an added token");
      if (text.empty()) fail("\"content\" of an added token", "a text that is not empty");
      const Json* id = added.find("id");
      if (!id) fail("an added token", "an object with an \"id\"");
      for (std::string_view key : {"single_word", "lstrip", "rstrip"})
        if (flag_of(added, key, false))
          refuse(strf("added token {} with", json_quote(text)), key);
      const bool special = flag_of(added, "special", false);
      const Token token = id_of(*id, text);
      put(token, text);
      parts_.added.push_back({token, text, special, flag_of(added, "normalized", !special)});
    }
  }

  const std::string& source_;
  const Json root_;
  BpeParts parts_;
};

}  // namespace

BpeParts read_tokenizer_json(std::string_view json, const std::string& source) {
  return TokenizerJson(json, source).read();
}

std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view json, const std::string& source) {
  return make_bpe_tokenizer(read_tokenizer_json(json, source), source);
}

}  // namespace rwkv
