// C++ over rwkv.h: objects that close themselves, and exceptions. Header only, C++17.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rwkv.h"

namespace rwkv_api {

class Error : public std::runtime_error {
 public:
  explicit Error(rwkv_status status) : std::runtime_error(rwkv_error_text()), status_(status) {}
  Error(rwkv_status status, const std::string& sentence) : std::runtime_error(sentence), status_(status) {}
  rwkv_status status() const { return status_; }

 private:
  rwkv_status status_;
};
inline void check(rwkv_status status) {
  if (status != RWKV_OK) throw Error(status);
}

// A zeroed options struct that knows its size.
template <typename T>
T options() {
  T out{};
  out.size = sizeof(T);
  return out;
}

template <typename T, void (*kClose)(T*)>
struct Closer {
  void operator()(T* object) const { kClose(object); }
};
template <typename T, void (*kClose)(T*)>
using Handle = std::unique_ptr<T, Closer<T, kClose>>;

class Model {
 public:
  explicit Model(const std::string& path, const rwkv_model_options* options = nullptr) {
    rwkv_model* model = nullptr;
    check(rwkv_model_open(path.c_str(), options, &model));
    handle_.reset(model);
  }
  rwkv_model* get() const { return handle_.get(); }
  size_t n_vocab() const { return rwkv_n_vocab(get()); }
  size_t state_size() const { return rwkv_state_size(get()); }
  std::string json() const { return rwkv_model_json(get()); }

  std::vector<int32_t> tokenize(std::string_view text, bool special = false) const {
    std::vector<int32_t> tokens(text.size() + 1);
    size_t n = 0;
    check(rwkv_tokenize(get(), text.data(), text.size(), special, tokens.data(), tokens.size(), &n));
    if (n > tokens.size()) {
      tokens.resize(n);
      check(rwkv_tokenize(get(), text.data(), text.size(), special, tokens.data(), n, &n));
    }
    tokens.resize(n);
    return tokens;
  }
  std::string_view token_bytes(int32_t token, bool special = true) const {
    const char* bytes = nullptr;
    size_t n = 0;
    check(rwkv_token_bytes(get(), token, special, &bytes, &n));
    return {bytes, n};
  }

 private:
  Handle<rwkv_model, rwkv_model_close> handle_;
};

inline void convert(const std::string& in, const std::string& out, const rwkv_convert_options& options) {
  check(rwkv_convert(in.c_str(), out.c_str(), &options));
}
inline void quantize(const std::string& in, const std::string& out, const rwkv_quantize_options& options) {
  check(rwkv_quantize(in.c_str(), out.c_str(), &options));
}

class Snapshot {
 public:
  explicit Snapshot(rwkv_snapshot* snapshot) : handle_(snapshot) {}
  static Snapshot load(const Model& model, const std::string& path) {
    rwkv_snapshot* snapshot = nullptr;
    check(rwkv_snapshot_load(model.get(), path.c_str(), &snapshot));
    return Snapshot(snapshot);
  }
  void save(const std::string& path) const { check(rwkv_snapshot_save(get(), path.c_str())); }
  void save_as(const std::string& format, const std::string& path) const {
    check(rwkv_snapshot_save_as(get(), format.c_str(), path.c_str()));
  }
  uint64_t n_token() const { return rwkv_snapshot_n_token(get()); }
  static Snapshot mix(const std::vector<const rwkv_snapshot*>& snapshots, const std::vector<float>& weights) {
    if (snapshots.size() != weights.size())
      throw Error(RWKV_ERR_ARGUMENT, std::to_string(snapshots.size()) + " snapshots to mix, but " +
                                         std::to_string(weights.size()) + " weights");
    rwkv_snapshot* mixed = nullptr;
    check(rwkv_snapshot_mix(snapshots.data(), weights.data(), snapshots.size(), &mixed));
    return Snapshot(mixed);
  }
  rwkv_snapshot* get() const { return handle_.get(); }

 private:
  Handle<rwkv_snapshot, rwkv_snapshot_close> handle_;
};

class Session {
 public:
  explicit Session(const Model& model) : n_vocab_(model.n_vocab()) {
    rwkv_session* session = nullptr;
    check(rwkv_session_open(model.get(), &session));
    handle_.reset(session);
  }
  rwkv_session* get() const { return handle_.get(); }
  size_t n_vocab() const { return n_vocab_; }
  uint64_t n_token() const { return rwkv_session_n_token(get()); }
  void reset() { check(rwkv_session_reset(get())); }

