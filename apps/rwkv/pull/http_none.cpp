// In place of http.cpp where libcurl was absent when the command was built.
#include "failure.h"
#include "http.h"

namespace command {

struct Http::Work {};
Http::Http(HttpRules) {
  throw Failure(
      "this rwkv was built without libcurl and cannot download "
      "(Debian: apt-get install libcurl4-openssl-dev, then build again)");
}
Http::~Http() = default;
void Http::start(Request*) {}
std::vector<Request*> Http::wait(int) { return {}; }
void Http::cancel(Request*) {}
std::string Http::get(const std::string&, size_t) { return {}; }
std::string origin_of(const std::string& address) { return address; }

}  // namespace command
