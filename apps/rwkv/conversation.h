// A chat without a screen: the session, what can be undone, the branches. Nothing here prints (but
// the progress of a long read), and memory stays the same however long it goes on.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "draft.h"
#include "reply_filter.h"
#include "shared.h"

namespace command {

class Conversation {
 public:
  using Sink = ReplyFilter::Sink;

  // Both must outlive this.
  Conversation(const rwkv_api::Model& model, const Options& options);
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  // Starts over with this system prompt ("": none). Can be undone. false: Ctrl-C came while it was
  // read; the conversation is as before.
  bool restart(const std::string& system);
  // At the start: what --system-prompt says, after --state-in if there is one.
  bool begin(const std::string& system);
  const std::string& system() const { return system_; }

  // kTakenBack: Ctrl-C came while the turn was read; the conversation is as before it.
  enum class Reply { kDone, kLength, kStopped, kTakenBack };
  // One turn of the user and the reply to it. After an error the conversation is as before.
  Reply say(const std::string& text, const Sink& sink);
  // The last turn once more, with other random numbers. nullopt: there is none.
  std::optional<Reply> say_again(const Sink& sink);
  bool can_say_again() const { return !past_.empty() && past_.back().is_turn; }
  // Back to before the last turn, restart or load, and its text.
  struct Undone {
    bool is_turn;
    std::string text;
  };
  std::optional<Undone> undo();
  size_t n_undo() const { return past_.size(); }

  void save(const std::string& path) const { session_.snapshot().save(path); }
  void load(const std::string& path);  // can be undone

  // Branches: the conversation goes on in one of them; the others stay as they were left.
  enum class Switch { kCreated, kSwitched, kAlreadyThere };
  Switch switch_branch(const std::string& name);
  void drop_branch(const std::string& name);
  std::vector<std::string> branches() const;  // the present one is first
  static constexpr size_t kMaxBranch = 16;

  float temperature() const { return sampling_.temperature; }
  void set_temperature(float value);

  struct Counts {
    uint64_t n_read = 0, n_written = 0, n_guessed = 0, n_accepted = 0;
    double read_s = 0, written_s = 0;
  };
  const Counts& last() const { return last_; }
  const Counts& total() const { return total_; }
  uint64_t n_token() const { return session_.n_token(); }
  size_t state_bytes() const { return (model_.state_size() + draft_.state_size()) * sizeof(float); }
  std::string template_name() const { return chat_.name(); }

 private:
  struct State {
    rwkv_api::Snapshot model;
    std::optional<rwkv_api::Snapshot> draft;
  };
  struct Past {  // as it was before a turn, a restart or a load; branches share it
    std::shared_ptr<const State> state;
    std::string system, text;
    bool is_turn = false;
    uint64_t attempt = 0;  // how often the turn has been answered already
  };
  struct Branch {
    State state;
    std::string system;
    std::deque<Past> past;
  };

  std::vector<int32_t> tokens_of(rwkv_role role, const std::string& text) const;
  std::vector<int32_t> tokens_of_frame(const std::string& text) const;
  void keep_past(const std::string& text, bool is_turn);
  State snapshot() const;
  void restore(const State& state);
  void go_back_to(const Past& past);
  std::vector<float> read(const std::vector<int32_t>& tokens);
  bool read_system(const std::string& system);
  Reply answer(const Past& past, const Sink& sink);
  Reply generate(const std::vector<float>& logits, uint64_t seed, const Sink& sink);
  void remember(const std::vector<int32_t>& tokens);
  void start_over();

  const rwkv_api::Model& model_;
  const Options& options_;
  rwkv_api::Chat chat_;
  rwkv_api::Session session_;
  Draft draft_;
  std::optional<rwkv_api::Snapshot> initial_;  // --init-state
  std::vector<rwkv_logit_bias> bias_;
  rwkv_sampler_options sampling_;
  std::vector<const char*> stops_;
  std::string system_;
  std::deque<Past> past_;
  std::map<std::string, Branch> branches_;  // all but the present one
  std::string branch_ = "main";
  Counts last_, total_;
  std::vector<int32_t> recent_;  // the end of what was read and written, in which --draft looks for repetitions
};

}  // namespace command
