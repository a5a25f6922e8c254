#include "shared.h"
namespace command {
int chat(const Options&) { throw Failure("chat is being written"); }
}
