/* float32 to int8 without floating point: `thresholds[i]` is the key of the smallest
 * number that quantises to i - 127 or more, so that the output is found by bisection. */
typedef struct {
  const uint8_t *input;
  int8_t *output;
  const uint32_t *thresholds;
  int32_t count;
} edgekit_quantize_float_params;

void edgekit_quantize_float(const edgekit_quantize_float_params *params);
