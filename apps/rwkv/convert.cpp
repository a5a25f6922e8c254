// rwkv convert, rwkv quantize: one job with different defaults. The summary goes to standard
// output.
#include <cstdio>
#include <sstream>

#include "shared.h"

namespace command {
namespace {

std::vector<const char*> pointers(const std::vector<std::string>& list) {
  std::vector<const char*> out;
  for (const std::string& text : list) out.push_back(text.c_str());
  return out;
}

std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> out;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, '\t');) out.push_back(field);
  return out;
}

std::string megabytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", bytes / 1e6);
  return text;
}

void print_summary(const ConvertOptions& o, double seconds) {
  double in = 0, out = 0;
  std::string types, notes, tensors;
  std::istringstream lines(rwkv_convert_text());
  for (std::string line; std::getline(lines, line);) {
    const auto f = fields(line);
    if (f.size() == 2 && f[0] == "bytes_in") in = std::stod(f[1]);
    if (f.size() == 2 && f[0] == "bytes_out") out = std::stod(f[1]);
    if (f.size() == 2 && f[0] == "note") notes += "note: " + f[1] + "\n";
    if (f.size() == 4 && f[0] == "type")
      types +=
          (types.empty() ? "" : ", ") + f[1] + " " + f[2] + " (" + megabytes(std::stod(f[3])) + ")";
    if (f.size() == 6 && f[0] == "tensor" && o.list)
      tensors += f[1] + " " + f[2] + " " + f[3] + " -> " + f[4] + "\n";
  }
  std::printf("%s%s", neutralise(tensors).c_str(), neutralise(notes).c_str());
  std::printf("weights: %s -> %s (%.1f %%)\n", megabytes(in).c_str(), megabytes(out).c_str(),
              in > 0 ? 100 * out / in : 0.0);
  std::printf("tensors: %s\n", types.c_str());
  if (o.dry_run)
    std::printf("dry run: nothing is written\n");
  else
    std::printf("%s: written in %.1f s, %.0f MB/s of input\n", neutralise(o.out).c_str(), seconds,
                seconds > 0 ? in / 1e6 / seconds : 0.0);
}

int run_conversion(const ConvertOptions& from, bool quantizing) {
  auto o = rwkv_api::options<rwkv_convert_options>();
  const auto text = [](const std::string& value) {
    return value.empty() ? nullptr : value.c_str();
  };
  const auto tensor_types = pointers(from.tensor_types), lora = pointers(from.lora);
  o.type = text(from.type);
  o.format = text(from.format);
  o.n_thread = from.n_thread;
  o.tokenizer_path = text(from.tokenizer);
  o.imatrix_path = text(from.imatrix);
  o.pure = from.pure;
  o.output_tensor_type = text(from.output_tensor_type);
  o.token_embedding_type = text(from.token_embedding_type);
  o.tensor_types = tensor_types.data();
  o.n_tensor_type = tensor_types.size();
  o.allow_requantize = from.allow_requantize;
  o.keep_split = from.keep_split;
  o.dry_run = from.dry_run;
  o.lora = lora.data();
  o.n_lora = lora.size();
  ProgressLine line(quantizing ? "quantizing" : "converting");
  o.progress = [](float fraction, void* user) {
    static_cast<ProgressLine*>(user)->update(fraction);
    return interrupted == 0;
  };
  o.progress_user = &line;
  catch_interrupt();
  const Stopwatch watch;
  Options pulled;
  pulled.model = from.in;
  const std::string in = find_model(pulled);
  try {
    if (quantizing)
      rwkv_api::quantize(in, from.out, o);
    else
      rwkv_api::convert(in, from.out, o);
  } catch (const rwkv_api::Error& error) {
    if (error.status() != RWKV_ERR_STOPPED) throw;
    line.clear();
    throw Interrupted("interrupted: " + from.out + " is not written");
  }
  line.clear();
  print_summary(from, watch.seconds());
  return 0;
}

}  // namespace

int convert(const ConvertOptions& options) { return run_conversion(options, false); }
int quantize(const ConvertOptions& options) { return run_conversion(options, true); }

}  // namespace command
