// What stands behind the opaque handles of include/rwkv.h.
#pragma once

#include <exception>
#include <functional>
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/cpu.h"
#include "base/error.h"
#include "chat/chat.h"
#include "engine/generation.h"
#include "engine/session.h"
#include "rwkv.h"
#include "sampling/sampler.h"

struct rwkv_model {
  std::shared_ptr<rwkv::LoadedModel> model;
  std::string json;
};
struct rwkv_session {
  std::unique_ptr<rwkv::Session> session;
};
struct rwkv_snapshot {
  rwkv::Snapshot snapshot;
};
struct rwkv_sampler {
  std::unique_ptr<rwkv::Sampler> sampler;
  size_t n_vocab = 0;
};
struct rwkv_generation {
  std::unique_ptr<rwkv::Generation> generation;
  std::string text;
};
struct rwkv_chat {
  rwkv::ChatTemplate chat;
  std::string rendered;
};

namespace rwkv::api {

// Runs f and turns what it throws into a status and the thread's error sentence.
rwkv_status fail(rwkv_status status, std::string_view sentence) noexcept;
rwkv_status fail_current() noexcept;  // inside a catch block

// Thrown when a progress callback asks to stop; becomes RWKV_ERR_STOPPED.
struct Stopped : std::exception {
  const char* what() const noexcept override { return "stopped by the progress callback"; }
};
// Calls the callback, or nothing when there is none.
std::function<void(float)> progress_of(rwkv_progress_fn progress, void* user);

template <typename F>
rwkv_status guard(F f) noexcept {
  const FloatMode mode(false);
  try {
    f();
    return RWKV_OK;
  } catch (...) {
    return fail_current();
  }
}

// Error{kArgument} naming the argument.
void require(const void* pointer, const char* name);
void require_list(const void* list, size_t count, const char* name);  // NULL is fine when it has no items
void require_size(size_t size);  // Error{kArgument} when a struct has no room for its own size: somebody forgot to set it
// Writes as much of `all` as the caller's struct, which says its size, has room for.
template <typename T>
void write_sized(const T& all, T* out) {
  require_size(out->size);
  const size_t size = std::min(out->size, sizeof(T));
  std::memcpy(static_cast<void*>(out), &all, size);
  out->size = size;
}
// A list of strings from outside; Error{kArgument} naming it when there is a NULL.
std::vector<std::string> list_of(const char* const* items, size_t n, const char* name);
// A field of a sized struct: its value, or `otherwise` when the caller's struct is too old to have it.
#define RWKV_FIELD(options, field, otherwise)                                                   \
  ((options) && (rwkv::api::require_size((options)->size), (options)->size) >= offsetof(std::remove_cvref_t<decltype(*(options))>, field) + \
                                       sizeof((options)->field)                                 \
       ? (options)->field                                                                       \
       : (otherwise))

}  // namespace rwkv::api
