// GET requests over libcurl, several at once in one thread. The only place that knows libcurl;
// http_none.cpp stands in its place where the library is absent.
//
// Rules that hold for every request: certificates are checked against the system's authorities;
// plain http only to this machine or to a host that a mirror variable names; at most 10 redirects,
// never from https to http; a token goes to the origin that it belongs to and nowhere else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ranges.h"

namespace command {

struct Head {  // of the last response; linked_* of any on the way
  long status = 0;
  std::string address{};         // after redirects
  std::string etag{};            // as sent, with quotes; without one: Last-Modified
  std::string linked_etag{};     // Hugging Face: SHA-256 of a large file
  int64_t length = -1;           // Content-Length
  std::optional<Range> range{};  // Content-Range
  int64_t range_total = -1;      // Content-Range: size of the whole file
  double retry_after_s = -1;
};

enum class Outcome {
  kDone,     // the body is complete
  kStopped,  // on_head or on_body returned false
  kNetwork,  // cut, refused, timed out: may work when tried again
  kRefused   // our own rules or a certificate: no use in trying again
};

struct Request {
  std::string address;
  std::optional<Range> range{};                // asked for with a Range header
  std::function<bool(const Head&)> on_head{};  // before the body; false ends the request
  std::function<bool(std::string_view)> on_body{};
  // Filled in when it is finished:
  Head head{};
  Outcome outcome = Outcome::kDone;
  std::string sentence{};  // why not kDone
};

struct HttpRules {
  std::string token{}, token_origin{};       // Bearer token; "https://huggingface.co"
  std::vector<std::string> plain_origins{};  // mirrors that may be http://
  double stall_s = 60;                       // without a byte for so long, a request has failed
  int n_retry = 5;                           // faults in a row that get() bears
};

class Http {
 public:
  explicit Http(HttpRules rules);
  ~Http();
  void start(Request* request);  // the caller owns it and keeps it until it is finished
  std::vector<Request*> wait(int timeout_ms);  // works, then hands out what has finished
  void cancel(Request* request);
  // A small document; Failure on any status but 200, on more than `limit` bytes and on faults that
  // stay, with pauses between the tries.
  std::string get(const std::string& address, size_t limit = size_t{16} << 20);

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

// "https://host:port" in lower case; Failure when the text is no http address.
std::string origin_of(const std::string& address);

bool may_pass(long status);  // by itself, so that trying again makes sense
// Seconds before the next try, after so many faults in a row; what the server asked for (or -1) counts more.
double pause_after(int n_fault, double retry_after_s);

// What a status means to a user: "huggingface.co says 404: there is no such file".
std::string status_sentence(const Head& head, bool token_sent);

}  // namespace command
