#include "support/amx_emulator.h"

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/cpu.h"

namespace rwkv::test {
namespace {

[[noreturn]] void fault(const char* what) {
  std::fprintf(stderr, "tile instructions: %s\n", what);
  std::abort();
}
void require(bool holds, const char* what) {
  if (!holds) fault(what);
}

struct Tile {
  size_t rows, row_bytes;
  uint8_t bytes[16][64];
};
struct Machine {
  bool configured;
  Tile tiles[8];
  size_t n_instruction;
  // A tile that may be used.
  Tile& tile(unsigned i) {
    require(configured, "no configuration is loaded");
    require(i < 8 && tiles[i].rows > 0, "a tile that is not configured");
    return tiles[i];
  }
} machine;

// VEX.128.0F38.W0, the form of all of them.
struct Instruction {
  enum Prefix : unsigned { kNone, k66, kF3, kF2 } prefix;
  uint8_t opcode;
  bool memory;
  unsigned reg, rm, vvvv;
  uint8_t* base;   // of memory
  int64_t stride;  // index * scale
  size_t length;
};

uint64_t value_of(const gregset_t& registers, unsigned number) {
  constexpr int kPlaces[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return static_cast<uint64_t>(registers[kPlaces[number]]);
}

Instruction decode(const gregset_t& registers) {
  const auto* const begin = reinterpret_cast<const uint8_t*>(registers[REG_RIP]);
  const uint8_t* p = begin;
  require(p[0] == 0xc4 && (p[1] & 31) == 2 && (p[2] & 0x84) == 0, "an illegal instruction that is none of theirs");
  const unsigned more_reg = p[1] & 0x80 ? 0 : 8, more_index = p[1] & 0x40 ? 0 : 8, more_base = p[1] & 0x20 ? 0 : 8;
  Instruction out{static_cast<Instruction::Prefix>(p[2] & 3), p[3], false, 0, 0, (~p[2] >> 3) & 15u, nullptr, 0, 0};
  p += 4;
  const unsigned modrm = *p++, mode = modrm >> 6;
  out.reg = (modrm >> 3 & 7) | more_reg;
  out.rm = (modrm & 7) | more_base;
  out.memory = mode != 3;
  if (out.memory) {
    uint64_t address;
    if ((modrm & 7) == 4) {
      const unsigned sib = *p++, index = (sib >> 3 & 7) | more_index;
      require(mode != 0 || (sib & 7) != 5, "an address without a base");
      address = value_of(registers, (sib & 7) | more_base);
      if (index != 4) out.stride = static_cast<int64_t>(value_of(registers, index)) << (sib >> 6);
    } else {
      require(mode != 0 || (modrm & 7) != 5, "an address relative to the instruction");
      require(out.opcode != 0x4b, "a tile in memory without a stride");
      address = value_of(registers, out.rm);
    }
    int32_t displacement = 0;
    if (mode == 1) displacement = static_cast<int8_t>(*p++);
    if (mode == 2) {
      std::memcpy(&displacement, p, sizeof displacement);
      p += sizeof displacement;
    }
    out.base = reinterpret_cast<uint8_t*>(address + static_cast<uint64_t>(static_cast<int64_t>(displacement)));
  }
  out.length = static_cast<size_t>(p - begin);
  return out;
}

void load_configuration(const uint8_t* c) {
  require(c[0] == 1 && c[1] == 0, "a palette other than 1, or a start row");
  for (size_t i = 0; i < 64; ++i)
    require((i >= 16 && i < 32) || (i >= 48 && i < 56) || i < 2 || c[i] == 0, "reserved bytes of the configuration");
  for (size_t i = 0; i < 8; ++i) {
    uint16_t row_bytes;
    std::memcpy(&row_bytes, c + 16 + 2 * i, sizeof row_bytes);
    require(row_bytes <= 64 && c[48 + i] <= 16 && (row_bytes == 0) == (c[48 + i] == 0), "the size of a tile");
    machine.tiles[i] = Tile{c[48 + i], row_bytes, {}};
  }
  machine.configured = true;
}

void load(Tile& t, const uint8_t* from, int64_t stride) {
  std::memset(t.bytes, 0, sizeof t.bytes);
  for (size_t row = 0; row < t.rows; ++row) std::memcpy(t.bytes[row], from + static_cast<int64_t>(row) * stride, t.row_bytes);
}
void store(const Tile& t, uint8_t* to, int64_t stride) {
  for (size_t row = 0; row < t.rows; ++row) std::memcpy(to + static_cast<int64_t>(row) * stride, t.bytes[row], t.row_bytes);
}

float bf16(const uint8_t* p) {
  uint32_t bits = 0;
  std::memcpy(&bits, p, 2);
  bits <<= 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
float add_bf16(float sum, const Tile& a, const Tile& b, size_t m, size_t n) {
  float parts[2] = {0, 0};
  for (size_t k = 0; k < a.row_bytes / 4; ++k)
    for (size_t i = 0; i < 2; ++i)
      parts[i] = std::fma(bf16(a.bytes[m] + 4 * k + 2 * i), bf16(b.bytes[k] + 4 * n + 2 * i), parts[i]);
  return sum + (parts[0] + parts[1]);
}
int32_t add_bytes(int32_t sum, const Tile& a, const Tile& b, size_t m, size_t n) {
  for (size_t k = 0; k < a.row_bytes; ++k)
    sum += static_cast<int8_t>(a.bytes[m][k]) * static_cast<int8_t>(b.bytes[k / 4][4 * n + k % 4]);
  return sum;
}
template <typename T, typename Add>
void multiply(const Instruction& x, Add add) {
  require(x.reg != x.rm && x.reg != x.vvvv && x.rm != x.vvvv, "a product of the same tiles");
  Tile& c = machine.tile(x.reg);
  const Tile &a = machine.tile(x.rm), &b = machine.tile(x.vvvv);
  require(a.rows == c.rows && a.row_bytes == 4 * b.rows && b.row_bytes == c.row_bytes && c.row_bytes % 4 == 0,
          "tiles of sizes that do not go together");
  for (size_t m = 0; m < c.rows; ++m)
    for (size_t n = 0; n < c.row_bytes / 4; ++n) {
      T sum;
      std::memcpy(&sum, c.bytes[m] + 4 * n, sizeof sum);
      sum = add(sum, a, b, m, n);
      std::memcpy(c.bytes[m] + 4 * n, &sum, sizeof sum);
    }
}

void run(const Instruction& x) {
  switch (x.opcode << 4 | (x.memory ? 8 : 0) | x.prefix) {
    case 0x498 | Instruction::kNone: return load_configuration(x.base);
    case 0x490 | Instruction::kNone: return void(machine.configured = false);
    case 0x490 | Instruction::kF2: return void(std::memset(machine.tile(x.reg).bytes, 0, sizeof(Tile::bytes)));
    case 0x4b8 | Instruction::kF2: return load(machine.tile(x.reg), x.base, x.stride);
    case 0x4b8 | Instruction::kF3: return store(machine.tile(x.reg), x.base, x.stride);
    case 0x5c0 | Instruction::kF3: return multiply<float>(x, add_bf16);
    case 0x5e0 | Instruction::kF2: return multiply<int32_t>(x, add_bytes);
    default: fault("an instruction that the emulator does not know");
  }
}

void on_illegal_instruction(int, siginfo_t*, void* context) {
  flush_subnormals();  // as the unit does; the end of a handler takes it back
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const Instruction x = decode(registers);
  run(x);
  ++machine.n_instruction;
  registers[REG_RIP] += static_cast<greg_t>(x.length);
}

}  // namespace

AmxEmulator::AmxEmulator() {
  machine = {};
  struct sigaction action {};
  action.sa_sigaction = on_illegal_instruction;
  action.sa_flags = SA_SIGINFO;
  require(sigaction(SIGILL, &action, &before_) == 0, "no handler could be set");
}
AmxEmulator::~AmxEmulator() { sigaction(SIGILL, &before_, nullptr); }
size_t AmxEmulator::n_instruction() const { return machine.n_instruction; }

}  // namespace rwkv::test
