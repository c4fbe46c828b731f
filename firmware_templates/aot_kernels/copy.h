/* Copy bytes: an output that the model holds as a constant. */
typedef struct {
  const uint8_t *input;
  uint8_t *output;
  int32_t count;
} edgekit_copy_params;

void edgekit_copy(const edgekit_copy_params *params);
