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

std::unordered_map<std::string, Back> backwards(std::span<const NameRow> rows) {
  std::unordered_map<std::string, Back> table;
  for (const NameRow& row : rows) {
    const auto to = expand(row.to);
    const bool stacked = row.transform == Transform::kSplit;
    const auto from =
        stacked ? std::vector<std::string>(to.size(), std::string(row.from)) : expand(row.from);
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

}  // namespace

std::vector<WrittenTensor> written_tensors(const std::vector<std::string>& canonical,
                                           const NameScheme& scheme, const std::string& source) {
  std::vector<std::string> order = canonical;
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return rank(a) < rank(b); });
  const auto table = backwards(scheme.rows);
  std::vector<WrittenTensor> out;
  std::map<std::string, size_t> stacks;  // name in the file -> index in `out`
  for (const std::string& name : order) {
    const Starred starred = star(name);
    auto found = table.find(name);  // "blocks.0.ln0.weight" may stand there with its number
    if (found == table.end()) found = table.find(starred.name);
    if (found == table.end()) {
      if (!scheme.pass_others)
        throw Error(Code::kUnsupported,
                    "{}: tensor {} has no name among {} names, so it cannot be written", source,
                    name, scheme.name);
      out.push_back({name, {name}});
      continue;
    }
    const Back& back = found->second;
    const std::string written = unstar(back.name, starred.number);
    if (back.stack.empty()) {
      out.push_back({written, {name}, back.transform});
    } else if (stacks.emplace(written, out.size()).second) {
      WrittenTensor stack{written, {}, back.transform};
      for (const std::string& part : back.stack) {
        const std::string member = unstar(part, starred.number);
        if (std::find(order.begin(), order.end(), member) != order.end())
          stack.from.push_back(member);
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
