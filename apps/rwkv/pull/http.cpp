#include "http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "failure.h"
#include "shared.h"
#include "source.h"

namespace command {
namespace {

constexpr int kMaxRedirects = 10;

struct UrlCloser {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
std::string part_of(const std::string& address, CURLUPart part, unsigned flags = 0) {
  const std::unique_ptr<CURLU, UrlCloser> url(curl_url());
  char* text = nullptr;
  if (curl_url_set(url.get(), CURLUPART_URL, address.c_str(), 0) != CURLUE_OK ||
      curl_url_get(url.get(), part, &text, flags) != CURLUE_OK)
    return {};
  std::string out(text);
  curl_free(text);
  return out;
}

bool is_this_machine(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos);
}

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return text;
}

bool take_number(std::string_view& text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value > uint64_t{1} << 62) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

// "bytes 0-99/1000" or "bytes 0-99/*"; anything else leaves the range empty, which is a wrong one.
void read_content_range(std::string_view text, Head& head) {
  uint64_t first = 0, last = 0, total = 0;
  if (!lower(text.substr(0, 6)).starts_with("bytes ")) return;
  text.remove_prefix(6);
  if (!take_number(text, first) || !text.starts_with('-')) return;
  text.remove_prefix(1);
  if (!take_number(text, last) || last < first || !text.starts_with('/')) return;
  text.remove_prefix(1);
  head.range = Range{first, last + 1};
  if (take_number(text, total)) head.range_total = static_cast<int64_t>(total);
}

}  // namespace

