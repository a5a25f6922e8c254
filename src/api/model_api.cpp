// include/rwkv.h: errors, model, text, session, snapshot.
#include <cstring>
#include <exception>
#include <new>

#include "api/handles.h"
#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"

using namespace rwkv;
using namespace rwkv::api;

namespace {

thread_local std::string last_error = "no error";

rwkv_status status_of(Code code) {
  switch (code) {
    case Code::kArgument: return RWKV_ERR_ARGUMENT;
    case Code::kIo: return RWKV_ERR_IO;
    case Code::kFormat: return RWKV_ERR_FORMAT;
    case Code::kUnsupported: return RWKV_ERR_UNSUPPORTED;
    case Code::kMissing: return RWKV_ERR_MISSING;
    case Code::kShape: return RWKV_ERR_SHAPE;
    case Code::kState: return RWKV_ERR_STATE;
    case Code::kBusy: return RWKV_ERR_BUSY;
    case Code::kMemory: return RWKV_ERR_MEMORY;
    case Code::kInternal: return RWKV_ERR_INTERNAL;
  }
  return RWKV_ERR_INTERNAL;
}

}  // namespace

namespace rwkv::api {

rwkv_status fail(rwkv_status status, std::string_view sentence) noexcept {
  try {
    last_error = replace_invalid_utf8(sentence);
  } catch (...) {  // no memory for the sentence
    last_error.clear();
  }
  return status;
}

rwkv_status fail_current() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return fail(status_of(error.code()), error.sentence());
  } catch (const Stopped& stopped) {
    return fail(RWKV_ERR_STOPPED, stopped.what());
  } catch (const std::bad_alloc&) {
    return fail(RWKV_ERR_MEMORY, "out of memory");
  } catch (const std::exception& other) {
    return fail(RWKV_ERR_INTERNAL, other.what());
  } catch (...) {
    return fail(RWKV_ERR_INTERNAL, "internal error");
  }
}

std::vector<std::string> list_of(const char* const* items, size_t n, const char* name) {
  std::vector<std::string> out;
  if (n > 0) require(items, name);
  for (size_t i = 0; i < n; ++i) {
    require(items[i], name);
    out.emplace_back(items[i]);
  }
  return out;
}

std::function<void(float)> progress_of(rwkv_progress_fn progress, void* user) {
  if (!progress) return {};
  return [progress, user](float fraction) {
    if (!progress(fraction, user)) throw Stopped();
  };
}

void require(const void* pointer, const char* name) {
  if (!pointer) throw Error(Code::kArgument, "{} is NULL", name);
}
void require_size(size_t size) {
  if (size < sizeof size) throw Error(Code::kArgument, "a struct whose size says {}: set it to its sizeof (RWKV_INIT)", size);
}
void require_list(const void* list, size_t count, const char* name) {
  if (count > 0 && !list) throw Error(Code::kArgument, "{} is NULL, but has {} items", name, count);
}

}  // namespace rwkv::api

