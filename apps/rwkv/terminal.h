// The terminal's mode. It is given back on every way out of the program: return, exit, a signal.
#pragma once

#include <string_view>

namespace command {

enum class TerminalMode {
  kOriginal,
  kReply,  // no echo, so that typing ahead does not mix with the reply; Ctrl-C is a signal
  kEdit    // every key is handed over as it is, Ctrl-C too; pastes come in brackets
};

// Before the first change: where the editor draws. Installs what gives the mode back.
void terminal_prepare(int out_fd);
void terminal_mode(TerminalMode mode);
void terminal_suspend();  // Ctrl-Z in kEdit; returns in kEdit after the program is continued
void terminal_write(int fd, std::string_view bytes);

struct TerminalSize {
  int columns, rows;
};
TerminalSize terminal_size(int fd);

// From now on Ctrl-C sets `interrupted` and nothing else, however often it comes.
void catch_interrupt_gently();

}  // namespace command