std::string origin_of(const std::string& address) {
  const std::string scheme = part_of(address, CURLUPART_SCHEME);
  const std::string host = part_of(address, CURLUPART_HOST);
  if ((scheme != "https" && scheme != "http") || host.empty())
    throw Failure(address + ": no http or https address");
  return lower(scheme + "://" + host + ":" + part_of(address, CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

// One request: an easy handle that is used again for each redirect.
struct Transfer {
  Request* request = nullptr;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::string address;  // of this hop
  int n_redirect = 0;
  bool head_seen = false, stopped = false;
  char error[CURL_ERROR_SIZE] = "";

  ~Transfer() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
  }
};

struct Http::Work {
  HttpRules rules;
  CURLM* multi = nullptr;
  std::map<Request*, std::unique_ptr<Transfer>> transfers;
  std::vector<Request*> finished;  // refused before they began

  void begin_hop(Transfer& t);
  void finish(Transfer& t, Outcome outcome, std::string sentence);
  void completed(Transfer& t, CURLcode code);
  std::string why_not(const std::string& to, const std::string& from) const;
};

namespace {

size_t on_header(char* data, size_t, size_t n, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  Head& head = t.request->head;
  const std::string_view line(data, n);
  if (line.starts_with("HTTP/")) {  // a new response: of a redirect, or after 100 Continue
    const std::string linked = head.linked_etag;
    head = Head{.address = t.address, .linked_etag = linked};
    return n;
  }
  const size_t colon = line.find(':');
  if (colon == line.npos) return n;
  const std::string name = lower(line.substr(0, colon));
  std::string_view value = trimmed(line.substr(colon + 1));
  uint64_t number = 0;
  if (name == "etag") head.etag = value;
  if (name == "last-modified" && head.etag.empty()) head.etag = value;
  if (name == "x-linked-etag") head.linked_etag = value;
  if (name == "content-range") read_content_range(value, head);
  if (name == "content-length" && take_number(value, number))
    head.length = static_cast<int64_t>(number);
  if (name == "retry-after" && take_number(value, number))
    head.retry_after_s = static_cast<double>(number);
  return n;
}

size_t on_data(char* data, size_t, size_t n, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &t.request->head.status);
  if (is_redirect(t.request->head.status)) return n;  // the text of a redirect
  if (!t.head_seen) {
    t.head_seen = true;
    if (t.request->on_head && !t.request->on_head(t.request->head)) t.stopped = true;
  }
  if (!t.stopped && t.request->on_body && !t.request->on_body({data, n})) t.stopped = true;
  return t.stopped ? 0 : n;
}

}  // namespace

// Empty when the rules let a request go there.
std::string Http::Work::why_not(const std::string& to, const std::string& from) const {
  const std::string scheme = part_of(to, CURLUPART_SCHEME), host = part_of(to, CURLUPART_HOST);
  if (scheme != "https" && scheme != "http") return to + ": no http or https address";
  if (!part_of(to, CURLUPART_USER).empty())
    return to + ": an address with a user name is not followed";
  if (scheme == "https") return {};
  if (!from.empty() && from.starts_with("https:"))
    return from + " leads to " + to + ": from https to http is not followed";
  if (is_this_machine(host)) {
    if (from.empty() || is_this_machine(part_of(from, CURLUPART_HOST))) return {};
    return from + " leads to this machine, which is not followed";
  }
  for (const std::string& origin : rules.plain_origins)
    if (origin_of(origin) == origin_of(to)) return {};
  return to +
         ": only https, except to this machine and to a mirror that HF_ENDPOINT or "
         "MODELSCOPE_ENDPOINT names";
}

void Http::Work::begin_hop(Transfer& t) {
  curl_easy_reset(t.easy);
  curl_slist_free_all(t.headers);
  t.headers = curl_slist_append(nullptr, "Accept-Encoding: identity");
  // To http on other machines a token would go in the clear.
  const bool safe =
      t.address.starts_with("https:") || is_this_machine(part_of(t.address, CURLUPART_HOST));
  if (!rules.token.empty() && safe && origin_of(t.address) == origin_of(rules.token_origin))
    t.headers = curl_slist_append(t.headers, ("Authorization: Bearer " + rules.token).c_str());
  const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(t.easy, option, value); };
  set(CURLOPT_URL, t.address.c_str());
  set(CURLOPT_HTTPHEADER, t.headers);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  // One connection a request: streams of one HTTP/2 connection share its speed.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_FOLLOWLOCATION, 0L);  // completed() looks at each step
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_USERAGENT, "librwkv");
  // Authorities of one's own, as curl and OpenSSL take them: behind a proxy that opens TLS.
  if (const char* authorities = std::getenv("SSL_CERT_FILE"); authorities && *authorities)
    set(CURLOPT_CAINFO, authorities);
  set(CURLOPT_CONNECTTIMEOUT, 30L);
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(rules.stall_s)));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_ERRORBUFFER, t.error);
  set(CURLOPT_BUFFERSIZE, 256L << 10);
  set(CURLOPT_PRIVATE, static_cast<void*>(&t));
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&t));
  set(CURLOPT_WRITEFUNCTION, on_data);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&t));
  const auto& range = t.request->range;
  if (range)
    set(CURLOPT_RANGE,
        (std::to_string(range->begin) + "-" + std::to_string(range->end - 1)).c_str());
  curl_multi_add_handle(multi, t.easy);
}

void Http::Work::finish(Transfer& t, Outcome outcome, std::string sentence) {
  t.request->outcome = outcome;
  t.request->sentence = std::move(sentence);
  finished.push_back(t.request);
  transfers.erase(t.request);
}

void Http::Work::completed(Transfer& t, CURLcode code) {
  curl_multi_remove_handle(multi, t.easy);
  Head& head = t.request->head;
  curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &head.status);
  head.address = t.address;
  if (t.stopped) return finish(t, Outcome::kStopped, {});
  if (code != CURLE_OK) {
    const bool hopeless = code == CURLE_PEER_FAILED_VERIFICATION ||
                          code == CURLE_SSL_CACERT_BADFILE || code == CURLE_UNSUPPORTED_PROTOCOL ||
                          code == CURLE_URL_MALFORMAT;
    return finish(t, hopeless ? Outcome::kRefused : Outcome::kNetwork,
                  t.address + ": " + (t.error[0] ? t.error : curl_easy_strerror(code)));
  }
  if (is_redirect(head.status)) {
    char* to = nullptr;
    curl_easy_getinfo(t.easy, CURLINFO_REDIRECT_URL, &to);
    if (!to) return finish(t, Outcome::kRefused, t.address + ": a redirect that leads nowhere");
    if (++t.n_redirect > kMaxRedirects)
      return finish(
          t, Outcome::kRefused,
          t.request->address + ": more than " + std::to_string(kMaxRedirects) + " redirects");
    const std::string next(to);
    if (std::string why = why_not(next, t.address); !why.empty())
      return finish(t, Outcome::kRefused, std::move(why));
    t.address = next;
    return begin_hop(t);
  }
  if (!t.head_seen && t.request->on_head && !t.request->on_head(head))
    return finish(t, Outcome::kStopped, {});
  finish(t, Outcome::kDone, {});
}

