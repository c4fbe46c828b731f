/* Copy a tensor of up to five dimensions into a larger one filled with `value`. The sizes
 * of the two are in elements, the fastest dimension last; `start` is where the copy
 * begins. */
typedef struct {
  const int8_t *input;
  int8_t *output;
  int32_t input_shape[5];
  int32_t output_steps[4];
  int32_t start;
  int32_t output_size;
  int32_t value;
} edgekit_pad_params;

void edgekit_pad(const edgekit_pad_params *params);
