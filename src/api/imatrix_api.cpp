// Importance matrices at the C boundary.
#include <cstddef>
#include <cstring>

#include "api/handles.h"
#include "base/error.h"
#include "engine/imatrix.h"

using namespace rwkv;
using namespace rwkv::api;

extern "C" {

rwkv_status rwkv_imatrix_start(rwkv_model* model, bool on) {
  return guard([&] {
    require(model, "model");
    model->model->runner().set_collecting(on);
  });
}
const char* rwkv_zeros_text(rwkv_model* model) {
  thread_local std::string text;
  const rwkv_status status = guard([&] {
    require(model, "model");
    text.clear();
    for (const InputSums& in : model->model->runner().collected())
      if (in.sparse)
        text += strf("{}\t{}\n", in.name,
                     static_cast<double>(in.n_zero) / static_cast<double>(in.n_row * in.sums.size()));
  });
  return status == RWKV_OK ? text.c_str() : "";
}

rwkv_status rwkv_imatrix_save(rwkv_model* model, const char* path, const rwkv_imatrix_options* o) {
  return guard([&] {
    require(path, "path");
    Imatrix imatrix;
    if (model) imatrix = collected_imatrix(*model->model);
    if (const uint32_t size = RWKV_FIELD(o, chunk_size, 0u)) imatrix.chunk_size = size;
    if (model) imatrix.n_chunk = RWKV_FIELD(o, n_chunk, 0u);
    const char* dataset = RWKV_FIELD(o, dataset, nullptr);
    if (model && dataset) imatrix.datasets.push_back(dataset);
    const char* const* inputs = RWKV_FIELD(o, inputs, nullptr);
    for (size_t i = 0; i < RWKV_FIELD(o, n_input, size_t{0}); ++i) {
      require(inputs && inputs[i] ? inputs[i] : nullptr, "inputs");
      const Imatrix from = load_imatrix(inputs[i]);
      if (!model && i == 0 && !RWKV_FIELD(o, chunk_size, 0u)) imatrix.chunk_size = from.chunk_size;
      merge_imatrix(imatrix, from);
    }
    if (imatrix.entries.empty())
      throw Error(Code::kArgument, "{}: nothing to save: no token was fed since rwkv_imatrix_start, and no file "
                  "is combined", path);
    save_imatrix(imatrix, path, RWKV_FIELD(o, dat, false) ? ImatrixFormat::kDat : ImatrixFormat::kGguf);
  });
}

}  // extern "C"
