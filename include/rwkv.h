/* librwkv: runs RWKV language models. C99; include/rwkv.hpp wraps this for C++.
 *
 * The usual way: open a model, open a session on it, feed tokens, sample, feed the sampled token ...
 *
 *   rwkv_model* model;
 *   if (rwkv_model_open("model.gguf", NULL, &model) != RWKV_OK) puts(rwkv_error_text());
 *
 * Objects belong to the caller until closed (NULL is fine there); close an object before the model that it was made from.
 * What returns a value instead of a status (rwkv_n_vocab ...) wants an object, not NULL.
 * Threads: a model may be used by any number of threads; every other object by one thread at a time.
 * Results do not depend on the floating-point mode of the calling thread, which is as before when a call returns.
 * Strings are UTF-8 unless said otherwise. Logits are f32, natural-log scale, not normalised.
 * Structs begin with their own size (set by RWKV_INIT), so that they can grow: a field that is zero
 * means the default that its comment names.
 */
#ifndef RWKV_H
#define RWKV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define RWKV_API __declspec(dllexport)
#else
#define RWKV_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rwkv_status {
  RWKV_OK = 0,
  RWKV_ERR_ARGUMENT = 1,    /* an argument is out of range */
  RWKV_ERR_IO = 2,          /* the system refused to open, read or write */
  RWKV_ERR_FORMAT = 3,      /* a file breaks the rules of its format */
  RWKV_ERR_UNSUPPORTED = 4, /* well-formed, but of a kind that is not run here */
  RWKV_ERR_MISSING = 5,     /* a tensor, key or file that must be there is not */
  RWKV_ERR_SHAPE = 6,       /* tensors contradict each other */
  RWKV_ERR_STATE = 7,       /* a snapshot does not fit the model, or is damaged */
  RWKV_ERR_BUSY = 8,        /* the object is inside another call */
  RWKV_ERR_MEMORY = 9,
  RWKV_ERR_INTERNAL = 10,
  RWKV_ERR_STOPPED = 11     /* a callback asked to stop */
} rwkv_status;

/* The sentence of the last failed call of this thread: names the thing, what was expected and what was
 * found. Valid until the next failed call of this thread. Never NULL. */
RWKV_API const char* rwkv_error_text(void);
RWKV_API const char* rwkv_version_text(void); /* "0.1.0" */

/* level 0 debug, 1 information, 2 warning; NULL turns the log off (the default). From any thread. */
typedef void (*rwkv_log_fn)(int level, const char* sentence, void* user);
RWKV_API void rwkv_set_log(rwkv_log_fn log, void* user);

#define RWKV_INIT(type) ((type){.size = sizeof(type)})

/* ------------------------------------------------------------------ model */

typedef struct rwkv_model rwkv_model;

/* fraction 0 to 1 and never less than before, while weights are changed (quant, lora) and packed (device "cpu"); return false
 * to stop. */
typedef bool (*rwkv_progress_fn)(float fraction, void* user);

typedef struct rwkv_model_options {
  size_t size;
  const char* device;         /* "cpu" (default), "reference" (double precision, slow), "none" (no weights are
                                 packed: for rwkv_model_json and tokenizing) */
  const char* cpu_isa;        /* "scalar", "avx2", "avx512", "amx", "neon" ...; default: RWKV_CPU in the environment,
                                 else the best this processor has */
  uint32_t n_thread;          /* default: the physical cores that this process may use */
  uint32_t activations;       /* bits of activations where weights are quantized: 8 or 16; default: 16 for
                                 Q8_0, Q5_0 and Q5_1, else 8 */
  float v5_norm_eps;          /* group norm of v5: default 64e-5; rwkv.cpp uses 1e-5 */
  const char* tokenizer_path; /* tokenizer.json or rwkv_vocab*.txt; default: from the model, its folder or
                                 the size of its vocabulary */
  rwkv_progress_fn progress;
  void* progress_user;
  const char* quant;          /* "Q4_K_M" ...: quantize the matrices while loading (the embedding stays mapped);
                                 default: as they are in the file */
  const char* const* lora;    /* adapters to merge, "FILE" or "FILE:SCALE", in this order */
  size_t n_lora;
  bool dense;                 /* read the weights of zeros after relu^2 too: to see what leaving them out gains. Same bits,
                             if weights are finite */
  bool bf16_activations;      /* BF16 weights times activations that are rounded to BF16, for matrix units (AMX); without
                             one it is slower. Other bits, the same on every processor; the zeros after relu^2 are
                             read too. Weights of other types do not mind */
} rwkv_model_options;

