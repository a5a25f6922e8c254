#include "formats/imatrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/atomic_file.h"
#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/utf8.h"
#include "formats/formats.h"
#include "formats/writers.h"

namespace rwkv {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";
constexpr int32_t kMaxImatrixName = 4096, kMaxCols = 1 << 24;

std::vector<double> floats_of(const Tensor& tensor, const std::string& path) {
  if (tensor.dtype != DType::kF32)
    throw Error(Code::kFormat, "{}: tensor {}: type {}, expected F32", path, tensor.name, name(tensor.dtype));
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return {values.begin(), values.end()};
}

void check_entry(const std::string& name, const ImatrixEntry& entry, const std::string& path) {
  const auto bad = [](double x) { return !std::isfinite(x) || x < 0; };
  if (std::any_of(entry.sums.begin(), entry.sums.end(), bad) ||
      std::any_of(entry.counts.begin(), entry.counts.end(), bad))
    throw Error(Code::kFormat, "{}: {}: a sum or count is negative or not finite", path, name);
}

uint32_t small_number(const TensorFile& file, const std::string& key, uint32_t otherwise) {
  int64_t store = 0;
  const int64_t* value = file.meta_int(key, store);
  if (!value) return otherwise;
  if (*value < 0 || *value > INT32_MAX)
    throw Error(Code::kFormat, "{}: key {} is {}, expected 0 to 2^31", file.path(), key, *value);
  return static_cast<uint32_t>(*value);
}

Imatrix load_gguf(const std::string& path, std::shared_ptr<MappedFile> map) {
  const auto file = read_gguf(path, std::move(map));
  const std::string* type = file->meta_string("general.type");
  if (!type || *type != "imatrix")
    throw Error(Code::kFormat, "{}: general.type is {}, expected imatrix", path, type ? *type : "absent");
  Imatrix out;
  out.n_chunk = small_number(*file, "imatrix.chunk_count", 0);
  out.chunk_size = std::max(small_number(*file, "imatrix.chunk_size", 512), 1u);
  if (const auto found = file->meta().find("imatrix.datasets"); found != file->meta().end())
    if (const auto* names = std::get_if<std::vector<std::string>>(&found->second)) out.datasets = *names;
  for (const Tensor& tensor : file->tensors()) {
    const std::string_view full = tensor.name;
    if (full.ends_with(kCounts)) {
      if (!file->find(std::string(full.substr(0, full.size() - kCounts.size())) + std::string(kSums)))
        throw Error(Code::kFormat, "{}: tensor {} has no {} beside it", path, full, kSums);
      continue;
    }
    if (!full.ends_with(kSums))
      throw Error(Code::kFormat, "{}: tensor {}, expected names in {} and {}", path, full, kSums, kCounts);
    const std::string base(full.substr(0, full.size() - kSums.size()));
    const Tensor* counts = file->find(base + std::string(kCounts));
    if (!counts) throw Error(Code::kFormat, "{}: tensor {} has no {} beside it", path, full, kCounts);
    ImatrixEntry entry{floats_of(tensor, path), floats_of(*counts, path)};
    if (entry.counts.empty() || entry.sums.size() % entry.counts.size() != 0)
      throw Error(Code::kFormat, "{}: {} has {} sums for {} counts", path, base, entry.sums.size(),
                  entry.counts.size());
    check_entry(base, entry, path);
    out.entries.emplace(base, std::move(entry));
  }
  return out;
}

// n, then n times {name, calls, n_col, means * calls}; newer files end in {chunks, dataset}.
Imatrix load_dat(const std::string& path, std::span<const std::byte> bytes) {
  ByteReader reader(bytes, path);
  const auto length = [&](std::string_view what, int32_t least, int32_t most) {
    const auto n = reader.number<int32_t>(what);
    if (n < least || n > most)
      throw Error(Code::kFormat, "{}: byte {}: {} is {}, expected {} to {} (not an importance matrix?)", path,
                  reader.at() - 4, what, n, least, most);
    return static_cast<size_t>(n);
  };
  const auto text = [&](std::string_view what) {
    const size_t n = length(what, 1, kMaxImatrixName);
    std::string value(reader.text(n, what));
    if (!is_valid_utf8(value)) throw Error(Code::kFormat, "{}: byte {}: {} is not UTF-8", path, reader.at(), what);
    return value;
  };
  Imatrix out;
  for (size_t n = length("the number of entries", 1, 1 << 20); n > 0; --n) {
    const std::string entry_name = text("a name's length");
    const auto calls = static_cast<double>(length("a number of calls", 0, INT32_MAX));
    const size_t n_col = length("a number of columns", 1, kMaxCols);
    const auto data = reader.take(n_col * sizeof(float), "the values");
    std::vector<float> values(n_col);
    std::memcpy(values.data(), data.data(), data.size());
    ImatrixEntry entry{{values.begin(), values.end()}, {calls * out.chunk_size}};
    for (double& x : entry.sums) x *= out.chunk_size;
    check_entry(entry_name, entry, path);
    if (!out.entries.emplace(entry_name, std::move(entry)).second)
      throw Error(Code::kFormat, "{}: {} stands in the file twice", path, entry_name);
  }
  if (reader.left() == 0) return out;
  out.n_chunk = static_cast<uint32_t>(length("the number of chunks", 0, INT32_MAX));
  if (const size_t n = length("a dataset's name", 0, kMaxImatrixName); n > 0)
    out.datasets.emplace_back(reader.text(n, "a dataset's name"));
  return out;
}

std::span<const std::byte> as_floats(const std::vector<double>& values, std::vector<float>& store) {
  store.assign(values.begin(), values.end());
  return std::as_bytes(std::span(store));
}

void save_gguf(const Imatrix& imatrix, const std::string& path) {
  const Metadata meta = {{"general.type", std::string("imatrix")},
                         {"imatrix.datasets", imatrix.datasets},
                         {"imatrix.chunk_count", int64_t{imatrix.n_chunk}},
                         {"imatrix.chunk_size", int64_t{imatrix.chunk_size}}};
  std::vector<TensorSpec> tensors;
  std::vector<const std::vector<double>*> values;
  for (const auto& [name, entry] : imatrix.entries) {
    const size_t n = entry.counts.size();
    tensors.push_back({name + std::string(kSums), DType::kF32, {n, entry.sums.size() / n}});
    tensors.push_back({name + std::string(kCounts), DType::kF32, {n, 1}});
    values.insert(values.end(), {&entry.sums, &entry.counts});
  }
  write_gguf(path, meta, tensors, [&](size_t i, const ByteSink& sink) {
    std::vector<float> store;
    sink(as_floats(*values[i], store));
  });
}

void save_dat(const Imatrix& imatrix, const std::string& path) {
  ByteWriter b;
  const auto string = [&](const std::string& value) {
    b.number(static_cast<int32_t>(value.size()));
    b.text(value);
  };
  b.number(static_cast<int32_t>(imatrix.entries.size()));
  for (const auto& [name, entry] : imatrix.entries) {
    const size_t n = entry.counts.size(), n_col = entry.sums.size() / n;
    const double most = *std::max_element(entry.counts.begin(), entry.counts.end());
    const double calls = std::ceil(most / imatrix.chunk_size);
    string(name);
    b.number(static_cast<int32_t>(calls));
    b.number(static_cast<int32_t>(entry.sums.size()));
    for (size_t i = 0; i < entry.sums.size(); ++i) {
      const double count = entry.counts[i / n_col];
      b.number(static_cast<float>(count > 0 ? entry.sums[i] / count * calls : 0));
    }
  }
  b.number(static_cast<int32_t>(imatrix.n_chunk));
  string(imatrix.datasets.empty() ? "" : imatrix.datasets.back());
  AtomicFile file(path);
  file.write(b.bytes());
  file.commit();
}

}  // namespace

