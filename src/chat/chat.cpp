// The templates. Sources: the model authors' published prompt formats, collected in docs/chat.md.
#include "chat/chat.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace rwkv {
namespace {

// "User: hello\n\nAssistant:" for any two names; nothing may stand after the last colon, since the models
// want to write the blank themselves.
ChatTemplate colon_template(std::string name, const std::string& user, const std::string& assistant) {
  ChatTemplate t;
  t.name = std::move(name);
  t.frame[static_cast<int>(Role::kSystem)] = {"System: ", "\n\n"};
  t.frame[static_cast<int>(Role::kUser)] = {user + ": ", "\n\n"};
  t.frame[static_cast<int>(Role::kAssistant)] = {assistant + ": ", "\n\n"};
  t.reply_begin = assistant + ":";
  t.reply_end = "\n\n";
  t.stops = {"\n" + user + ":", "\n\n" + user};
  return t;
}

// World models of v4 to v7: blank lines separate turns, so a blank line ends a reply.
ChatTemplate world() {
  ChatTemplate t = colon_template("rwkv-world", "User", "Assistant");
  t.stops.push_back("\n\n");
  return t;
}

// G series: replies may hold blank lines (lists, code, thinking), so these never end one by themselves.
ChatTemplate g1() { return colon_template("g1", "User", "Assistant"); }

// The G1h series marks fill-in-the-middle and other structure with a flower; it never belongs to a reply.
ChatTemplate g1h() {
  ChatTemplate t = g1();
  t.name = "g1h";
  t.stops.push_back("\u273f");
  return t;
}

ChatTemplate chatml() {
  ChatTemplate t;
  t.name = "chatml";
  static constexpr const char* kRoles[] = {"system", "user", "assistant"};
  for (int role = 0; role < 3; ++role)
    t.frame[role] = {std::string("<|im_start|>") + kRoles[role] + "\n", "<|im_end|>\n"};
  t.reply_begin = "<|im_start|>assistant\n";
  t.reply_end = "<|im_end|>\n";
  t.stops = {"<|im_end|>", "<|endoftext|>"};
  t.clean = false;
  return t;
}

ChatTemplate raven() {
  ChatTemplate t = colon_template("raven", "Bob", "Alice");
  t.frame[static_cast<int>(Role::kSystem)] = {"", "\n\n"};
  t.stops.push_back("\n\n");
  return t;
}

struct Named {
  const char* name;
  ChatTemplate (*make)();
  bool thinks;
};
constexpr Named kTemplates[] = {{"rwkv-world", world, false}, {"g1", g1, true}, {"g1h", g1h, true},
                                {"chatml", chatml, false},    {"raven", raven, false}};

struct ThinkMode {
  const char* name;
  const char* user_suffix;
  const char* begin;  // after "Assistant:"; the model writes the last ">" itself
};
constexpr ThinkMode kThinkModes[] = {
    {"none", "", ""},
    {"fast", "", " <think>\n</think"},
    {"free", "", " <think"},
    {"think", " (think)", " <think"},
    {"short", " (think a bit)", " <think"},
    {"long", " (think a lot)", " <think"},
};

template <typename List>
std::string names_of(const List& list) {
  std::string out;
  for (const auto& item : list) out += (out.empty() ? "" : ", ") + std::string(item.name);
  return out;
}

void apply_think(ChatTemplate& t, std::string_view mode) {
  for (const ThinkMode& candidate : kThinkModes) {
    if (mode != candidate.name) continue;
    t.user_suffix = candidate.user_suffix;
    t.reply_begin += candidate.begin;
    if (*candidate.begin) t.think_end = "</think>";
    return;
  }
  throw Error(Code::kArgument, "think mode \"{}\": expected {}", mode, names_of(kThinkModes));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Of a name in lower case, such as "rwkv7-g1d-2.9b": the template of its G series, from g1h on with one more stop, or "".
std::string series_template(std::string_view name) {
  const auto at = [&](size_t i) { return i < name.size() ? static_cast<unsigned char>(name[i]) : 0; };
  for (size_t i = 0; i < name.size(); ++i)
    if (name[i] == 'g' && std::isdigit(at(i + 1)) && !std::isdigit(at(i + 2)) && (i == 0 || !std::isalnum(at(i - 1))))
      return at(i + 1) > '1' || (at(i + 1) == '1' && at(i + 2) >= 'h' && at(i + 2) <= 'z') ? "g1h" : "g1";
  return "";
}

// "custom:USER|ASSISTANT"
ChatTemplate custom(std::string_view spec) {
  const size_t bar = spec.find('|');
  if (bar == std::string_view::npos || bar == 0 || bar + 1 == spec.size())
    throw Error(Code::kArgument, "template \"custom:{}\": expected custom:USER|ASSISTANT", spec);
  return colon_template("custom", std::string(spec.substr(0, bar)), std::string(spec.substr(bar + 1)));
}

// The bytes of a white-space character (Unicode's White_Space, as Python's strip takes it) at the start, or 0.
size_t blank_at(std::string_view text) {
  static constexpr std::string_view kWide[] = {
      "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007",
      "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};
  if (text.empty()) return 0;
  const char c = text[0];
  if (c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f')) return 1;
  for (const std::string_view wide : kWide)
    if (text.starts_with(wide)) return wide.size();
  return 0;
}

}  // namespace

std::string clean_message(std::string_view text) {
  std::string lines;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\n' && !lines.empty() && lines.back() == '\n') continue;
    lines += text[i];
  }
  std::string_view rest = lines;
  while (const size_t n = blank_at(rest)) rest.remove_prefix(n);
  for (size_t n = 1; n != 0 && !rest.empty();) {
    n = 0;
    for (size_t size = 1; size <= 3 && size <= rest.size() && n == 0; ++size)  // a character from the end
      if (blank_at(rest.substr(rest.size() - size)) == size) n = size;
    rest.remove_suffix(n);
  }
  return std::string(rest);
}

std::string ChatTemplate::message(Role role, std::string_view text) const {
  const Frame& f = frame[static_cast<int>(role)];
  const std::string body = clean ? clean_message(text) : std::string(text);
  return f.before + body + (role == Role::kUser ? user_suffix : "") + f.after;
}

std::string choose_template(const ChatHints& hints) {
  if (hints.version == "rwkv6qwen2" || hints.version == "arwkv7" ||
      hints.stated_template.find("<|im_start|>") != std::string::npos)
    return "chatml";
  const std::string name = lower(hints.model_name), series = series_template(name);
  // A bare word names a template. Converters write "rwkv-world" for all models whose Jinja file is missing.
  for (const Named& t : kTemplates)
    if (hints.stated_template == t.name && (series.empty() || t.make != world)) return t.name;
  if (name.find("raven") != std::string::npos) return "raven";
  if (!series.empty()) return series;
  return hints.n_vocab == 50277 ? "raven" : "rwkv-world";
}

ChatTemplate make_chat_template(std::string_view name, std::string_view think, const ChatHints& hints) {
  const std::string chosen = name.empty() ? choose_template(hints) : std::string(name);
  ChatTemplate out;
  bool thinks = false, found = false;
  if (chosen.rfind("custom:", 0) == 0) {
    out = custom(std::string_view(chosen).substr(7));
    found = true;
  }
  for (const Named& t : kTemplates)
    if (chosen == t.name) {
      out = t.make();
      thinks = t.thinks;
      found = true;
    }
  if (!found)
    throw Error(Code::kArgument, "template \"{}\": expected {}, or custom:USER|ASSISTANT", chosen,
                names_of(kTemplates));
  if (think.empty() || think == "none") return out;
  if (!thinks)
    throw Error(Code::kArgument, "template {} has no think modes; g1 has", out.name);
  apply_think(out, think);
  return out;
}

}  // namespace rwkv