/* Opens GGUF (also split), PyTorch .pth, safetensors (also sharded), a Hugging Face folder, or rwkv.cpp's
 * .bin. `options` may be NULL. Memory: about the file's size; the embedding stays mapped. */
RWKV_API rwkv_status rwkv_model_open(const char* path, const rwkv_model_options* options,
                                     rwkv_model** model);
RWKV_API void rwkv_model_close(rwkv_model* model); /* NULL is fine */

RWKV_API size_t rwkv_n_vocab(const rwkv_model* model);   /* floats in one row of logits */
RWKV_API size_t rwkv_n_embd(const rwkv_model* model);
RWKV_API size_t rwkv_n_layer(const rwkv_model* model);
RWKV_API size_t rwkv_state_size(const rwkv_model* model); /* floats in one state */
/* Everything that is known, as a JSON object (version, sizes, tensor types, tokenizer, template, memory).
 * Valid as long as the model. */
RWKV_API const char* rwkv_model_json(const rwkv_model* model);

/* What the machine could do at best, measured now with the model's threads (some seconds), and what one
 * token asks for: the bound of decoding is bytes_per_s / bytes_per_token, that of reading a long prompt
 * 1 / (dot_per_token / dot_per_s + fma_per_token / fma_per_s). */
typedef struct rwkv_bounds {
  size_t size;
  double bytes_per_s;                   /* read-only sweeps over a buffer of the weights' size, median */
  double dot_per_s, fma_per_s;          /* operations per second: integer dot products (bf16_activations: also of
                                           BF16), f32 */
  double bytes_per_token;               /* weights as they lie in the file */
  double dot_per_token, fma_per_token;  /* operations on quantized and on float weights */
  uint32_t n_thread;                    /* that the model runs on */
} rwkv_bounds;
RWKV_API rwkv_status rwkv_measure_bounds(rwkv_model* model, rwkv_bounds* bounds);
/* One more sweep, to compare with what is measured in the same moment. The buffer stays until the model is closed. */
RWKV_API rwkv_status rwkv_measure_bandwidth(rwkv_model* model, double* bytes_per_s);

/* Times every op from now on, or not. */
RWKV_API rwkv_status rwkv_profile_start(rwkv_model* model, bool on);
/* Lines "name<TAB>calls<TAB>seconds<TAB>bytes of weights<TAB>seconds in kernels<TAB>seconds of preparing" since then; valid until
   this thread's next call. In kernels: the mean of all threads. Preparing what kernels read: likewise with many rows; with few one
   thread does it, and the others wait. The rest of an op's seconds is writing results and waiting. */
RWKV_API const char* rwkv_profile_text(rwkv_model* model);

/* ------------------------------------------------------------------ conversion */

/* Options of rwkv_convert and rwkv_quantize; zeros are the defaults. Lists end where their count says. */
typedef struct rwkv_convert_options {
  size_t size;
  const char* type;            /* "f32", "f16", "bf16", "Q4_K_M" ...; default "auto": as the source has it, F32
                                  where the format cannot hold that */
  const char* format;          /* "gguf", "pth", "safetensors", "hf" (a folder), "ggmf" (rwkv.cpp); default: by the
                                  ending of the output's name */
  uint32_t n_thread;           /* default: the physical cores that this process may use */
  const char* tokenizer_path;  /* tokenizer.json or rwkv_vocab*.txt; default: the one that comes with the source */
  const char* imatrix_path;    /* importance matrix (llama.cpp's GGUF or .dat); default: all values count the same */
  bool pure;                   /* one type for all matrices but low-rank ones */
  const char* output_tensor_type;    /* of the head; default: not below Q6_K */
  const char* token_embedding_type;  /* default: by the mix */
  const char* const* tensor_types;   /* "NAME=TYPE", NAME a regular expression over names as in GGUF or .pth */
  size_t n_tensor_type;
  bool allow_requantize;       /* from one block type to another; rwkv_convert always allows it */
  bool keep_split;             /* GGUF to GGUF: as many parts as the source has */
  bool dry_run;                /* checks and counts, writes nothing */
  const char* const* lora;     /* "FILE" or "FILE:SCALE", merged in this order */
  size_t n_lora;
  rwkv_progress_fn progress;   /* false stops: RWKV_ERR_STOPPED, and no file is left */
  void* progress_user;
} rwkv_convert_options;
typedef rwkv_convert_options rwkv_quantize_options;

