// The first request asks for one byte with a Range header: its answer says the size, the etag and
// whether ranges work. With ranges, the missing bytes are cut into pieces and several connections
// fetch them; without, one connection fetches all. Every answer is measured against what was asked.
#include "download.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <vector>

#include "failure.h"
#include "part_file.h"
#include "sha256.h"
#include "shared.h"

namespace command {
namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kMinPiece = uint64_t{1} << 20, kMaxPiece = uint64_t{64} << 20;
constexpr auto kSaveEvery = std::chrono::milliseconds(500);

bool stop_asked() { return interrupted != 0; }

std::string unquoted(std::string text) {
  if (text.starts_with("W/")) text.erase(0, 2);
  std::erase(text, '"');
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

// Faults that may pass by themselves, with pauses between the tries.
class Patience {
 public:
  Patience(int n_retry, Progress& progress) : n_retry_(n_retry), progress_(progress) {}
  void progress_made() { n_fault_ = 0; }
  // Failure when there were too many; else when the next try may begin. Connections that fail
  // while one waits already wait with it: together they are one fault.
  Clock::time_point after_fault(const std::string& sentence, double retry_after_s) {
    if (Clock::now() < until_) return until_;
    if (++n_fault_ > n_retry_)
      throw Failure(sentence + " (given up after " + std::to_string(n_retry_ + 1) +
                    " tries; the same command goes on)");
    const double wait_s = pause_after(n_fault_, retry_after_s);
    progress_.say(sentence + "; next try in " + time_text(wait_s));
    until_ = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(wait_s * 1000));
    return until_;
  }

 private:
  int n_retry_, n_fault_ = 0;
  Clock::time_point until_{};
  Progress& progress_;
};

// Failure for what stays as it is; else the sentence of a fault that may pass.
std::string fault_of(const Request& request, bool token_sent) {
  if (request.outcome == Outcome::kNetwork) return request.sentence;
  if (request.outcome == Outcome::kRefused) throw Failure(request.sentence);
  const std::string sentence = status_sentence(request.head, token_sent);
  if (!may_pass(request.head.status)) throw Failure(sentence);
  return sentence;
}

void sleep_until(Clock::time_point when, Http& http) {
  while (Clock::now() < when) {
    if (stop_asked()) throw stopped();
    http.wait(50);
    struct timespec pause{0, 20'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

struct Probe {
  ContentId id;
  bool has_ranges = false;
};

Probe probe(Http& http, const Wanted& wanted, const DownloadOptions& options, Patience& patience) {
  for (;;) {
    Request request{.address = wanted.address, .range = Range{0, 1}};
    request.on_head = [](const Head& head) {
      return head.status != 200;
    };  // a whole file is not wanted yet
    http.start(&request);
    while (http.wait(200).empty())
      if (stop_asked()) {
        http.cancel(&request);
        throw stopped();
      }
    const Head& head = request.head;
    const bool answered = request.outcome == Outcome::kDone || request.outcome == Outcome::kStopped;
    if (answered && (head.status == 200 || head.status == 206)) {
      Probe out{.id = {.address = wanted.address, .etag = head.etag, .sha256 = wanted.sha256}};
      out.has_ranges = head.status == 206 && head.range == Range{0, 1} && head.range_total > 0;
      out.id.size = out.has_ranges ? head.range_total : head.status == 200 ? head.length : -1;
      const std::string linked = unquoted(head.linked_etag);
      if (out.id.sha256.empty() && is_sha256(linked)) out.id.sha256 = linked;
      if (is_sha256(linked) && linked != out.id.sha256)
        throw Failure(wanted.address + ": the server's file has SHA-256 " + linked + ", expected " +
                      out.id.sha256);
      return out;
    }
    if (answered && head.status == 416) throw Failure(wanted.address + ": the file is empty");
    const std::string fault = fault_of(request, options.token_sent);
    sleep_until(patience.after_fault(fault, head.retry_after_s), http);
  }
}

// All ranges of a file at once, each connection with a piece of its own.
class Ranged {
 public:
  Ranged(Http& http, const Probe& probe, PartFile& part, const DownloadOptions& options,
         Patience& patience, Progress& progress)
      : http_(http),
        id_(probe.id),
        part_(part),
        options_(options),
        patience_(patience),
        progress_(progress) {
    const auto size = static_cast<uint64_t>(id_.size);
    const uint64_t share = size / (4 * static_cast<uint64_t>(options.n_connection));
    const uint64_t piece = std::clamp(share, kMinPiece, kMaxPiece);
    for (const Range& r : part.ranges().missing(size, piece)) waiting_.push_back({r, Clock::now()});
  }
  ~Ranged() {
    for (Piece& piece : running_) http_.cancel(&piece.request);
  }
  void run();

 private:
  struct Piece {
    Range range;
    Clock::time_point not_before;
    Request request{};
    uint64_t at = 0;       // next byte to write
    std::string fault{};   // found in the answer
    bool changed = false;  // the etag is another one
    int n_wrong = 0;       // answers that are not what was asked for
  };
  void begin(Piece& piece);
  bool judge(Piece& piece, const Head& head);
  void take(Piece& piece);
  void save(bool now);

  Http& http_;
  const ContentId& id_;
  PartFile& part_;
  const DownloadOptions& options_;
  Patience& patience_;
  Progress& progress_;
  std::list<Piece> waiting_, running_;  // a list: requests are known by their address in memory
  std::exception_ptr disk_;             // thrown after libcurl has returned
  Clock::time_point saved_ = Clock::now();
};

// False ends the request; why is in piece.fault.
bool Ranged::judge(Piece& piece, const Head& head) {
  if (head.status != 206 && head.status != 200) return true;  // fault_of() says it
  if (head.etag != id_.etag) {
    piece.changed = true;
  } else if (head.status == 200) {
    piece.fault = head.address + ": the whole file came instead of a range";
  } else if (head.length >= 0 && static_cast<uint64_t>(head.length) != piece.range.size()) {
    piece.fault = head.address + ": " + std::to_string(head.length) +
                  " bytes are announced for a range of " + std::to_string(piece.range.size());
  } else if (head.range != piece.range || head.range_total != id_.size) {
    const std::string came =
        head.range ? std::to_string(head.range->begin) + "-" + std::to_string(head.range->end - 1)
                   : "none";
    piece.fault = head.address + ": bytes " + std::to_string(piece.range.begin) + "-" +
                  std::to_string(piece.range.end - 1) + " were asked for, the answer's range is " +
                  came + " of " + std::to_string(head.range_total);
  }
  return !piece.changed && piece.fault.empty();
}

void Ranged::begin(Piece& piece) {
  piece.at = piece.range.begin;
  piece.fault.clear();
  piece.request = Request{.address = id_.address, .range = piece.range};
  piece.request.on_head = [this, &piece](const Head& head) { return judge(piece, head); };
  piece.request.on_body = [this, &piece](std::string_view bytes) {
    if (piece.request.head.status != 206) return true;  // the text of an error
    if (bytes.size() > piece.range.end - piece.at) {
      piece.fault = id_.address + ": more bytes than the range has";
      piece.at = piece.range.begin;
      return false;
    }
    try {
      part_.write(piece.at, bytes);
    } catch (...) {
      disk_ = std::current_exception();
      return false;
    }
    piece.at += bytes.size();
    patience_.progress_made();
    return true;
  };
  http_.start(&piece.request);
}

// A request has ended: the piece is done, or its rest waits for another try.
void Ranged::take(Piece& piece) {
  const auto self =
      std::find_if(running_.begin(), running_.end(), [&](const Piece& p) { return &p == &piece; });
  if (piece.changed)
    throw Failure(
        id_.address +
        ": the file changed on the server while it was loaded; give the same command again");
  if (piece.at == piece.range.end && piece.fault.empty()) {
    running_.erase(self);
    return;
  }
  if (piece.fault.empty() && piece.request.outcome == Outcome::kDone &&
      piece.request.head.status == 206)
    piece.fault = id_.address + ": fewer bytes than the range has";
  // Wrong answers are counted by piece: others may make progress beside it for ever.
  if (!piece.fault.empty() && ++piece.n_wrong > options_.n_retry)
    throw Failure(piece.fault + " (given up after " + std::to_string(piece.n_wrong) + " tries)");
  const std::string fault =
      !piece.fault.empty() ? piece.fault : fault_of(piece.request, options_.token_sent);
  piece.range.begin = piece.at;
  piece.not_before = patience_.after_fault(fault, piece.request.head.retry_after_s);
  waiting_.splice(waiting_.begin(), running_, self);
}

void Ranged::save(bool now) {
  if (!now && Clock::now() - saved_ < kSaveEvery) return;
  part_.save();
  saved_ = Clock::now();
}

void Ranged::run() {
  while (!waiting_.empty() || !running_.empty()) {
    for (auto next = waiting_.begin();
         next != waiting_.end() && running_.size() < static_cast<size_t>(options_.n_connection);) {
      const auto piece = next++;
      if (piece->not_before > Clock::now()) continue;
      running_.splice(running_.end(), waiting_, piece);
      begin(*piece);
    }
    if (running_.empty())
      sleep_until(
          std::min(Clock::now() + std::chrono::milliseconds(50), waiting_.front().not_before),
          http_);
    for (Request* request : http_.wait(100)) {
      const auto piece = std::find_if(running_.begin(), running_.end(),
                                      [&](const Piece& p) { return &p.request == request; });
      if (piece == running_.end()) continue;
      if (disk_) break;
      take(*piece);
    }
    if (disk_) std::rethrow_exception(disk_);
    if (stop_asked()) throw stopped();
    save(false);
    progress_.update(part_.ranges().total(), id_.size);
  }
}

// One stream from the first byte on. Returns the size.
uint64_t stream(Http& http, const ContentId& id, PartFile& part, const DownloadOptions& options,
                Patience& patience, Progress& progress) {
  for (;;) {
    uint64_t at = 0;
    std::exception_ptr disk;
    std::string fault;
    Request request{.address = id.address};
    request.on_body = [&](std::string_view bytes) {
      if (request.head.status != 200) return true;
      if (id.size >= 0 && bytes.size() > static_cast<uint64_t>(id.size) - at) {
        fault = id.address + ": more bytes than promised";
        return false;
      }
      try {
        part.write(at, bytes);
      } catch (...) {
        disk = std::current_exception();
        return false;
      }
      at += bytes.size();
      return true;
    };
    http.start(&request);
    while (http.wait(100).empty()) {
      progress.update(at, id.size);
      if (stop_asked()) {
        http.cancel(&request);
        throw stopped();
      }
    }
    if (disk) std::rethrow_exception(disk);
    if (fault.empty() && request.outcome == Outcome::kDone && request.head.status == 200) {
      if (at > 0 && (id.size < 0 || at == static_cast<uint64_t>(id.size))) return at;
      fault = id.address + ": " + std::to_string(at) + " bytes came, " + std::to_string(id.size) +
              " were promised";
    }
    if (fault.empty()) fault = fault_of(request, options.token_sent);
    part.start_over();
    sleep_until(patience.after_fault(fault + " (this server cannot go on in the middle)",
                                     request.head.retry_after_s),
                http);
  }
}

uint64_t fetch(Http& http, const Probe& found, PartFile& part, const DownloadOptions& options,
               Patience& patience, Progress& progress) {
  try {
    if (!found.has_ranges) return stream(http, found.id, part, options, patience, progress);
    Ranged(http, found, part, options, patience, progress).run();
    return static_cast<uint64_t>(found.id.size);
  } catch (...) {
    // A full disk may have no room for the list of ranges either: then the last one that was saved
    // holds.
    try {
      part.save();
    } catch (const Failure&) {
    }
    throw;
  }
}

}  // namespace

Interrupted stopped() { return Interrupted("stopped; what is there stays, and the same command goes on"); }

Downloaded download(Http& http, const Wanted& wanted, const DownloadOptions& options,
                    Progress& progress) {
  Patience patience(options.n_retry, progress);
  const Probe found = probe(http, wanted, options, patience);
  PartFile part(wanted.target);
  const std::string name = wanted.target.filename().string();
  switch (part.open(found.id)) {
    case Resume::kFresh: break;
    case Resume::kContinues:
      if (part.ranges().total() > 0)
        progress.say(name + ": goes on, " + size_text(part.ranges().total()) + " of " +
                     size_text(static_cast<uint64_t>(found.id.size)) + " are there");
      break;
    case Resume::kChanged:
      progress.say(name +
                   ": the part on the disk is of another content, or the server does not say; "
                   "starting over");
      break;
  }
  if (!found.has_ranges)
    progress.say(name + ": the server knows no ranges; one stream, which cannot be resumed");
  if (found.id.size > 0)
    check_space(wanted.target.parent_path(),
                static_cast<uint64_t>(found.id.size) - part.ranges().total(), name);
  Downloaded out;
  out.size = fetch(http, found, part, options, patience, progress);
  part.save();
  progress.clear();
  out.sha256 = part.sha256(out.size, stop_asked);
  if (out.sha256.empty()) throw stopped();
  out.checked = !found.id.sha256.empty();
  if (out.checked && out.sha256 != found.id.sha256) {
    part.discard();
    throw Failure(name + ": wrong content: its SHA-256 is " + out.sha256 + ", expected " +
                  found.id.sha256 + ". The bytes were removed");
  }
  part.finish(out.size);
  return out;
}

}  // namespace command
