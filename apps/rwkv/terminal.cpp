#include "terminal.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "shared.h"

namespace command {
namespace {

constexpr std::string_view kPasteOn = "\033[?2004h", kPasteOff = "\033[?2004l";

// Written before the handlers are installed, then only read: the handlers use nothing but these,
// write, tcsetattr, signal and raise, which are all allowed there.
termios original_mode, reply_mode, edit_mode;
int out = -1;
volatile std::sig_atomic_t present = static_cast<int>(TerminalMode::kOriginal);

void apply(TerminalMode mode) {
  const termios& attributes = mode == TerminalMode::kOriginal ? original_mode
                              : mode == TerminalMode::kReply  ? reply_mode
                                                              : edit_mode;
  const auto edit = static_cast<int>(TerminalMode::kEdit);
  if (mode != TerminalMode::kEdit && present == edit) terminal_write(out, kPasteOff);
  while (::tcsetattr(STDIN_FILENO, TCSADRAIN, &attributes) != 0 && errno == EINTR) {
  }
  if (mode == TerminalMode::kEdit && present != edit) terminal_write(out, kPasteOn);
  present = static_cast<int>(mode);
}

void restore() {
  if (out >= 0) apply(TerminalMode::kOriginal);
}

extern "C" void on_fatal(int signal) {
  restore();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

extern "C" void on_suspend(int) {
  const int saved_errno = errno;
  const auto mode = static_cast<TerminalMode>(static_cast<int>(present));
  restore();
  std::raise(SIGSTOP);
  apply(mode);
  errno = saved_errno;
}

extern "C" void on_gentle_interrupt(int) { interrupted = 1; }
extern "C" void on_resize(int) {}  // so that poll() returns

void handle(int signal, void (*handler)(int)) {
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  // Without it a write to the terminal could fail in the middle of a reply.
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void terminal_prepare(int out_fd) {
  if (::tcgetattr(STDIN_FILENO, &original_mode) != 0) return;
  reply_mode = original_mode;
  // Enter stays "\r" when it is typed ahead: the editor reads it later.
  reply_mode.c_iflag &= ~static_cast<tcflag_t>(ICRNL | INLCR);
  reply_mode.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | IEXTEN);
  reply_mode.c_cc[VMIN] = 1;
  reply_mode.c_cc[VTIME] = 0;
  edit_mode = reply_mode;
  edit_mode.c_iflag &= ~static_cast<tcflag_t>(IXON | BRKINT | ISTRIP);
  edit_mode.c_lflag &= ~static_cast<tcflag_t>(ISIG);
  out = out_fd;
  std::atexit(restore);
  for (const int signal : {SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV}) handle(signal, on_fatal);
  handle(SIGTSTP, on_suspend);
  handle(SIGWINCH, on_resize);
  // A reader of our output that leaves is seen as a failed write, after which exit() restores.
  std::signal(SIGPIPE, SIG_IGN);
}

void terminal_mode(TerminalMode mode) {
  if (out >= 0) apply(mode);
}

void terminal_suspend() { std::raise(SIGTSTP); }

void terminal_write(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno != EINTR) return;
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
  }
}

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {80, 24};
  // Narrower than this there is no editing; the terminal then wraps as it likes.
  return {std::max<int>(size.ws_col, 8), std::max<int>(size.ws_row, 2)};
}

void catch_interrupt_gently() { handle(SIGINT, on_gentle_interrupt); }

}  // namespace command
