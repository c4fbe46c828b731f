/* The model, whatever executes it: four functions, implemented by each engine. */
#ifndef EDGEKIT_MODEL_H
#define EDGEKIT_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  EDGEKIT_INT8 = 0,
  EDGEKIT_UINT8 = 1,
  EDGEKIT_INT16 = 2,
  EDGEKIT_INT32 = 3,
  EDGEKIT_FLOAT32 = 4
} edgekit_type;

/* A model input or output: real = scale * (stored - zero_point). */
typedef struct {
  void *data;
  uint32_t size_bytes;
  edgekit_type type;
  float scale;
  int32_t zero_point;
} edgekit_tensor;

/* Prepare the model. Returns 0, or the engine's error code. */
int edgekit_model_init(void);

/* Where to write input `index` before each invocation (it may be overwritten by it). */
edgekit_tensor edgekit_model_input(int index);

/* Run one inference. Returns 0, or the engine's error code. */
int edgekit_model_invoke(void);

/* Where to read output `index` after an invocation, until the next one. */
edgekit_tensor edgekit_model_output(int index);

/* Bytes of the arena in use: what the interpreter reports, or the static buffer's size. */
uint32_t edgekit_model_arena_used_bytes(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_MODEL_H */