/* Writes the model `in` (anything rwkv_model_open reads) as `out`. The output appears whole or not at all.
 * Exact: a value changes only where `type` asks for it. Memory: a few megabytes a thread, and for files with
 * transposed low-rank matrices these (3 % of the model). */
RWKV_API rwkv_status rwkv_convert(const char* in, const char* out, const rwkv_convert_options* options);
/* The same for block types: `type` must be given, and from one block type to another is refused unless
 * allow_requantize is set. */
RWKV_API rwkv_status rwkv_quantize(const char* in, const char* out, const rwkv_quantize_options* options);
/* What the last successful call of this thread did, in lines "key<TAB>value ...":
 *   format<TAB>gguf            bytes_in<TAB>N            bytes_out<TAB>N      (weights alone)
 *   type<TAB>Q4_K<TAB>tensors<TAB>bytes                  note<TAB>a sentence
 *   tensor<TAB>name<TAB>[rows, cols]<TAB>type before<TAB>type after<TAB>bytes
 * Valid until the next such call of this thread. */
RWKV_API const char* rwkv_convert_text(void);

/* ------------------------------------------------------------------ importance matrix */

/* Sums the squared inputs of every matrix over all rows fed from now on (forgetting what was), or stops. Feed
 * with rwkv_session_feed_all so that the head counts every row too. RWKV_ERR_UNSUPPORTED by device. */
RWKV_API rwkv_status rwkv_imatrix_start(rwkv_model* model, bool on);
/* Of what was fed since then, for matrices that follow relu^2: lines "name<TAB>share of inputs that are exactly 0", layer
 * by layer. Valid until this thread's next call; empty before anything was fed. */
RWKV_API const char* rwkv_zeros_text(rwkv_model* model);

typedef struct rwkv_imatrix_options {
  size_t size;
  bool dat;                  /* llama.cpp's older .dat instead of GGUF */
  const char* dataset;       /* name of the text, kept in the file */
  uint32_t n_chunk;          /* chunks of it that were read, and tokens of one (0: 512); kept in the file */
  uint32_t chunk_size;
  const char* const* inputs; /* files of either kind that are added */
  size_t n_input;
} rwkv_imatrix_options;

/* Writes what was collected, in llama.cpp's format and under GGUF names; atomic. `model` may be NULL: the inputs
 * alone are combined. RWKV_ERR_ARGUMENT: there is nothing; RWKV_ERR_SHAPE: inputs of different models. */
RWKV_API rwkv_status rwkv_imatrix_save(rwkv_model* model, const char* path, const rwkv_imatrix_options* options);

/* ------------------------------------------------------------------ text */

/* Writes up to `capacity` ids; *n_token is the number that the text has, so call again when it is larger.
 * `special`: names of control tokens in the text ("<|im_end|>") become those tokens; else they are text.
 * Never adds a start or end token. RWKV_ERR_MISSING: the model has no tokenizer. */
RWKV_API rwkv_status rwkv_tokenize(const rwkv_model* model, const char* text, size_t n_byte, bool special,
                                   int32_t* tokens, size_t capacity, size_t* n_token);
/* The bytes of one token (maybe part of a character; may hold zeros), valid as long as the model.
 * Ids without text: 0 bytes. `special`: control tokens yield their name. */
