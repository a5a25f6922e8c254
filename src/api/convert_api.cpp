// include/rwkv.h: conversion and quantization.
#include "api/handles.h"
#include "base/error.h"
#include "convert/convert.h"

using namespace rwkv;
using namespace rwkv::api;

namespace {

thread_local std::string report_text;

ConvertOptions options_of(const rwkv_convert_options* o) {
  const auto text = [](const char* value) { return std::string(value ? value : ""); };
  ConvertOptions out;
  out.target = text(RWKV_FIELD(o, format, nullptr));
  out.n_thread = RWKV_FIELD(o, n_thread, 0u);
  if (out.n_thread > 1024)
    throw Error(Code::kArgument, "{} threads, expected at most 1024", out.n_thread);
  out.imatrix_path = text(RWKV_FIELD(o, imatrix_path, nullptr));
  out.tokenizer_path = text(RWKV_FIELD(o, tokenizer_path, nullptr));
  out.keep_split = RWKV_FIELD(o, keep_split, false);
  out.dry_run = RWKV_FIELD(o, dry_run, false);
  out.types.type = text(RWKV_FIELD(o, type, nullptr));
  out.types.pure = RWKV_FIELD(o, pure, false);
  out.types.output_type = text(RWKV_FIELD(o, output_tensor_type, nullptr));
  out.types.embedding_type = text(RWKV_FIELD(o, token_embedding_type, nullptr));
  out.types.tensor_types = list_of(RWKV_FIELD(o, tensor_types, nullptr),
                                   RWKV_FIELD(o, n_tensor_type, size_t{0}), "tensor_types");
  out.lora = list_of(RWKV_FIELD(o, lora, nullptr), RWKV_FIELD(o, n_lora, size_t{0}), "lora");
  out.progress =
      progress_of(RWKV_FIELD(o, progress, nullptr), RWKV_FIELD(o, progress_user, nullptr));
  return out;
}

std::string describe(const ConvertReport& r) {
  std::string out =
      strf("format\t{}\nbytes_in\t{}\nbytes_out\t{}\n", r.target, r.bytes_in, r.bytes_out);
  struct Sum {
    size_t count = 0, bytes = 0;
  };
  std::map<std::string_view, Sum> types;
  for (const auto& t : r.tensors) {
    ++types[name(t.to)].count;
    types[name(t.to)].bytes += t.bytes;
  }
  for (const auto& [type, sum] : types)
    out += strf("type\t{}\t{}\t{}\n", type, sum.count, sum.bytes);
  for (const std::string& note : r.notes) out += "note\t" + note + "\n";
  for (const auto& t : r.tensors)
    out += strf("tensor\t{}\t{}\t{}\t{}\t{}\n", t.name, to_string(t.shape), name(t.from),
                name(t.to), t.bytes);
  return out;
}

rwkv_status run(const char* in, const char* out, const rwkv_convert_options* o, bool quantize) {
  return guard([&] {
    require(in, "in");
    require(out, "out");
    ConvertOptions options = options_of(o);
    options.types.allow_requantize = !quantize || RWKV_FIELD(o, allow_requantize, false);
    if (quantize && options.types.type.empty())
      throw Error(Code::kArgument, "no type to quantize to");
    report_text = describe(convert_model(in, out, options));
  });
}

}  // namespace

extern "C" {

rwkv_status rwkv_convert(const char* in, const char* out, const rwkv_convert_options* options) {
  return run(in, out, options, false);
}
rwkv_status rwkv_quantize(const char* in, const char* out, const rwkv_quantize_options* options) {
  return run(in, out, options, true);
}
const char* rwkv_convert_text(void) { return report_text.c_str(); }

}  // extern "C"
