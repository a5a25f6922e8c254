// Texts and files, the same way in every subcommand.
#pragma once

#include <string>
#include <string_view>

#include "failure.h"

namespace command {

// A file's bytes. Failure names the reason; also above 256 MB.
std::string read_file(const std::string& path);
// A file, or standard input for "-". Failure when no name is given.
std::string read_text(const std::string& file);

// Writes all of the file or, on Failure, leaves what was there. What is no file (a pipe, /dev/null) is written to.
void write_whole(const std::string& path, std::string_view bytes);
// Failure when nothing can be written there, before long work is done for it.
void check_writable(const std::string& path);
// Flushes standard output; Failure when something of it was lost.
void check_output();

}  // namespace command