RWKV_API rwkv_status rwkv_token_bytes(const rwkv_model* model, int32_t token, bool special,
                                      const char** bytes, size_t* n_byte);

/* ------------------------------------------------------------------ session: one sequence */

typedef struct rwkv_session rwkv_session;

RWKV_API rwkv_status rwkv_session_open(rwkv_model* model, rwkv_session** session);
RWKV_API rwkv_status rwkv_session_fork(const rwkv_session* session, rwkv_session** copy);
RWKV_API void rwkv_session_close(rwkv_session* session);
RWKV_API rwkv_status rwkv_session_reset(rwkv_session* session); /* to the initial state */
RWKV_API uint64_t rwkv_session_n_token(const rwkv_session* session); /* fed since the initial state */

/* Feeds n_token >= 1 ids and writes the logits after the last, [n_vocab]; NULL: not wanted.
 * On the CPU the result does not depend, by a single bit, on how a text is cut into calls, on the number
 * of threads or on other sessions. After an error the session is as before the call, but for RWKV_ERR_MEMORY,
 * which may leave it part of the way (rwkv_session_n_token says how far). */
RWKV_API rwkv_status rwkv_session_feed(rwkv_session* session, const int32_t* tokens, size_t n_token,
                                       float* logits);
/* The same with the logits after every token, [n_token, n_vocab]. */
RWKV_API rwkv_status rwkv_session_feed_all(rwkv_session* session, const int32_t* tokens, size_t n_token,
                                           float* logits);
/* Feeds several sessions of one model at once, each named once; counts[i] ids (at least 1) of session i lie one after another in
 * `tokens`. logits [n_session, n_vocab] after each session's last id; NULL: not wanted. */
RWKV_API rwkv_status rwkv_feed_many(rwkv_session* const* sessions, size_t n_session, const int32_t* tokens,
                                    const size_t* counts, float* logits);

/* ------------------------------------------------------------------ snapshot: a state outside a session */

typedef struct rwkv_snapshot rwkv_snapshot;

RWKV_API rwkv_status rwkv_snapshot_take(rwkv_session* session, rwkv_snapshot** snapshot);
RWKV_API rwkv_status rwkv_snapshot_restore(const rwkv_snapshot* snapshot, rwkv_session* session);
RWKV_API void rwkv_snapshot_close(rwkv_snapshot* snapshot);
/* f32 [state_size] in the canonical order (docs/states.md), valid as long as the snapshot. */
RWKV_API const float* rwkv_snapshot_data(const rwkv_snapshot* snapshot);
/* Atomic: the file is there whole or not at all. */
RWKV_API rwkv_status rwkv_snapshot_save(const rwkv_snapshot* snapshot, const char* path);
/* In the layout of another program (docs/states.md): "rwkv.cpp" (its raw buffer), "pip" (the pip package's list,
 * .pth), "llama.cpp" (a sequence's state file), "tuned" (initial heads alone, .pth); "librwkv": ours. */
RWKV_API rwkv_status rwkv_snapshot_save_as(const rwkv_snapshot* snapshot, const char* format, const char* path);
RWKV_API uint64_t rwkv_snapshot_n_token(const rwkv_snapshot* snapshot); /* 0 where a file did not say */
/* A new snapshot: sum of weights[i] * snapshots[i], all of one rwkv_model; its n_token is 0. RWKV_ERR_ARGUMENT when a value
 * would not be finite. */
RWKV_API rwkv_status rwkv_snapshot_mix(const rwkv_snapshot* const* snapshots, const float* weights, size_t n,
                                       rwkv_snapshot** mixed);
/* Lines "layer<TAB>array<TAB>floats<TAB>rms<TAB>largest" of its values, or of their difference to `other` when
 * that is not NULL. Valid until this thread's next call; "" when the two were made from two rwkv_models. */
RWKV_API const char* rwkv_snapshot_text(const rwkv_snapshot* snapshot, const rwkv_snapshot* other);
/* Reads a file of rwkv_snapshot_save or rwkv_snapshot_save_as, or a state-tuned .safetensors; a file of as many floats as the
 * state has is taken for rwkv.cpp's. RWKV_ERR_STATE: it belongs to another model, or its checksum fails. */
