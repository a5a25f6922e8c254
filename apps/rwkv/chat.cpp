// rwkv chat: turns from a terminal or a pipe, replies on standard output, all else on standard error.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "conversation.h"
#include "history.h"
#include "line_reader.h"
#include "terminal.h"

namespace command {
namespace {

constexpr const char* kDim = "\033[2m";
constexpr const char* kPlain = "\033[0m";

bool colors_wanted(const Options& options) {
  const char* no_color = std::getenv("NO_COLOR");
  return !options.no_color && !(no_color && *no_color) && terminal_draws();
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string rounded(double value, int n_digit) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", n_digit, value);
  return text;
}

std::string n_tokens(uint64_t n) { return std::to_string(n) + (n == 1 ? " token" : " tokens"); }

std::string home_expanded(const std::string& path) {
  const char* home = std::getenv("HOME");
  return path.starts_with("~/") && home ? home + path.substr(1) : path;
}

class ChatCommand {
 public:
  ChatCommand(const rwkv_api::Model& model, const Options& options, double load_s)
      : model_(model), options_(options), load_s_(load_s), conversation_(model, options),
        terminal_(is_terminal(STDOUT_FILENO)), notices_(is_terminal(STDERR_FILENO)),
        color_(colors_wanted(options)) {}

  int run();

 private:
  using Handler = void (ChatCommand::*)(const std::string&);
  struct Command {
    const char* name;
    const char* argument;
    const char* about;
    Handler handler;
  };
  static const Command kCommands[];

  void prompts(std::string& system, std::string& first) const;
  void open_reader();
  void loop();
  void take(const std::string& line);
  bool take_command(const std::string& line);
  void say(const std::string& text);
  void show(std::string_view text, bool thinking);
  void finish_reply(Conversation::Reply reply);
  void end_thinking();
  void notice(const std::string& text) const;

  void help(const std::string&);
  void system(const std::string& text);
  void clear(const std::string&);
  void restart(const std::string& system);
  void save(const std::string& path);
  void load(const std::string& path);
  void fork(const std::string& name);
  void undo(const std::string&);
  void regen(const std::string&);
  void temp(const std::string& value);
  void tokens(const std::string& text);
  void stats(const std::string&);
  void quit(const std::string&) { done_ = true; }

