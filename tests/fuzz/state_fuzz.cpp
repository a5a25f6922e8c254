// libFuzzer target: any bytes as a state file end in an Error or in finite floats. The checksum
// would stop every change, so the bytes come in twice: as they are, and with it made right.
#include <cmath>
#include <cstring>

#include "base/hash.h"
#include "engine/session.h"
#include "model_target.h"
#include "support/random_model.h"

namespace {

using namespace rwkv;

constexpr size_t kHeaderBytes = 64, kChecksumAt = 40;

std::shared_ptr<LoadedModel> model() {
  static const auto loaded = [] {
    auto out = std::make_shared<LoadedModel>();
    out->file = test::make_file(
        {.n_layer = 1, .n_embd = 8, .head_size = 4, .n_ffn = 8, .n_vocab = 8, .rank = 2});
    out->model = build_model(out->file, {});
    out->executor = make_reference_executor(out->model.plan);
    out->fingerprint = 0x6161616161616161;
    return out;
  }();
  return loaded;
}

void parse(const std::vector<std::byte>& bytes) {
  fuzz::errors_only([&] {
    const Snapshot snapshot = parse_snapshot(model(), bytes, "fuzz");
    for (const float x : snapshot.state)
      if (!std::isfinite(x)) std::abort();
    Session(model()).restore(snapshot);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::byte> bytes = fuzz::to_bytes(data, size);
  parse(bytes);
  if (size < kHeaderBytes) return 0;
  Hash64 hash;
  hash.add(std::span<const std::byte>(bytes).subspan(kHeaderBytes));
  const uint64_t checksum = hash.value();
  std::memcpy(bytes.data() + kChecksumAt, &checksum, sizeof checksum);
  parse(bytes);
  return 0;
}