Http::Http(HttpRules rules) : work_(std::make_unique<Work>()) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  work_->rules = std::move(rules);
  work_->multi = curl_multi_init();
}

Http::~Http() {
  while (!work_->transfers.empty()) cancel(work_->transfers.begin()->first);
  curl_multi_cleanup(work_->multi);
}

void Http::start(Request* request) {
  request->head = Head{.address = request->address};
  request->sentence.clear();
  auto transfer = std::make_unique<Transfer>();
  transfer->request = request;
  transfer->address = request->address;
  transfer->easy = curl_easy_init();
  Transfer& t = *transfer;
  work_->transfers[request] = std::move(transfer);
  if (std::string why = work_->why_not(request->address, ""); !why.empty())
    return work_->finish(t, Outcome::kRefused, std::move(why));
  work_->begin_hop(t);
}

void Http::cancel(Request* request) {
  const auto found = work_->transfers.find(request);
  if (found == work_->transfers.end()) return;
  curl_multi_remove_handle(work_->multi, found->second->easy);
  work_->transfers.erase(found);
}

std::vector<Request*> Http::wait(int timeout_ms) {
  int running = 0;
  curl_multi_perform(work_->multi, &running);
  if (running > 0 && work_->finished.empty()) {
    curl_multi_poll(work_->multi, nullptr, 0, timeout_ms, nullptr);
    curl_multi_perform(work_->multi, &running);
  }
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(work_->multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    void* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    work_->completed(*static_cast<Transfer*>(transfer), code);
  }
  return std::exchange(work_->finished, {});
}

namespace {

void pause(int n_fault, const std::string& fault, double retry_after_s) {
  const double seconds = pause_after(n_fault, retry_after_s);
  std::fprintf(stderr, "%s; next try in %.1f s\n", neutralise(fault).c_str(), seconds);
  for (double waited = 0; waited < seconds; waited += 0.1) {
    if (interrupted) throw Interrupted("interrupted");
    const struct timespec step{0, 100'000'000};
    ::nanosleep(&step, nullptr);
  }
}

}  // namespace

std::string Http::get(const std::string& address, size_t limit) {
  for (int n_fault = 1;; ++n_fault) {
    std::string body;
    bool too_long = false;
    Request request{.address = address};
    request.on_body = [&](std::string_view bytes) {
      too_long = body.size() + bytes.size() > limit;
      if (!too_long) body += bytes;
      return !too_long;
    };
    start(&request);
    while (wait(1000).empty()) {
    }
    if (too_long)
      throw Failure(address + ": the answer is longer than " + std::to_string(limit) + " bytes");
    if (request.outcome == Outcome::kDone && request.head.status == 200) return body;
    const bool answered = request.outcome == Outcome::kDone;
    const bool again = request.outcome == Outcome::kNetwork || (answered && may_pass(request.head.status));
    const std::string fault =
        answered ? status_sentence(request.head, !work_->rules.token.empty()) : request.sentence;
    if (!again) throw Failure(fault);
    if (n_fault > work_->rules.n_retry)
      throw Failure(fault + " (given up after " + std::to_string(n_fault) + " tries)");
    pause(n_fault, fault, request.head.retry_after_s);
  }
}

}  // namespace command
