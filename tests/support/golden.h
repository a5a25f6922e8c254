// Where vectors lie: those made by others (may be absent: the test says "skipped"), and our own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace rwkv::test {

inline std::string golden(const std::string& name) { return std::string(RWKV_GOLDEN_DIR) + "/" + name; }
inline std::string data(const std::string& name) { return std::string(RWKV_TEST_DATA_DIR) + "/" + name; }

#define SKIP_WITHOUT(path)                  \
  if (!std::filesystem::exists(path)) \
  GTEST_SKIP() << "not here: " << (path)

template <typename T>
std::vector<T> read_vector(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  std::vector<T> out(bytes.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
  return out;
}

// Largest difference; NaN as soon as one element is, so that an output that nobody wrote fails.
template <typename A, typename B>
double max_abs_diff(const A& a, const B& b) {
  if (std::size(a) != std::size(b) || std::size(a) == 0) return NAN;
  double largest = 0;
  for (size_t i = 0; i < std::size(a); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(d <= largest)) largest = d;
    if (std::isnan(d)) return d;
  }
  return largest;
}

template <typename A, typename B>
bool same_bits(const A& a, const B& b) {
  return std::size(a) == std::size(b) &&
         std::memcmp(std::data(a), std::data(b), std::size(a) * sizeof(*std::data(a))) == 0;
}

// Of this process, gone when it ends.
struct TemporaryFolder {
  const pid_t owner = ::getpid();
  const std::filesystem::path path = testing::TempDir() + "unpacked." + std::to_string(owner);
  TemporaryFolder() { std::filesystem::create_directories(path); }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (::getpid() == owner) std::filesystem::remove_all(path, ignored);
  }
};

// Unpacks NAME.xz of the golden folder into a temporary folder; "" when that can't be done.
inline std::string unpack(const std::string& name) {
  static const TemporaryFolder folder;
  const std::string out = folder.path / std::filesystem::path(name).filename();
  if (std::system(("xz -dc '" + golden(name) + ".xz' > '" + out + "' 2>/dev/null").c_str()) != 0) return "";
  return out;
}

}  // namespace rwkv::test
