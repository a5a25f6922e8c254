// The file of a base model's predictions: 16 bits a probability.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "evaluate.h"
#include "shared.h"

namespace command {

BaseFile::BaseFile(const std::string& path, BaseUse use, const BaseHeader& header, uint64_t first_row)
    : path_(path), open_path_(use == BaseUse::kWrite ? path + ".part" : path), use_(use) {
  std::error_code none;
  if (use == BaseUse::kWrite && std::filesystem::exists(path, none) && !std::filesystem::is_regular_file(path, none))
    throw Failure(path + ": is no file, expected one that can be written and read again");
  row_.codes.resize(header.n_vocab);
  const bool create = use == BaseUse::kWrite && first_row == 0;
  file_ = std::fopen(open_path_.c_str(), create ? "wb" : use == BaseUse::kWrite ? "r+b" : "rb");
  if (!file_) throw Failure(open_path_ + ": cannot be opened: " + std::strerror(errno));
  try {
    if (create && std::fwrite(&header, sizeof header, 1, file_) != 1)
      throw Failure(open_path_ + ": cannot be written");
    if (!create) {
      BaseHeader found;
      if (std::fread(&found, sizeof found, 1, file_) != 1 || std::memcmp(found.magic, header.magic, 8) != 0)
        throw Failure(open_path_ + ": expected the magic RWKVBASE of a file of base predictions");
      if (std::memcmp(&found, &header, sizeof header) != 0)
        throw Failure(open_path_ + ": made from another text, vocabulary or chunk length: it has " +
                      std::to_string(found.n_token) + " tokens of " + std::to_string(found.n_vocab) +
                      " and chunks of " + std::to_string(found.chunk_length) + ", expected " +
                      std::to_string(header.n_token) + ", " + std::to_string(header.n_vocab) + " and " +
                      std::to_string(header.chunk_length) + " (the same -f, -c and --chunks)");
      position(first_row);
    }
  } catch (...) {
    std::fclose(file_);
    file_ = nullptr;
    throw;
  }
}

void BaseFile::position(uint64_t row) {
  const auto row_bytes = static_cast<uint64_t>(12 + 2 * row_.codes.size());
  const auto at = static_cast<long>(sizeof(BaseHeader) + row * row_bytes);
  std::fseek(file_, 0, SEEK_END);
  if (std::ftell(file_) < at)
    throw Failure(open_path_ + ": ends before row " + std::to_string(row) + " (is the file cut?)");
  if (use_ == BaseUse::kWrite && ::ftruncate(::fileno(file_), at) != 0)
    throw Failure(open_path_ + ": cannot be written");
  std::fseek(file_, at, SEEK_SET);
}

BaseFile::~BaseFile() {
  if (!file_) return;
  std::fclose(file_);
  if (use_ == BaseUse::kWrite && !keep_) std::remove(open_path_.c_str());
}

void BaseFile::write(const float* logits, const RowSummary& row, int32_t next) {
  const size_t n = row_.codes.size();
  const float top = logits[row.top];
  const float low = *std::min_element(logits, logits + n);
  // Codes 0 to 65534; beyond 100 below the top nothing counts, and -infinity must not spoil the step.
  const float range = std::min(top - low, 100.0f);
  row_.step = range / 65534.0f;
  const float scale = range > 0 ? 65534.0f / range : 0;
  for (size_t i = 0; i < n; ++i)
    row_.codes[i] = static_cast<uint16_t>(std::min((top - logits[i]) * scale + 0.5f, 65535.0f));
  row_.nll = static_cast<float>(row.log_sum - static_cast<double>(logits[next]));
  row_.top = row.top;
  if (std::fwrite(&row_.step, 4, 1, file_) != 1 || std::fwrite(&row_.nll, 4, 1, file_) != 1 ||
      std::fwrite(&row_.top, 4, 1, file_) != 1 || std::fwrite(row_.codes.data(), 2, n, file_) != n)
    throw Failure(open_path_ + ": cannot be written: " + std::strerror(errno));
}

const BaseRow& BaseFile::read() {
  const size_t n = row_.codes.size();
  if (std::fread(&row_.step, 4, 1, file_) != 1 || std::fread(&row_.nll, 4, 1, file_) != 1 ||
      std::fread(&row_.top, 4, 1, file_) != 1 || std::fread(row_.codes.data(), 2, n, file_) != n)
    throw Failure(open_path_ + ": ends before its last row (is the file cut?)");
  if (!std::isfinite(row_.step) || row_.step < 0 || !std::isfinite(row_.nll))
    throw Failure(open_path_ + ": a row is not finite: the file is damaged");
  return row_;
}

void BaseFile::flush() {
  if (std::fflush(file_) != 0) throw Failure(open_path_ + ": cannot be written: " + std::strerror(errno));
}

void BaseFile::finish() {
  if (use_ != BaseUse::kWrite) return;
  const bool closed = std::fclose(file_) == 0;
  file_ = nullptr;
  if (!closed || std::rename(open_path_.c_str(), path_.c_str()) != 0) {
    std::remove(open_path_.c_str());
    throw Failure(path_ + ": cannot be written: " + std::strerror(errno));
  }
}

}  // namespace command
