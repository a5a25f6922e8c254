// Intel's tile instructions on processors that have none: a handler of SIGILL that does what the manual says (volume 2;
// those that simd/amx_tiles.h uses), and ends the program where the manual has a fault.
#pragma once

#include <signal.h>

#include <cstddef>

namespace rwkv::test {

// While one exists, on the thread that made it; one at a time.
class AmxEmulator {
 public:
  AmxEmulator();
  ~AmxEmulator();
  AmxEmulator(const AmxEmulator&) = delete;
  AmxEmulator& operator=(const AmxEmulator&) = delete;
  size_t n_instruction() const;  // emulated so far; 0 where the processor does it

 private:
  struct sigaction before_ {};
};

}  // namespace rwkv::test