RWKV_API rwkv_status rwkv_snapshot_load(rwkv_model* model, const char* path, rwkv_snapshot** snapshot);

/* ------------------------------------------------------------------ sampler: logits -> id */

typedef struct rwkv_sampler rwkv_sampler;

typedef struct rwkv_logit_bias {
  int32_t token;
  float bias; /* added to the logit; -INFINITY bans the token */
} rwkv_logit_bias;

/* Zero is not the default here: start from rwkv_sampler_preset. */
typedef struct rwkv_sampler_options {
  size_t size;
  uint64_t seed;
  float temperature;          /* 0: greedy */
  int32_t top_k;              /* 0: off */
  float top_p, min_p, typical_p;  /* 1, 0, 1: off */
  float top_n_sigma;          /* <= 0: off */
  float xtc_probability, xtc_threshold;
  int32_t mirostat;           /* 0 or 2 */
  float mirostat_tau, mirostat_eta;
  bool temperature_first;     /* llama.cpp's and OpenAI's order; RWKV filters before temperature */
  int32_t penalty_mode;       /* 0 RWKV (pip package), 1 Ai00, 2 OpenAI (no decay), 3 Rapid-Sampling */
  float presence_penalty, frequency_penalty, penalty_decay;
  float repeat_penalty;       /* 1: off */
  int32_t repeat_last_n;
  float dry_multiplier, dry_base; /* 0: off */
  int32_t dry_allowed_length, dry_penalty_last_n;
  const rwkv_logit_bias* logit_bias;
  size_t n_logit_bias;
} rwkv_sampler_options;

/* Fills the options (whose size the caller has set) of a preset ("chat", "creative", "greedy" ...; NULL: the model-neutral default).
 * RWKV_ERR_ARGUMENT names the presets there are. */
RWKV_API rwkv_status rwkv_sampler_preset(const char* name, rwkv_sampler_options* options);
/* Names, one a line with a word about each: "chat  temperature 1.0 ...". */
RWKV_API const char* rwkv_sampler_preset_list(void);
RWKV_API rwkv_status rwkv_sampler_open(const rwkv_model* model, const rwkv_sampler_options* options,
                                       rwkv_sampler** sampler);
RWKV_API void rwkv_sampler_close(rwkv_sampler* sampler);
RWKV_API rwkv_status rwkv_sampler_reset(rwkv_sampler* sampler); /* forgets history, restarts the seed */
/* logits [n_vocab]; the token is not yet accepted. */
RWKV_API rwkv_status rwkv_sampler_sample(rwkv_sampler* sampler, const float* logits, int32_t* token);
/* Tells the sampler what was appended: a token that was generated, or tokens of the prompt (Ai00's
 * penalties, repeat_penalty and DRY look at these too). rwkv_generation_next accepts by itself. */
RWKV_API rwkv_status rwkv_sampler_accept(rwkv_sampler* sampler, int32_t token);
RWKV_API rwkv_status rwkv_sampler_accept_prompt(rwkv_sampler* sampler, const int32_t* tokens,
                                                size_t n_token);

/* ------------------------------------------------------------------ generation: sample, feed, stop */

typedef struct rwkv_generation rwkv_generation;

typedef struct rwkv_generation_options {
  size_t size;
  uint64_t max_token;         /* 0: no limit */
  const char* const* stops;   /* strings that end the text and are not part of it; compared with the tokens' bytes, before
                                 ill-formed ones become U+FFFD */
  size_t n_stop;
  const int32_t* stop_tokens; /* ids that end it; control tokens (end-of-text) always do unless ignore_end */
  size_t n_stop_token;
  bool ignore_end;            /* --ignore-eos: control tokens are banned, whatever a logit bias says */
  /* Guessing ahead: up to n_draft tokens (16 at most) are computed in one pass with the one that was sampled and
   * kept as far as sampling then chooses the same. The text is the same bit for bit, only the time differs.
   * Guesses are what followed the last tokens earlier in `context` and the reply, or what a smaller model of the
   * same vocabulary finds likeliest: `draft`, which has been fed the same tokens as the session, outlives the
   * generation and stands nowhere in particular afterwards. */
  size_t n_draft;             /* 0: off */
  const int32_t* context;     /* the tokens of the text so far, for finding repetitions */
  size_t n_context;
  rwkv_session* draft;        /* NULL: guess by repetitions */
} rwkv_generation_options;

