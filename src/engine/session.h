// One sequence on a model: its slot, and how many tokens it has seen. Snapshots are copies outside.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "engine/model.h"

namespace rwkv {

struct Snapshot {
  std::shared_ptr<LoadedModel> model;
  std::vector<float> state;  // canonical
  uint64_t n_token = 0;
};

class Session {
 public:
  explicit Session(std::shared_ptr<LoadedModel> model);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::shared_ptr<LoadedModel>& model() const { return model_; }
  uint64_t n_token() const { return n_token_; }
  Slot slot() const { return slot_; }

  // logits: empty, [n_vocab] (after the last token), or with kAll [tokens.size(), n_vocab].
  enum class Logits { kLast, kAll };
  void feed(std::span<const Token> tokens, std::span<float> logits, Logits which = Logits::kLast);
  // Feeds tokens[0] and, in the same pass over the weights, tokens that may follow: the session then stands after
  // tokens[0], and `ahead` after each prefix of the others. logits [tokens.size(), n_vocab].
  class Ahead;
  void feed_ahead(std::span<const Token> tokens, std::span<float> logits, Ahead& ahead);
  // One token on: to where `ahead` has been, without computing anything. false: it goes no further.
  bool take(Ahead& ahead);
  void reset();
  std::unique_ptr<Session> fork() const;
  void copy_from(const Session& other);  // of the same model
  Snapshot snapshot() const;
  void restore(const Snapshot& snapshot);  // Error{kState} when of another model

  // Held while the session is inside a call; Error{kBusy} when it already is.
  class Use {
   public:
    explicit Use(const Session& session);
    ~Use() { busy_.store(false); }

   private:
    std::atomic<bool>& busy_;
  };

 private:
  friend void feed_many(std::span<Session* const>, std::span<const Token>, std::span<const size_t>,
                        std::span<float>);
  std::shared_ptr<LoadedModel> model_;
  Slot slot_;
  uint64_t n_token_ = 0;
  mutable std::atomic<bool> busy_{false};
};

// States that a session may go on to.
class Session::Ahead {
 public:
  explicit Ahead(std::shared_ptr<LoadedModel> model) : model_(std::move(model)) {}
  ~Ahead() {
    for (const Slot slot : slots_) model_->runner().free_slot(slot);
  }
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

 private:
  friend class Session;
  std::shared_ptr<LoadedModel> model_;
  std::vector<Slot> slots_;         // kept for the next time
  size_t next_ = 0, end_ = 0;       // slots_[next_, end_): states not taken yet
};

// One step over several sessions of one model: counts[i] tokens of session i, one after another.
void feed_many(std::span<Session* const> sessions, std::span<const Token> tokens,
               std::span<const size_t> counts, std::span<float> logits);

// State files. The format is in docs/states.md.
void save_snapshot(const Snapshot& snapshot, const std::string& path);
// In the layout of another program: "rwkv.cpp", "pip", "llama.cpp", "tuned"; "librwkv" or "": ours.
void save_snapshot_as(const Snapshot& snapshot, const std::string& format, const std::string& path);
// Also reads these layouts and state-tuned checkpoints (blocks.N.att.time_state). Error{kState} when it does
// not fit.
Snapshot load_snapshot(std::shared_ptr<LoadedModel> model, const std::string& path);
Snapshot parse_snapshot(std::shared_ptr<LoadedModel> model, std::span<const std::byte> bytes,
                        const std::string& path);

}  // namespace rwkv
