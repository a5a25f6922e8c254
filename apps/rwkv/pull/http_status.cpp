// What HTTP statuses mean to a user.
#include "http.h"

#include <algorithm>

namespace command {

bool may_pass(long status) { return status == 408 || status == 425 || status == 429 || status >= 500; }

double pause_after(int n_fault, double retry_after_s) {
  if (retry_after_s >= 0) return std::min(retry_after_s, 300.0);
  return std::min(0.5 * static_cast<double>(1 << std::min(n_fault - 1, 6)), 30.0);
}

std::string status_sentence(const Head& head, bool token_sent) {
  const auto meaning = [&]() -> std::string {
    switch (head.status) {
      case 401:
      case 403:
        return token_sent ? "the token in HF_TOKEN does not open this file"
                          : "this file is not public; set HF_TOKEN if you have access";
      case 404:
      case 410: return "there is no such file";
      case 416: return "the file is shorter than was said before";
      case 429: return "too many requests";
      default:
        return head.status >= 500 ? "the server has a fault" : "an answer that is not understood";
    }
  };
  return head.address + ": status " + std::to_string(head.status) + ", " + meaning();
}

}  // namespace command