typedef enum rwkv_finish {
  RWKV_FINISH_NOT = 0,    /* goes on */
  RWKV_FINISH_STOP = 1,   /* a stop string */
  RWKV_FINISH_END = 2,    /* end of text or a stop token */
  RWKV_FINISH_LENGTH = 3  /* max_token */
} rwkv_finish;

/* Starts from `logits` [n_vocab], those after the last token fed to `session`. Session and sampler stay the
 * caller's, must outlive the generation and be left alone until it has finished or was stopped.
 * RWKV_ERR_MISSING: the model has no tokenizer. */
RWKV_API rwkv_status rwkv_generation_open(rwkv_session* session, rwkv_sampler* sampler,
                                          const rwkv_generation_options* options, const float* logits,
                                          rwkv_generation** generation);
/* One token on. *text [*n_byte] is the text that is certain now: whole UTF-8 (ill-formed bytes become
 * U+FFFD), nothing that may still become a stop string; often empty; valid until the next call.
 * When *finish is not RWKV_FINISH_NOT the session holds exactly the prompt and the visible text. */
RWKV_API rwkv_status rwkv_generation_next(rwkv_generation* generation, const char** text, size_t* n_byte,
                                          rwkv_finish* finish);
/* Ends it early (Ctrl-C): hands out the text held back, as above. */
RWKV_API rwkv_status rwkv_generation_stop(rwkv_generation* generation, const char** text, size_t* n_byte);
RWKV_API uint64_t rwkv_generation_n_token(const rwkv_generation* generation); /* sampled so far */
/* Tokens that were guessed, and of them those that sampling chose. */
RWKV_API void rwkv_generation_guesses(const rwkv_generation* generation, uint64_t* guessed, uint64_t* accepted);
RWKV_API void rwkv_generation_close(rwkv_generation* generation);

/* ------------------------------------------------------------------ chat */

typedef struct rwkv_chat rwkv_chat;

typedef enum rwkv_role { RWKV_ROLE_SYSTEM = 0, RWKV_ROLE_USER = 1, RWKV_ROLE_ASSISTANT = 2 } rwkv_role;

/* name: "rwkv-world", "g1", "g1h", "chatml", "raven", "custom:USER|ASSISTANT" ...; NULL: the one that suits
 * the model. think: "none", "fast", "free", "think", "short", "long"; NULL: the template's default.
 * RWKV_ERR_ARGUMENT names those there are. */
RWKV_API rwkv_status rwkv_chat_open(const rwkv_model* model, const char* name, const char* think,
                                    rwkv_chat** chat);
RWKV_API void rwkv_chat_close(rwkv_chat* chat);
RWKV_API const char* rwkv_chat_name(const rwkv_chat* chat);
/* The text of one message as it stands in a conversation, its text cleaned (CRLF, blank lines, ends).
 * Valid until the next call with this chat. */
RWKV_API rwkv_status rwkv_chat_message(rwkv_chat* chat, rwkv_role role, const char* text,
                                       const char** rendered);
RWKV_API const char* rwkv_chat_reply_begin(const rwkv_chat* chat); /* after the last message: "Assistant:" */
RWKV_API const char* rwkv_chat_reply_end(const rwkv_chat* chat);   /* after a reply: "\n\n" */
/* Where thinking ends in a reply that begins with it ("</think>"), or "". */
RWKV_API const char* rwkv_chat_think_end(const rwkv_chat* chat);
RWKV_API size_t rwkv_chat_n_stop(const rwkv_chat* chat);
RWKV_API const char* rwkv_chat_stop(const rwkv_chat* chat, size_t i); /* stop strings of a reply */

#ifdef __cplusplus
}
#endif
#endif /* RWKV_H */