extern "C" {

const char* rwkv_error_text(void) { return last_error.c_str(); }
const char* rwkv_version_text(void) { return RWKV_VERSION_TEXT; }

void rwkv_set_log(rwkv_log_fn sink, void* user) {
  if (!sink) return set_log_sink({});
  set_log_sink([sink, user](LogLevel level, const std::string& sentence) {
    sink(static_cast<int>(level), sentence.c_str(), user);
  });
}

rwkv_status rwkv_model_open(const char* path, const rwkv_model_options* o, rwkv_model** model) {
  return guard([&] {
    require(path, "path");
    require(model, "model");
    OpenOptions options;
    if (const char* device = RWKV_FIELD(o, device, nullptr)) options.device = device;
    if (const char* isa = RWKV_FIELD(o, cpu_isa, nullptr)) options.isa = isa;
    options.n_thread = RWKV_FIELD(o, n_thread, 0u);
    if (options.n_thread > 1024)
      throw Error(Code::kArgument, "{} threads, expected at most 1024", options.n_thread);
    options.activations = RWKV_FIELD(o, activations, 0u);
    if (options.activations != 0 && options.activations != 8 && options.activations != 16)
      throw Error(Code::kArgument, "activations of {} bits, expected 8 or 16", options.activations);
    options.sparse = !RWKV_FIELD(o, dense, false);
    options.bf16_activations = RWKV_FIELD(o, bf16_activations, false);
    if (const float eps = RWKV_FIELD(o, v5_norm_eps, 0.0f); eps != 0) {
      if (!(eps > 0 && eps <= 1)) throw Error(Code::kArgument, "v5_norm_eps {}, expected above 0 and at most 1", eps);
      options.v5_norm_eps = eps;
    }
    if (const char* tokenizer = RWKV_FIELD(o, tokenizer_path, nullptr)) options.tokenizer_path = tokenizer;
    if (const char* quant = RWKV_FIELD(o, quant, nullptr)) options.quant = quant;
    options.lora = list_of(RWKV_FIELD(o, lora, nullptr), RWKV_FIELD(o, n_lora, size_t{0}), "lora");
    options.progress = progress_of(RWKV_FIELD(o, progress, nullptr), RWKV_FIELD(o, progress_user, nullptr));
    auto loaded = load_model(path, options);
    std::string json = describe_json(*loaded);
    *model = new rwkv_model{std::move(loaded), std::move(json)};
  });
}
void rwkv_model_close(rwkv_model* model) { delete model; }

size_t rwkv_n_vocab(const rwkv_model* model) { return model->model->plan().n_vocab; }
size_t rwkv_n_embd(const rwkv_model* model) { return model->model->plan().n_embd; }
size_t rwkv_n_layer(const rwkv_model* model) { return model->model->plan().n_layer; }
size_t rwkv_state_size(const rwkv_model* model) { return model->model->plan().state.size; }
const char* rwkv_model_json(const rwkv_model* model) { return model->json.c_str(); }

rwkv_status rwkv_measure_bounds(rwkv_model* model, rwkv_bounds* bounds) {
  return guard([&] {
    require(model, "model");
    require(bounds, "bounds");
    const Bounds b = model->model->runner().measure_bounds();
    const rwkv_bounds all = {bounds->size,      b.bytes_per_s,   b.dot_per_s,    b.fma_per_s,
                             b.bytes_per_token, b.dot_per_token, b.fma_per_token, static_cast<uint32_t>(b.n_thread)};
    write_sized(all, bounds);
  });
}

rwkv_status rwkv_measure_bandwidth(rwkv_model* model, double* bytes_per_s) {
  return guard([&] {
    require(model, "model");
    require(bytes_per_s, "bytes_per_s");
    *bytes_per_s = model->model->runner().measure_bandwidth();
  });
}

rwkv_status rwkv_profile_start(rwkv_model* model, bool on) {
  return guard([&] {
    require(model, "model");
    model->model->runner().set_profiling(on);
  });
}
const char* rwkv_profile_text(rwkv_model* model) {
  thread_local std::string text;
  const rwkv_status status = guard([&] {
    text.clear();
    require(model, "model");
    for (const OpProfile& op : model->model->runner().profile())
      text += strf("{}\t{}\t{}\t{}\t{}\t{}\n", op.name, op.calls, op.seconds, op.bytes, op.kernel_seconds, op.prepare_seconds);
  });
  return status == RWKV_OK ? text.c_str() : "";
}

rwkv_status rwkv_tokenize(const rwkv_model* model, const char* text, size_t n_byte, bool special,
                          int32_t* tokens, size_t capacity, size_t* n_token) {
  return guard([&] {
    require(model, "model");
    require(n_token, "n_token");
    if (n_byte > 0) require(text, "text");
    const auto ids = model->model->tokens().encode({text, n_byte},
                                                   special ? Special::kParse : Special::kAsText);
    *n_token = ids.size();
    if (const size_t n = std::min(capacity, ids.size()); n > 0) {
      require(tokens, "tokens");
      std::memcpy(tokens, ids.data(), n * sizeof(int32_t));
    }
  });
}

rwkv_status rwkv_token_bytes(const rwkv_model* model, int32_t token, bool special, const char** bytes,
                             size_t* n_byte) {
  return guard([&] {
    require(model, "model");
    require(bytes, "bytes");
    require(n_byte, "n_byte");
    if (token < 0 || static_cast<size_t>(token) >= rwkv_n_vocab(model))
      throw Error(Code::kArgument, "token {}, expected 0 to {}", token, rwkv_n_vocab(model) - 1);
    const auto view =
        model->model->tokens().bytes_of(token, special ? Special::kParse : Special::kAsText);
    *bytes = view.data();
    *n_byte = view.size();
  });
}

rwkv_status rwkv_session_open(rwkv_model* model, rwkv_session** session) {
  return guard([&] {
    require(model, "model");
    require(session, "session");
    *session = new rwkv_session{std::make_unique<Session>(model->model)};
  });
}
rwkv_status rwkv_session_fork(const rwkv_session* session, rwkv_session** copy) {
  return guard([&] {
    require(session, "session");
    require(copy, "copy");
    *copy = new rwkv_session{session->session->fork()};
  });
}
void rwkv_session_close(rwkv_session* session) { delete session; }
rwkv_status rwkv_session_reset(rwkv_session* session) {
  return guard([&] {
    require(session, "session");
    session->session->reset();
  });
}
uint64_t rwkv_session_n_token(const rwkv_session* session) { return session->session->n_token(); }

rwkv_status rwkv_session_feed(rwkv_session* session, const int32_t* tokens, size_t n_token,
                              float* logits) {
  return guard([&] {
    require(session, "session");
    require(tokens, "tokens");
    const size_t n_vocab = session->session->model()->plan().n_vocab;
    session->session->feed({tokens, n_token}, {logits, logits ? n_vocab : 0});
  });
}
rwkv_status rwkv_session_feed_all(rwkv_session* session, const int32_t* tokens, size_t n_token,
                                  float* logits) {
  return guard([&] {
    require(session, "session");
    require(tokens, "tokens");
    require(logits, "logits");
    const size_t n_vocab = session->session->model()->plan().n_vocab;
    session->session->feed({tokens, n_token}, {logits, n_token * n_vocab}, Session::Logits::kAll);
  });
}
rwkv_status rwkv_feed_many(rwkv_session* const* sessions, size_t n_session, const int32_t* tokens,
                           const size_t* counts, float* logits) {
  return guard([&] {
    require(sessions, "sessions");
    require(tokens, "tokens");
    require(counts, "counts");
    std::vector<Session*> list;
    size_t total = 0;
    for (size_t i = 0; i < n_session; ++i) {
      require(sessions[i], "a session");
      list.push_back(sessions[i]->session.get());
      total += counts[i];
    }
    const size_t n_vocab = list.empty() ? 0 : list[0]->model()->plan().n_vocab;
    feed_many(list, {tokens, total}, {counts, n_session}, {logits, logits ? n_session * n_vocab : 0});
  });
}

rwkv_status rwkv_snapshot_take(rwkv_session* session, rwkv_snapshot** snapshot) {
  return guard([&] {
    require(session, "session");
    require(snapshot, "snapshot");
    *snapshot = new rwkv_snapshot{session->session->snapshot()};
  });
}
rwkv_status rwkv_snapshot_restore(const rwkv_snapshot* snapshot, rwkv_session* session) {
  return guard([&] {
    require(snapshot, "snapshot");
    require(session, "session");
    session->session->restore(snapshot->snapshot);
  });
}
void rwkv_snapshot_close(rwkv_snapshot* snapshot) { delete snapshot; }
const float* rwkv_snapshot_data(const rwkv_snapshot* snapshot) {
  return snapshot->snapshot.state.data();
}
rwkv_status rwkv_snapshot_save(const rwkv_snapshot* snapshot, const char* path) {
  return guard([&] {
    require(snapshot, "snapshot");
    require(path, "path");
    save_snapshot(snapshot->snapshot, path);
  });
}
rwkv_status rwkv_snapshot_load(rwkv_model* model, const char* path, rwkv_snapshot** snapshot) {
  return guard([&] {
    require(model, "model");
    require(path, "path");
    require(snapshot, "snapshot");
    *snapshot = new rwkv_snapshot{load_snapshot(model->model, path)};
  });
}

}  // extern "C"
