/* A model whose output bytes are its input bytes, as whatever type the test wants.
 *
 * Macros: FAKE_TYPE (of all tensors), FAKE_SCALE, FAKE_ZERO_POINT. The input is in
 * EDGEKIT_INPUT_COUNT equal parts. An inference overwrites its input; it fails with code
 * 42 if the input begins with 0xEE. FAKE_INIT_ERROR in the environment is what
 * edgekit_model_init() returns.
 */
#include <stdlib.h>
#include <string.h>

#include "edgekit_config.h"
#include "edgekit_model.h"

static uint8_t input[EDGEKIT_INPUT_BYTES];
static uint8_t result[EDGEKIT_OUTPUT_BYTES];

int edgekit_model_init(void) {
  const char *text = getenv("FAKE_INIT_ERROR");
  return text == NULL ? 0 : atoi(text);
}

edgekit_tensor edgekit_model_input(int index) {
  const uint32_t part = EDGEKIT_INPUT_BYTES / EDGEKIT_INPUT_COUNT;
  const edgekit_tensor tensor = {input + (uint32_t)index * part, part, FAKE_TYPE, FAKE_SCALE,
                                 FAKE_ZERO_POINT};
  return tensor;
}

int edgekit_model_invoke(void) {
  const int fails = input[0] == 0xEE;
  for (uint32_t i = 0; i < EDGEKIT_OUTPUT_BYTES; i++) {
    result[i] = input[i % EDGEKIT_INPUT_BYTES];
  }
  memset(input, 0x55, sizeof input);
  return fails ? 42 : 0;
}

edgekit_tensor edgekit_model_output(int index) {
  const uint32_t part = EDGEKIT_OUTPUT_BYTES / EDGEKIT_OUTPUT_COUNT;
  const edgekit_tensor tensor = {result + (uint32_t)index * part, part, FAKE_TYPE, FAKE_SCALE,
                                 FAKE_ZERO_POINT};
  return tensor;
}

uint32_t edgekit_model_arena_used_bytes(void) { return 4321; }
