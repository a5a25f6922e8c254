// Sentences for the user: main prints them after "rwkv: ".
#pragma once

#include <stdexcept>

namespace command {

struct Failure : std::runtime_error {  // exit code 1
  using std::runtime_error::runtime_error;
};
struct Interrupted : std::runtime_error {  // by Ctrl-C: exit code 130
  using std::runtime_error::runtime_error;
};

}  // namespace command
