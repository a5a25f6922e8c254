// llama.cpp's importance matrices: how large the inputs of each matrix are, column by column, so that a quantizer
// knows which errors count. Two formats: GGUF (NAME.in_sum2, NAME.counts) and the older .dat. docs/quality.md.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mapped_file.h"

namespace rwkv {

struct ImatrixEntry {
  std::vector<double> sums;    // [n_matrix, cols] squared inputs, summed over tokens
  std::vector<double> counts;  // [n_matrix] tokens; a plain matrix is a stack of one
};

struct Imatrix {
  std::map<std::string, ImatrixEntry> entries;  // by the name in GGUF model files
  std::vector<std::string> datasets;
  uint32_t n_chunk = 0, chunk_size = 512;       // chunks of tokens that were read, tokens of one
};

enum class ImatrixFormat { kGguf, kDat };

// Either format. Error{kFormat}: names without sums or counts, lengths that do not fit, values that are
// negative or not finite, a cut file; Error{kIo}.
Imatrix load_imatrix(const std::string& path);
Imatrix load_imatrix(const std::string& path, std::shared_ptr<MappedFile> map);
// Atomic. A .dat holds means times calls of chunk_size tokens, so counts come back rounded up to whole chunks.
void save_imatrix(const Imatrix& imatrix, const std::string& path, ImatrixFormat format);
// Adds sums, counts, chunks and names of datasets. Error{kShape}: a name has another number of columns.
void merge_imatrix(Imatrix& into, const Imatrix& from);

// The mean squared input of every column, [n_matrix * cols], by the matrix' GGUF name. Entries that saw no
// token are left out.
std::map<std::string, std::vector<float>> read_imatrix(const std::string& path);

}  // namespace rwkv
