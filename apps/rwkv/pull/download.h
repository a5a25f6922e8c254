// One file from an address onto the disk: in parallel ranges, resumable, checked.
#pragma once

#include <filesystem>
#include <string>

#include "failure.h"
#include "http.h"
#include "progress.h"

namespace command {

struct DownloadOptions {
  int n_connection = 4;
  int n_retry = 5;          // faults in a row, without a byte between them, that are borne
  bool token_sent = false;  // for the sentences only
};

struct Wanted {
  std::string address;
  std::filesystem::path target;  // its folder exists
  std::string sha256;            // lower case; empty: what the server says, if anything
};

struct Downloaded {
  uint64_t size = 0;
  std::string sha256;    // of what is on the disk
  bool checked = false;  // it was compared with a hash known before
};

Interrupted stopped();  // what Ctrl-C throws here: the part is kept

// Afterwards target is whole, or an exception says why not and the part waits for another try
// (after a wrong hash there is no part: its bytes are worth nothing). The caller holds the lock.
Downloaded download(Http& http, const Wanted& wanted, const DownloadOptions& options,
                    Progress& progress);

}  // namespace command
