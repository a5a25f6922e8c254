/* Compiles only while include/rwkv.h is plain C. */
#include "rwkv.h"

rwkv_status rwkv_test_open_from_c(const char* path) {
  rwkv_model_options options = RWKV_INIT(rwkv_model_options);
  rwkv_model* model = NULL;
  options.device = "none";
  rwkv_status status = rwkv_model_open(path, &options, &model);
  rwkv_model_close(model);
  return status;
}
