// The little of Unicode that byte-level BPE needs: classes of code points and NFC.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rwkv {

// kOther takes all the rest: marks, punctuation, symbols, controls, unassigned, kInvalidPoint.
enum class CharClass { kLetter, kNumber, kSpace, kOther };  // \p{L}, \p{N}, White_Space

CharClass char_class(uint32_t point) noexcept;

// `text` in Unicode normalisation form C. Ill-formed bytes stay as they are and nothing composes
// across them. Text that is in NFC already comes back unchanged; cost is linear but for sorting
// runs of marks.
std::string to_nfc(std::string_view text);

}  // namespace rwkv
