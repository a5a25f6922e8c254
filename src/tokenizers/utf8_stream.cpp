// Whole characters leave at once; what waits is at most the first three bytes of one.
#include "base/utf8.h"
#include "tokenizers/tokenizer.h"

namespace rwkv {

std::string Utf8Stream::push(std::string_view bytes) {
  std::string joined = std::move(pending_);
  joined += bytes;
  pending_.clear();
  std::string out;
  for (std::string_view rest = joined; !rest.empty();) {
    const Utf8Char c = next_utf8(rest);
    if (c.cut) {
      pending_ = rest;
      break;
    }
    if (c.point == kInvalidPoint) append_utf8(out, 0xfffd);
    else out += rest.substr(0, c.size);
    rest.remove_prefix(c.size);
  }
  return out;
}

std::string Utf8Stream::finish() {
  std::string out;
  if (!pending_.empty()) append_utf8(out, 0xfffd);  // one maximal subpart, by construction
  pending_.clear();
  return out;
}

}  // namespace rwkv
