// A sentence for the user; main prints it after "rwkv: " and exits with 1.
#pragma once

#include <stdexcept>

namespace command {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace command
