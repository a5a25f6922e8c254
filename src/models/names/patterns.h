// The patterns of the name tables: "*" for a layer's number, "{a,b}" for alternatives.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv {

// "a.{b,c}.{d,e}" -> a.b.d a.b.e a.c.d a.c.e
inline std::vector<std::string> expand(std::string_view pattern) {
  const size_t open = pattern.find('{');
  if (open == std::string_view::npos) return {std::string(pattern)};
  const size_t close = pattern.find('}', open);
  std::vector<std::string> out;
  for (size_t at = open + 1; at <= close;) {
    const size_t end = std::min(pattern.find(',', at), close);
    for (const std::string& rest : expand(pattern.substr(close + 1)))
      out.push_back(std::string(pattern.substr(0, open)) +
                    std::string(pattern.substr(at, end - at)) + rest);
    at = end + 1;
  }
  return out;
}

// Replaces the first ".<number>." by ".*." and gives the number; names without one stay.
struct Starred {
  std::string name, number;
};
inline Starred star(const std::string& name) {
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    size_t end = dot + 1;
    while (end < name.size() && name[end] >= '0' && name[end] <= '9') ++end;
    if (end > dot + 1 && end < name.size() && name[end] == '.')
      return {name.substr(0, dot + 1) + "*" + name.substr(end),
              name.substr(dot + 1, end - dot - 1)};
  }
  return {name, ""};
}
inline std::string unstar(const std::string& name, const std::string& number) {
  const size_t at = name.find('*');
  return at == std::string::npos ? name : name.substr(0, at) + number + name.substr(at + 1);
}

}  // namespace rwkv
