// libFuzzer target: every instruction set that this processor has gives the scalar kernels' bits, whatever the shape,
// the weights, the activations and the zeros among them.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/cpu/isa/tables.h"
#include "model_target.h"
#include "support/run_linear.h"

namespace {

using namespace rwkv;

struct Case {
  DType type;
  size_t n_out, cols, rows;
  bool wide, by_unit;
};

// Bytes of the input, over and over.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t next() { return data_[at_++ % size_]; }

 private:
  const uint8_t* data_;
  size_t size_, at_ = 0;
};

void compare(const Case& c, Bytes& bytes) {
  const DTypeInfo& type = info(c.type);
  std::vector<std::byte> matrix(bytes_of(c.type, c.n_out * c.cols));
  for (std::byte& b : matrix) b = static_cast<std::byte>(bytes.next());
  std::vector<float> values(c.n_out * c.cols);
  type.decode(matrix.data(), values.size() / type.block_values, values.data());
  // No NaN, whose bits nobody promises, and nothing so small that flushing it to zero matters.
  for (const float v : values)
    if (!(std::abs(v) < 1e25f) || (v != 0 && std::abs(v) < 1e-25f)) return;
  std::vector<float> x(c.rows * c.cols + cpu::kLanes);
  for (float& v : x) v = static_cast<float>(static_cast<int8_t>(bytes.next())) * 0.01f * static_cast<float>(bytes.next() % 3);
  ThreadPool pool(1);
  Arena arena;
  const cpu::PackedMatrix weight({c.type, c.n_out, c.cols, matrix, "w"},
                                 c.by_unit ? cpu::PackOrder::kByUnit : cpu::PackOrder::kPanels, pool, arena);
  const bool bf16 = c.type == DType::kBF16 && c.wide && !c.by_unit;
  const std::vector<float> want = test::run_linear(cpu::kScalarTable, weight, x, c.cols, c.rows, c.wide, bf16);
  for (const cpu::KernelTable* table : cpu::compiled_tables())
    if (cpu::can_run(*table)) {
      const std::vector<float> got = test::run_linear(*table, weight, x, c.cols, c.rows, c.wide, bf16);
      if (std::memcmp(got.data(), want.data(), want.size() * sizeof(float)) != 0) {
        std::fprintf(stderr, "%s differs from scalar: %s %zux%zu, %zu rows, %s, %s\n", table->name,
                     std::string(name(c.type)).c_str(), c.n_out, c.cols, c.rows, c.wide ? "16 bits" : "8 bits",
                     c.by_unit ? "by unit" : "panels");
        std::abort();
      }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr DType kTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0, DType::kQ4_1,   DType::kQ5_0,
                              DType::kQ5_1, DType::kQ8_0, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K,   DType::kQ5_K,
                              DType::kQ6_K, DType::kTQ2_0, DType::kMXFP4, DType::kIQ4_NL, DType::kIQ4_XS};
  if (size < 16) return 0;
  Case c{};
  c.type = kTypes[data[0] % std::size(kTypes)];
  c.n_out = 1 + data[1] % 150;
  c.cols = std::max<size_t>(info(c.type).block_values, 32) * (1 + data[2] % 4);
  c.rows = 1 + data[3] % 20;
  c.wide = data[4] & 1;
  c.by_unit = data[4] & 2;
  Bytes bytes(data + 5, size - 5);
  compare(c, bytes);
  return 0;
}
