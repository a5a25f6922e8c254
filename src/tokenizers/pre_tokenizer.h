// The first step of byte-level BPE: cutting text into pieces that merges do not cross.
#pragma once

#include <cstddef>
#include <string_view>

namespace rwkv {

enum class SplitRule {
  kGpt2,   // GPT-2, NeoX 20B: words and numbers with one leading space
  kQwen2,  // Qwen2, Qwen3: single digits, words with one leading character, runs of line ends
};

// The size in bytes of the piece that `text` begins with; `text` is not empty, nor is the piece.
// Both rules look ahead only, so pieces can be taken one after another. Ill-formed bytes count as
// symbols.
size_t first_piece(SplitRule rule, std::string_view text) noexcept;

}  // namespace rwkv
