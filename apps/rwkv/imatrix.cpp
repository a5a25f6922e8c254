// rwkv imatrix: which inputs of each matrix are large, from a text; or several such files combined.
#include <algorithm>
#include <cstdio>
#include <fstream>

#include "evaluate.h"
#include "shared.h"

namespace command {
namespace {

// Returns the tokens that were read; Ctrl-C stops after a piece.
size_t feed(const rwkv_api::Model& model, const std::vector<int32_t>& tokens, size_t length) {
  rwkv_api::Session session(model);
  ProgressLine line("imatrix");
  const size_t piece = std::clamp<size_t>((size_t{1} << 23) / model.n_vocab(), 16, kChunk);
  size_t done = 0;
  while (done < tokens.size() && !interrupted) {
    if (length && done % length == 0) session.reset();
    size_t end = std::min(done + piece, tokens.size());
    if (length) end = std::min(end, (done / length + 1) * length);
    session.feed_all({tokens.begin() + static_cast<ptrdiff_t>(done), tokens.begin() + static_cast<ptrdiff_t>(end)});
    done = end;
    line.update(static_cast<double>(done) / static_cast<double>(tokens.size()));
  }
  return done;
}

}  // namespace

int imatrix(const Options& options, const ImatrixOptions& imatrix) {
  catch_interrupt();
  auto o = rwkv_api::options<rwkv_imatrix_options>();
  std::vector<const char*> inputs;
  for (const std::string& input : imatrix.inputs) inputs.push_back(input.c_str());
  o.inputs = inputs.data();
  o.n_input = inputs.size();
  o.dat = imatrix.format == "dat";
  if (imatrix.file.empty() && !inputs.empty()) {  // combine only
    rwkv_api::check(rwkv_imatrix_save(nullptr, imatrix.out.c_str(), &o));
    return 0;
  }
  check_writable(imatrix.out);
  for (const std::string& input : imatrix.inputs)
    if (!std::ifstream(input)) throw Failure(input + ": cannot be opened");
  const std::string text = read_text(imatrix.file);
  const rwkv_api::Model model = open_model(options);
  std::vector<int32_t> tokens = model.tokenize(text);
  const size_t chunk = imatrix.chunk_length ? imatrix.chunk_length : kChunk;
  if (imatrix.n_chunk && tokens.size() > imatrix.n_chunk * chunk) tokens.resize(imatrix.n_chunk * chunk);
  if (tokens.empty()) throw Failure("the text has no tokens");
  rwkv_api::check(rwkv_imatrix_start(model.get(), true));
  const size_t done = feed(model, tokens, imatrix.chunk_length);
  if (done == 0) throw Interrupted("interrupted before anything was read; nothing was written");
  o.dataset = imatrix.file.c_str();
  o.chunk_size = static_cast<uint32_t>(chunk);
  o.n_chunk = static_cast<uint32_t>((done + chunk - 1) / chunk);
  rwkv_api::check(rwkv_imatrix_save(model.get(), imatrix.out.c_str(), &o));
  std::fprintf(stderr, "%s: from %zu tokens%s\n", imatrix.out.c_str(), done,
               done < tokens.size() ? " (interrupted; what was read is in the file)" : "");
  return done < tokens.size() ? 130 : 0;
}

}  // namespace command