  // The logits after the last token, [n_vocab].
  std::vector<float> feed(const std::vector<int32_t>& tokens) {
    std::vector<float> logits(n_vocab_);
    check(rwkv_session_feed(get(), tokens.data(), tokens.size(), logits.data()));
    return logits;
  }
  // The logits after each token, [tokens, n_vocab].
  std::vector<float> feed_all(const std::vector<int32_t>& tokens) {
    std::vector<float> logits(tokens.size() * n_vocab_);
    check(rwkv_session_feed_all(get(), tokens.data(), tokens.size(), logits.data()));
    return logits;
  }
  Snapshot snapshot() const {
    rwkv_snapshot* snapshot = nullptr;
    check(rwkv_snapshot_take(get(), &snapshot));
    return Snapshot(snapshot);
  }
  void restore(const Snapshot& snapshot) { check(rwkv_snapshot_restore(snapshot.get(), get())); }

 private:
  Handle<rwkv_session, rwkv_session_close> handle_;
  size_t n_vocab_;
};

inline rwkv_sampler_options sampler_preset(const char* name) {
  auto out = options<rwkv_sampler_options>();
  check(rwkv_sampler_preset(name, &out));
  return out;
}

class Sampler {
 public:
  Sampler(const Model& model, const rwkv_sampler_options& options) {
    rwkv_sampler* sampler = nullptr;
    check(rwkv_sampler_open(model.get(), &options, &sampler));
    handle_.reset(sampler);
  }
  void accept_prompt(const std::vector<int32_t>& tokens) {
    check(rwkv_sampler_accept_prompt(get(), tokens.data(), tokens.size()));
  }
  rwkv_sampler* get() const { return handle_.get(); }

 private:
  Handle<rwkv_sampler, rwkv_sampler_close> handle_;
};

class Generation {
 public:
  // `logits`: those after the session's last token. Session and sampler must outlive this.
  Generation(Session& session, Sampler& sampler, const rwkv_generation_options& options,
             const std::vector<float>& logits) {
    if (logits.size() != session.n_vocab())
      throw Error(RWKV_ERR_ARGUMENT, std::to_string(logits.size()) + " logits, expected " +
                                         std::to_string(session.n_vocab()));
    rwkv_generation* generation = nullptr;
    check(rwkv_generation_open(session.get(), sampler.get(), &options, logits.data(), &generation));
    handle_.reset(generation);
  }
  struct Piece {
    std::string_view text;  // valid until the next call
    rwkv_finish finish;
  };
  Piece next() {
    const char* text = nullptr;
    size_t n = 0;
    rwkv_finish finish = RWKV_FINISH_NOT;
    check(rwkv_generation_next(handle_.get(), &text, &n, &finish));
    return {{text, n}, finish};
  }
  std::string_view stop() {
    const char* text = nullptr;
    size_t n = 0;
    check(rwkv_generation_stop(handle_.get(), &text, &n));
    return {text, n};
  }
  uint64_t n_token() const { return rwkv_generation_n_token(handle_.get()); }
  struct Guesses {
    uint64_t guessed, accepted;
  };
  Guesses guesses() const {
    Guesses out{};
    rwkv_generation_guesses(handle_.get(), &out.guessed, &out.accepted);
    return out;
  }

 private:
  Handle<rwkv_generation, rwkv_generation_close> handle_;
};

class Chat {
 public:
  // Empty names: what suits the model.
  explicit Chat(const Model& model, const std::string& name = "", const std::string& think = "") {
    rwkv_chat* chat = nullptr;
    check(rwkv_chat_open(model.get(), name.empty() ? nullptr : name.c_str(),
                         think.empty() ? nullptr : think.c_str(), &chat));
    handle_.reset(chat);
  }
  std::string name() const { return rwkv_chat_name(handle_.get()); }
  std::string message(rwkv_role role, const std::string& text) const {
    const char* rendered = nullptr;
    check(rwkv_chat_message(handle_.get(), role, text.c_str(), &rendered));
    return rendered;
  }
  std::string reply_begin() const { return rwkv_chat_reply_begin(handle_.get()); }
  std::string reply_end() const { return rwkv_chat_reply_end(handle_.get()); }
  std::string think_end() const { return rwkv_chat_think_end(handle_.get()); }
  std::vector<const char*> stops() const {
    std::vector<const char*> out;
    for (size_t i = 0; i < rwkv_chat_n_stop(handle_.get()); ++i)
      out.push_back(rwkv_chat_stop(handle_.get(), i));
    return out;
  }

 private:
  Handle<rwkv_chat, rwkv_chat_close> handle_;
};

}  // namespace rwkv_api
