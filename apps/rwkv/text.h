// Small forms of text for reports: printf into a string, escapes, fields of the library's JSON.
#pragma once

#include <string>

namespace command {

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...);
std::string xml_escaped(const std::string& text);  // for SVG and HTML
std::string json_quoted(const std::string& text);

// The value of "key" in what rwkv_model_json returns, one pair a line; 0 or "" when it is not there.
double json_number(const std::string& json, const std::string& key);
std::string json_string(const std::string& json, const std::string& key);

}  // namespace command