  const rwkv_api::Model& model_;
  const Options& options_;
  double load_s_;
  Conversation conversation_;
  bool terminal_, notices_, color_;
  std::unique_ptr<LineReader> reader_;
  bool done_ = false, quit_armed_ = false, failed_ = false;
  bool shown_thinking_ = false, shown_answer_ = false;
};

const ChatCommand::Command ChatCommand::kCommands[] = {
    {"help", "", "this list", &ChatCommand::help},
    {"system", "TEXT", "start over with this system prompt (-: without one; nothing: show it)",
     &ChatCommand::system},
    {"clear", "", "start over with the same system prompt", &ChatCommand::clear},
    {"save", "FILE", "write the conversation's state", &ChatCommand::save},
    {"load", "FILE", "go on from a state written by /save or --state-out", &ChatCommand::load},
    {"fork", "NAME",
     "go on in a branch; a new one starts here, the one left keeps its place (-NAME: drop it; "
     "nothing: list them)",
     &ChatCommand::fork},
    {"undo", "", "take the last turn back (or /system, /load)", &ChatCommand::undo},
    {"regen", "", "another reply to the last turn", &ChatCommand::regen},
    {"temp", "X", "temperature of the replies; 0: always the likeliest", &ChatCommand::temp},
    {"tokens", "TEXT", "the tokens of a text; nothing: how many the conversation has",
     &ChatCommand::tokens},
    {"stats", "", "speed and memory", &ChatCommand::stats},
    {"exit", "", "leave (also Ctrl-D)", &ChatCommand::quit},
};

// A line for the user, dimmed on a terminal.
void ChatCommand::notice(const std::string& text) const {
  std::fflush(stdout);
  const bool dim = notices_ && color_;
  std::fprintf(stderr, "%s%s%s\n", dim ? kDim : "", neutralise(text).c_str(),
               dim ? kPlain : "");
}

// -sys is the system prompt; -p and -f are it too, or the first turn beside -sys or when there is but one (-st).
void ChatCommand::prompts(std::string& system, std::string& first) const {
  if (options_.prompt == "-")
    throw Failure("-p -: a chat reads its turns from standard input; give the prompt itself");
  const std::string prompt = read_prompt(options_, true);
  if (options_.system_prompt.empty() && !options_.single_turn) {
    system = prompt;
    return;
  }
  system = options_.escape ? process_escapes(options_.system_prompt) : options_.system_prompt;
  first = prompt;
}

void ChatCommand::open_reader() {
  LineReaderOptions o;
  o.out_fd = terminal_ ? STDOUT_FILENO : notices_ ? STDERR_FILENO : -1;
  o.color = color_;
  if (!options_.no_history && is_terminal(STDIN_FILENO)) o.history_path = default_history_path();
  reader_ = make_line_reader(o);
  // On a terminal Ctrl-C stops the reply only. In a pipe it ends the chat after the reply so far.
  if (!reader_->interactive()) return;
  catch_interrupt_gently();
  if (!options_.quiet)
    notice("template " + conversation_.template_name() +
           "; /help lists the commands, Ctrl-C stops a reply, Ctrl-D leaves");
}

int ChatCommand::run() {
  std::string system, first;
  prompts(system, first);
  if (!conversation_.begin(system)) return 130;
  open_reader();
  const bool interactive = reader_->interactive();
  if (!first.empty()) say(first);
  loop();
  reader_.reset();  // the terminal is as it was
  if (!options_.state_out.empty()) conversation_.save(options_.state_out);
  if (options_.verbose) stats("");
  if (interactive) return 0;
  return interrupted ? 130 : failed_ ? 1 : 0;
}

void ChatCommand::loop() {
  while (!done_) {
    if (interrupted && !reader_->interactive()) return;
    interrupted = 0;
    const Line line = reader_->read();
    if (line.kind == Line::Kind::kEnd) return;
    if (line.kind == Line::Kind::kText) {
      quit_armed_ = false;
      take(line.text);
      continue;
    }
    if (!reader_->interactive() || (quit_armed_ && line.text.empty())) return;
    quit_armed_ = true;
    notice("Ctrl-C once more, Ctrl-D or /exit leaves");
  }
}

// "/word" and "/word text" are commands; "/usr/bin" and "/* ... */" are not.
bool ChatCommand::take_command(const std::string& line) {
  if (line.size() < 2 || line[0] != '/') return false;
  const size_t end = std::min(line.find_first_of(" \t\n", 1), line.size());
  std::string name = line.substr(1, end - 1);
  // Other programs' words.
  static const std::map<std::string, std::string> kOthers = {{"quit", "exit"}, {"bye", "exit"}, {"reset", "clear"}};
  if (const auto other = kOthers.find(name); other != kOthers.end()) name = other->second;
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  if (!std::all_of(name.begin(), name.end(), is_letter)) return false;
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    (this->*command.handler)(trimmed(line.substr(end)));
    return true;
  }
  throw Failure("unknown command /" + name +
                ": /help lists them; a blank before it makes it a text");
}

void ChatCommand::take(const std::string& line) {
  interrupted = 0;
  try {
    if (take_command(line)) return;
    if (!trimmed(line).empty()) say(line);
  } catch (const std::exception& error) {
    notice(error.what());
    failed_ = true;
  }
}

void ChatCommand::say(const std::string& text) {
  shown_thinking_ = shown_answer_ = false;
  finish_reply(conversation_.say(
      text, [&](std::string_view piece, bool thinking) { show(piece, thinking); }));
}

void ChatCommand::regen(const std::string&) {
  shown_thinking_ = shown_answer_ = false;
  const auto reply = conversation_.say_again(
      [&](std::string_view piece, bool thinking) { show(piece, thinking); });
  if (!reply) throw Failure("there is no turn to reply to again");
  finish_reply(*reply);
}

void ChatCommand::show(std::string_view text, bool thinking) {
  // Someone who reads the replies through a pipe wants the answer.
  if (thinking && !terminal_) return;
  if (thinking && !shown_thinking_) {
    std::fputs(color_ ? kDim : "[thinking]\n", stdout);
    shown_thinking_ = true;
  }
  if (!thinking && !shown_answer_) {
    end_thinking();
    shown_answer_ = true;
  }
  print(text, terminal_);
}

void ChatCommand::end_thinking() {
  if (!shown_thinking_ || shown_answer_) return;
  if (color_) std::printf("%s\n", kPlain);
  else std::fputs("\n[/thinking]\n", stdout);
}

void ChatCommand::finish_reply(Conversation::Reply reply) {
  if (reply == Conversation::Reply::kTakenBack) {
    notice("(stopped while it was read: the turn is taken back)");
    return;
  }
  if (!shown_answer_) end_thinking();
  print(terminal_ && shown_answer_ ? "\n\n" : "\n", false);
  if (reply == Conversation::Reply::kStopped) notice("(stopped)");
  if (reply == Conversation::Reply::kLength && terminal_) notice("(-n tokens are reached)");
  if (options_.single_turn) done_ = true;
}

void ChatCommand::help(const std::string&) {
  for (const Command& command : kCommands) {
    constexpr size_t kNameWidth = 14;
    std::string name = "/";
    name.append(command.name).append(" ").append(command.argument);
    name.resize(std::max(kNameWidth, name.size() + 1), ' ');
    notice(name + command.about);
  }
  notice("a \\ at the end of a line, or Alt-Enter, goes on in the next; "
         "arrows bring earlier lines back");
}

void ChatCommand::clear(const std::string&) { restart(conversation_.system()); }

void ChatCommand::system(const std::string& text) {
  if (text.empty()) {
    const std::string& present = conversation_.system();
    notice(present.empty() ? "(no system prompt)" : present);
    return;
  }
  restart(text == "-" ? "" : text);
}

void ChatCommand::restart(const std::string& system) {
  if (conversation_.restart(system))
    notice("(a new conversation; /undo brings the old one back)");
  else notice("(stopped while it was read: nothing has changed)");
}

void ChatCommand::save(const std::string& path) {
  if (path.empty()) throw Failure("/save FILE: no file is named");
  conversation_.save(home_expanded(path));
  notice("(saved)");
}

void ChatCommand::load(const std::string& path) {
  if (path.empty()) throw Failure("/load FILE: no file is named");
  conversation_.load(home_expanded(path));
  notice("(loaded: " + n_tokens(conversation_.n_token()) + ")");
}

void ChatCommand::fork(const std::string& name) {
  constexpr size_t kMaxForkName = 64;
  if (name.empty()) {
    bool first = true;
    for (const std::string& branch : conversation_.branches()) {
      notice((first ? "* " : "  ") + branch);
      first = false;
    }
    return;
  }
  if (name.size() > kMaxForkName) throw Failure("/fork NAME: 64 bytes at most");
  if (name[0] == '-') {
    conversation_.drop_branch(name.substr(1));
    notice("(branch " + name.substr(1) + " is dropped)");
    return;
  }
  switch (conversation_.switch_branch(name)) {
    case Conversation::Switch::kCreated: notice("(a new branch starts here)"); break;
    case Conversation::Switch::kSwitched: notice("(back in this branch)"); break;
    case Conversation::Switch::kAlreadyThere: notice("(this is the present branch)"); break;
  }
}

void ChatCommand::undo(const std::string&) {
  const auto undone = conversation_.undo();
  if (!undone) throw Failure("there is nothing to take back");
  if (undone->is_turn) notice("(taken back: " + trimmed(undone->text) + ")");
  else notice("(the conversation from before is back)");
}

void ChatCommand::temp(const std::string& value) {
  if (!value.empty()) {
    char* end = nullptr;
    const float temperature = std::strtof(value.c_str(), &end);
    if (*end || !std::isfinite(temperature) || temperature < 0)
      throw Failure("/temp " + value + ": expected a number, 0 or more");
    conversation_.set_temperature(temperature);
  }
  notice("(temperature " + rounded(static_cast<double>(conversation_.temperature()), 2) + ")");
}

void ChatCommand::tokens(const std::string& text) {
  constexpr size_t kMaxShown = 200;
  if (text.empty()) {
    notice(n_tokens(conversation_.n_token()));
    return;
  }
  const std::vector<int32_t> ids = model_.tokenize(text);
  std::string list = n_tokens(ids.size()) + ":";
  for (size_t i = 0; i < std::min(ids.size(), kMaxShown); ++i)
    list.append(" ").append(std::to_string(ids[i])).append("\"").append(
        model_.token_bytes(ids[i])) += '"';
  if (ids.size() > kMaxShown) list += " ...";
  notice(list);
}

void ChatCommand::stats(const std::string&) {
  const auto speed = [](const std::string& what, uint64_t n, double seconds) {
    const double rate = seconds > 0 ? static_cast<double>(n) / seconds : 0.0;
    return n_tokens(n) + " " + what + ", " + rounded(rate, 1) + " tok/s";
  };
  const auto line = [&](const std::string& label, const Conversation::Counts& c) {
    notice(label + ": " + speed("read", c.n_read, c.read_s) + "; " +
           speed("written", c.n_written, c.written_s) +
           (c.n_guessed ? "; of " + std::to_string(c.n_guessed) + " guesses " + std::to_string(c.n_accepted) + " right" : ""));
  };
  line("last turn", conversation_.last());
  line("all turns", conversation_.total());
  const double mebibytes = static_cast<double>(conversation_.state_bytes()) / 1048576.0;
  notice("loading took " + rounded(load_s_, 2) + " s; a state takes " + rounded(mebibytes, 2) +
         " MiB however long the chat; kept: " + std::to_string(conversation_.n_undo()) +
         " for /undo, " + std::to_string(conversation_.branches().size() - 1) + " other branches");
}

}  // namespace

int chat(const Options& options) {
  catch_interrupt();
  const Stopwatch load;
  const rwkv_api::Model model = open_model(options);
  return ChatCommand(model, options, load.seconds()).run();
}

}  // namespace command
