/* Continues a text, keeps the state, and continues from it a second time.
 *   cc complete.c -o complete $(pkg-config --cflags --libs librwkv)     or, with CMake, find_package(librwkv)
 *   ./complete MODEL "Once upon a time" */
#include <rwkv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(rwkv_status status) {
  if (status == RWKV_OK) return;
  fprintf(stderr, "%s\n", rwkv_error_text());
  exit(1);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: complete MODEL TEXT\n");
    return 2;
  }
  rwkv_model* model;
  check(rwkv_model_open(argv[1], NULL, &model));
  rwkv_session* session;
  check(rwkv_session_open(model, &session));

  size_t n_token;
  int32_t* tokens = malloc((strlen(argv[2]) + 1) * sizeof *tokens); /* never more tokens than bytes */
  float* logits = malloc(rwkv_n_vocab(model) * sizeof *logits);
  check(rwkv_tokenize(model, argv[2], strlen(argv[2]), false, tokens, strlen(argv[2]), &n_token));
  check(rwkv_session_feed(session, tokens, n_token, logits));
  rwkv_snapshot* after_prompt;
  check(rwkv_snapshot_take(session, &after_prompt));

  rwkv_sampler_options sampling = RWKV_INIT(rwkv_sampler_options);
  check(rwkv_sampler_preset("chat", &sampling));
  for (sampling.seed = 1; sampling.seed <= 2; ++sampling.seed) {
    rwkv_sampler* sampler;
    check(rwkv_sampler_open(model, &sampling, &sampler));
    check(rwkv_snapshot_restore(after_prompt, session));
    rwkv_generation_options how = RWKV_INIT(rwkv_generation_options);
    how.max_token = 40;
    rwkv_generation* generation;
    check(rwkv_generation_open(session, sampler, &how, logits, &generation));
    printf("%s", argv[2]);
    rwkv_finish finish = RWKV_FINISH_NOT;
    while (finish == RWKV_FINISH_NOT) {
      const char* text;
      size_t n_byte;
      check(rwkv_generation_next(generation, &text, &n_byte, &finish));
      fwrite(text, 1, n_byte, stdout);
      fflush(stdout);
    }
    printf("\n---\n");
    rwkv_generation_close(generation);
    rwkv_sampler_close(sampler);
  }
  rwkv_snapshot_close(after_prompt);
  free(logits);
  free(tokens);
  rwkv_session_close(session);
  rwkv_model_close(model);
  return 0;
}