Imatrix load_imatrix(const std::string& path) { return load_imatrix(path, MappedFile::open(path)); }

Imatrix load_imatrix(const std::string& path, std::shared_ptr<MappedFile> map) {
  const auto bytes = map->bytes();
  if (bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0) return load_gguf(path, std::move(map));
  return load_dat(path, bytes);
}

void save_imatrix(const Imatrix& imatrix, const std::string& path, ImatrixFormat format) {
  if (format == ImatrixFormat::kGguf) save_gguf(imatrix, path);
  else save_dat(imatrix, path);
}

void merge_imatrix(Imatrix& into, const Imatrix& from) {
  for (const auto& [name, entry] : from.entries) {
    const auto [found, fresh] = into.entries.emplace(name, entry);
    if (fresh) continue;
    ImatrixEntry& to = found->second;
    if (to.sums.size() != entry.sums.size() || to.counts.size() != entry.counts.size())
      throw Error(Code::kShape, "{}: {} sums in one importance matrix, {} in another: of different models", name,
                  to.sums.size(), entry.sums.size());
    for (size_t i = 0; i < to.sums.size(); ++i) to.sums[i] += entry.sums[i];
    for (size_t i = 0; i < to.counts.size(); ++i) to.counts[i] += entry.counts[i];
  }
  into.n_chunk += from.n_chunk;
  for (const std::string& name : from.datasets)
    if (std::find(into.datasets.begin(), into.datasets.end(), name) == into.datasets.end())
      into.datasets.push_back(name);
}

std::map<std::string, std::vector<float>> read_imatrix(const std::string& path) {
  std::map<std::string, std::vector<float>> out;
  for (const auto& [name, entry] : load_imatrix(path).entries) {
    const size_t n_col = entry.sums.size() / entry.counts.size();
    if (std::find(entry.counts.begin(), entry.counts.end(), 0.0) != entry.counts.end()) continue;
    std::vector<float>& means = out[name];
    for (size_t i = 0; i < entry.sums.size(); ++i)
      means.push_back(static_cast<float>(entry.sums[i] / entry.counts[i / n_col]));
  }
  return out;
}

}  // namespace rwkv
