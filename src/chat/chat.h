// Prompt templates: how a conversation becomes text, and what ends a reply.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv {

enum class Role { kSystem, kUser, kAssistant };

struct ChatTemplate {
  std::string name;
  // A message is before + cleaned text + after, by role.
  struct Frame {
    std::string before, after;
  } frame[3];
  std::string reply_begin, reply_end;  // around a reply that is being generated
  std::string user_suffix;             // appended to each user text ("(think)")
  std::string think_end;               // "" when replies do not think
  std::vector<std::string> stops;
  bool clean = true;                   // runs of newlines -> one; off for ChatML, where blank lines are fine

  std::string message(Role role, std::string_view text) const;
};

// What the choice of a template depends on.
struct ChatHints {
  std::string model_name;      // general.name or the file's name
  std::string version;         // "v7", "rwkv6qwen2"
  std::string stated_template; // tokenizer.chat_template, may be Jinja or a bare name
  size_t n_vocab = 0;
};

// think: "" (the template's default), "none", "fast", "free", "short", "long". name "" chooses by hints.
// Error{kArgument} lists the names.
ChatTemplate make_chat_template(std::string_view name, std::string_view think, const ChatHints& hints);
std::string choose_template(const ChatHints& hints);

// CRLF -> LF, runs of two or more newlines -> one (blank lines end turns), both ends stripped.
std::string clean_message(std::string_view text);

}  // namespace rwkv
