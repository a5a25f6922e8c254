#include "conversation.h"

#include <algorithm>

namespace command {
namespace {

constexpr size_t kMaxPast = 16;
// The states of the past may take this much; at least two are kept.
constexpr size_t kMaxPastBytes = size_t{512} << 20;
constexpr size_t kMaxRecent = 8192;  // tokens

// One step of splitmix64.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// A turn's random numbers follow from where it stands in the conversation: the same turn after the
// same text gets the same reply, in this process or in one that loaded the state.
uint64_t seed_of_turn(uint64_t seed, uint64_t n_token, uint64_t attempt) {
  return mix(mix(mix(seed) ^ n_token) ^ attempt);
}

}  // namespace

Conversation::Conversation(const rwkv_api::Model& model, const Options& options)
    : model_(model),
      options_(options),
      chat_(model, options.chat_template, options.think),
      session_(model),
      draft_(options, model),
      sampling_(sampler_options(options.sampling, "chat", bias_)),
      stops_(chat_.stops()) {
  for (const std::string& stop : options.reverse_prompts) stops_.push_back(stop.c_str());
  rwkv_api::Sampler(model_, sampling_);  // what is out of range is an error now, not in a turn
  if (!options.init_state.empty())
    initial_.emplace(rwkv_api::Snapshot::load(model, options.init_state));
  start_over();
  if (!options.state_in.empty())
    session_.restore(rwkv_api::Snapshot::load(model, options.state_in));
}

void Conversation::start_over() {
  if (initial_) session_.restore(*initial_);
  else session_.reset();
  draft_.reset();
}

Conversation::State Conversation::snapshot() const { return {session_.snapshot(), draft_.snapshot()}; }

void Conversation::restore(const State& state) {
  session_.restore(state.model);
  draft_.restore(state.draft);
}

// What both models read; the model's logits after it, and its time.
std::vector<float> Conversation::read(const std::vector<int32_t>& tokens) {
  draft_.read(tokens);
  const Stopwatch watch;
  std::vector<float> logits = prefill(session_, tokens);
  last_.read_s = watch.seconds();
  return logits;
}

// Frames that hold control tokens ("<|im_start|>") are tokenized apart from the text, so that nobody
// can write such a token; other templates are one text, as in training.
std::vector<int32_t> Conversation::tokens_of_frame(const std::string& text) const {
  return tokens_to_read(model_, text, true);
}

std::vector<int32_t> Conversation::tokens_of(rwkv_role role, const std::string& text) const {
  const std::string mark = "\x01";
  const std::string frame = chat_.message(role, mark);
  const std::string message = chat_.message(role, text);
  const std::string next = role == RWKV_ROLE_USER ? chat_.reply_begin() : "";
  if (model_.tokenize(frame + next, true) == model_.tokenize(frame + next))
    return tokens_to_read(model_, message + next);
  const size_t n_before = frame.find(mark);
  const std::string after = frame.substr(n_before + mark.size());
  std::vector<int32_t> tokens = tokens_of_frame(frame.substr(0, n_before));
  for (const auto& part :
       {model_.tokenize(message.substr(n_before, message.size() - n_before - after.size())),
        tokens_of_frame(after + next)})
    tokens.insert(tokens.end(), part.begin(), part.end());
  return tokens;
}

void Conversation::keep_past(const std::string& text, bool is_turn) {
  const size_t n_fitting = kMaxPastBytes / std::max<size_t>(state_bytes(), 1);
  const size_t most = std::clamp<size_t>(n_fitting, 2, kMaxPast);
  while (past_.size() >= most) past_.pop_front();
  past_.push_back({std::make_shared<const State>(snapshot()), system_, text, is_turn, 0});
}

void Conversation::go_back_to(const Past& past) {
  restore(*past.state);
  system_ = past.system;
}

bool Conversation::read_system(const std::string& system) {
  if (!system.empty()) read(tokens_of(RWKV_ROLE_SYSTEM, system));
  if (interrupted) return false;
  system_ = system;
  return true;
}

bool Conversation::begin(const std::string& system) { return read_system(system); }

bool Conversation::restart(const std::string& system) {
  keep_past("", false);
  try {
    start_over();
    if (read_system(system)) return true;
  } catch (const std::exception&) {
    undo();
    throw;
  }
  undo();
  return false;
}

void Conversation::load(const std::string& path) {
  const rwkv_api::Snapshot snapshot = rwkv_api::Snapshot::load(model_, path);
  keep_past("", false);
  session_.restore(snapshot);
  draft_.reset();  // it has not read that text: its guesses are worse, what is written is the same
  system_.clear();
}

Conversation::Reply Conversation::say(const std::string& text, const Sink& sink) {
  keep_past(text, true);
  try {
    const Reply reply = answer(past_.back(), sink);
    if (reply == Reply::kTakenBack) undo();
    return reply;
  } catch (const std::exception&) {
    undo();
    throw;
  }
}

std::optional<Conversation::Reply> Conversation::say_again(const Sink& sink) {
  if (!can_say_again()) return std::nullopt;
  const State present = snapshot();
  go_back_to(past_.back());
  ++past_.back().attempt;
  const auto take_back = [&] {
    restore(present);
    --past_.back().attempt;
  };
  try {
    const Reply reply = answer(past_.back(), sink);
    if (reply == Reply::kTakenBack) take_back();
    return reply;
  } catch (const std::exception&) {
    take_back();
    throw;
  }
}

std::optional<Conversation::Undone> Conversation::undo() {
  if (past_.empty()) return std::nullopt;
  go_back_to(past_.back());
  Undone undone{past_.back().is_turn, past_.back().text};
  past_.pop_back();
  return undone;
}

Conversation::Reply Conversation::answer(const Past& past, const Sink& sink) {
  const uint64_t seed = seed_of_turn(sampling_.seed, n_token(), past.attempt);
  const std::vector<int32_t> tokens = tokens_of(RWKV_ROLE_USER, past.text);
  last_ = {};
  const std::vector<float> logits = read(tokens);
  if (interrupted) return Reply::kTakenBack;
  remember(tokens);
  last_.n_read = tokens.size();
  const Reply reply = generate(logits, seed, sink);
  total_.n_read += last_.n_read;
  total_.read_s += last_.read_s;
  total_.n_written += last_.n_written;
  total_.written_s += last_.written_s;
  total_.n_guessed += last_.n_guessed;
  total_.n_accepted += last_.n_accepted;
  return reply;
}

void Conversation::remember(const std::vector<int32_t>& tokens) {
  if (options_.n_draft == 0) return;
  recent_.insert(recent_.end(), tokens.begin(), tokens.end());
  if (recent_.size() > kMaxRecent) recent_.erase(recent_.begin(), recent_.end() - kMaxRecent);
}

Conversation::Reply Conversation::generate(const std::vector<float>& logits, uint64_t seed,
                                           const Sink& sink) {
  auto o = rwkv_api::options<rwkv_generation_options>();
  if (options_.n_predict_given && options_.n_predict > 0)
    o.max_token = static_cast<uint64_t>(options_.n_predict);
  o.stops = stops_.data();
  o.n_stop = stops_.size();
  o.ignore_end = options_.ignore_end;
  o.n_draft = draft_.n_guess();
  o.draft = draft_.get();
  o.context = recent_.data();
  o.n_context = recent_.size();
  rwkv_sampler_options sampling = sampling_;
  sampling.seed = seed;
  // Penalties look at one reply only, as in the chats of the model's authors.
  rwkv_api::Sampler sampler(model_, sampling);
  const std::optional<rwkv_api::Snapshot> draft_before = draft_.snapshot();
  rwkv_api::Generation generation(session_, sampler, o, logits);
  ReplyFilter filter(chat_.reply_begin(), sink);
  const Stopwatch watch;
  const bool silent = options_.n_predict_given && options_.n_predict == 0;
  rwkv_finish finish = silent ? RWKV_FINISH_LENGTH : RWKV_FINISH_NOT;
  std::string written;
  const auto push = [&](std::string_view text) {
    filter.push(text);
    written += text;
  };
  while (finish == RWKV_FINISH_NOT && !interrupted) {
    const auto piece = generation.next();
    push(piece.text);
    finish = piece.finish;
  }
  if (finish == RWKV_FINISH_NOT) push(generation.stop());
  // A thought that was cut off is closed, or the next turn would stand inside it.
  const std::string end = filter.thinking() ? "\n</think>" + chat_.reply_end() : chat_.reply_end();
  filter.finish();
  last_.written_s = watch.seconds();
  last_.n_written = generation.n_token();
  last_.n_guessed = generation.guesses().guessed;
  last_.n_accepted = generation.guesses().accepted;
  if (draft_.n_guess() > 0) {
    const std::vector<int32_t> reply = model_.tokenize(written);
    remember(reply);
    draft_.restore(draft_before);
    draft_.feed(reply);
  }
  const std::vector<int32_t> tokens = tokens_of_frame(end);
  if (!tokens.empty()) session_.feed(tokens);
  draft_.feed(tokens);
  return finish == RWKV_FINISH_NOT      ? Reply::kStopped
         : finish == RWKV_FINISH_LENGTH ? Reply::kLength
                                        : Reply::kDone;
}

Conversation::Switch Conversation::switch_branch(const std::string& name) {
  if (name == branch_) return Switch::kAlreadyThere;
  const auto found = branches_.find(name);
  if (found == branches_.end() && branches_.size() + 1 >= kMaxBranch)
    throw Failure("no more than " + std::to_string(kMaxBranch) +
                  " branches: /fork -NAME drops one");
  Branch& left = branches_.insert_or_assign(branch_, Branch{snapshot(), system_, past_}).first->second;
  const size_t most = std::clamp<size_t>(kMaxPastBytes / kMaxBranch / std::max<size_t>(state_bytes(), 1), 1, kMaxPast);
  while (left.past.size() > most) left.past.pop_front();  // all branches left take as much as the present one
  branch_ = name;
  if (found == branches_.end()) return Switch::kCreated;
  restore(found->second.state);
  system_ = found->second.system;
  past_ = std::move(found->second.past);
  branches_.erase(found);
  return Switch::kSwitched;
}

void Conversation::drop_branch(const std::string& name) {
  if (name == branch_) throw Failure("branch \"" + name + "\" is the present one");
  if (branches_.erase(name) == 0) throw Failure("no branch \"" + name + "\"");
}

std::vector<std::string> Conversation::branches() const {
  std::vector<std::string> names{branch_};
  for (const auto& [name, branch] : branches_) names.push_back(name);
  return names;
}

void Conversation::set_temperature(float value) {
  rwkv_sampler_options sampling = sampling_;
  sampling.temperature = value;
  rwkv_api::Sampler(model_, sampling);  // throws when it is out of range
  sampling_ = sampling;
}

}  // namespace command
