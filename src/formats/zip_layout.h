// The marks of a ZIP file, for its reader and its writer (APPNOTE.TXT 4.3).
#pragma once

#include <cstdint>

namespace rwkv {

inline constexpr uint32_t kZipLocalMagic = 0x04034b50, kZipCentralMagic = 0x02014b50, kZipDescriptorMagic = 0x08074b50;
inline constexpr uint32_t kZipEndMagic = 0x06054b50, kZipEnd64Magic = 0x06064b50, kZipLocatorMagic = 0x07064b50;
inline constexpr uint32_t kZipIn64 = 0xffffffff;  // "the value stands in the ZIP64 field"
inline constexpr uint16_t kZipIn64Short = 0xffff, kZip64Field = 1;
inline constexpr uint16_t kZipEncrypted = 1 << 0, kZipHasDescriptor = 1 << 3, kZipStrongEncryption = 1 << 6;

}  // namespace rwkv
