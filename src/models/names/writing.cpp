// The tables backwards: canonical names -> what a file under a scheme holds.
#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "models/names/names.h"
#include "models/names/patterns.h"

namespace rwkv {
namespace {

struct Back {
  std::string name;                // pattern in the file
  std::vector<std::string> stack;  // kSplit: the canonical patterns that are stacked, else empty
  Transform transform;
};

using BackTable = std::unordered_map<std::string, Back>;

BackTable backwards(std::span<const NameRow> rows) {
  BackTable table;
  for (const NameRow& row : rows) {
    const auto to = expand(row.to);
    const bool stacked = row.transform == Transform::kSplit;
    const auto from = stacked ? std::vector<std::string>(to.size(), std::string(row.from)) : expand(row.from);
    for (size_t i = 0; i < to.size(); ++i)
      table.emplace(to[i], Back{from[i], stacked ? to : std::vector<std::string>(), row.transform});
  }
  return table;
}

// Embedding, layers by number (names in order of the alphabet), the rest.
auto rank(const std::string& name) {
  const Starred starred = star(name);
  const int group = name == "emb.weight" ? 0 : starred.number.empty() ? 2 : 1;
  return std::tuple(group, starred.number.empty() ? 0 : std::stoul(starred.number), name);
}

// Null when the scheme has no row for it.
const Back* find(const BackTable& table, const std::string& canonical) {
  auto found = table.find(canonical);  // "blocks.0.ln0.weight" may stand there with its number
  if (found == table.end()) found = table.find(star(canonical).name);
  return found == table.end() ? nullptr : &found->second;
}

}  // namespace

std::string gguf_name(std::string_view version, std::string_view canonical) {
  const bool numbered = version.size() >= 2 && version[0] == 'v';  // "v5.2" -> "GGUF rwkv5"
  const std::string scheme = "GGUF " + (numbered ? "rwkv" + std::string(version.substr(1, 1)) : std::string(version));
  const std::string name(canonical);
  std::vector<NameRow> own;  // a tensor each
  for (const NameRow& row : scheme_named(scheme).rows)
    if (row.transform != Transform::kSplit) own.push_back(row);
  const BackTable table = backwards(own);
  const Back* back = find(table, name);
  return back ? unstar(back->name, star(name).number) : "";
}

std::vector<WrittenTensor> written_tensors(const std::vector<std::string>& canonical, const NameScheme& scheme,
                                           const std::string& source) {
  std::vector<std::string> order = canonical;
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return rank(a) < rank(b); });
  const auto table = backwards(scheme.rows);
  std::vector<WrittenTensor> out;
  std::map<std::string, size_t> stacks;  // name in the file -> index in `out`
  for (const std::string& name : order) {
    const std::string number = star(name).number;
    const Back* back = find(table, name);
    if (!back) {
      if (!scheme.pass_others)
        throw Error(Code::kUnsupported, "{}: tensor {} has no name among {} names, so it cannot be written",
                    source, name, scheme.name);
      out.push_back({name, {name}});
      continue;
    }
    const std::string written = unstar(back->name, number);
    if (back->stack.empty()) {
      out.push_back({written, {name}, back->transform});
    } else if (stacks.emplace(written, out.size()).second) {
      WrittenTensor stack{written, {}, back->transform};
      for (const std::string& part : back->stack) {
        const std::string member = unstar(part, number);
        if (std::find(order.begin(), order.end(), member) != order.end()) stack.from.push_back(member);
      }
      out.push_back(std::move(stack));
    }
  }
  return out;
}

const NameScheme& scheme_named(std::string_view name) {
  for (const auto schemes : {gguf_schemes(), checkpoint_schemes()})
    for (const NameScheme& scheme : schemes)
      if (scheme.name == name) return scheme;
  throw Error(Code::kInternal, "no naming scheme {}", name);
}

}  // namespace rwkv
