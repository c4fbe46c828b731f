/* Softmax of each row. `exponentials[d]` is e^(-d * scale * beta) in units of 2^-31, for
 * the distance d from the row's largest value; from `exponential_count` on it is nothing.
 * Outputs are int8, or int16 where `output_bits` is 16. */
typedef struct {
  const int8_t *input;
  uint8_t *output;
  const int32_t *exponentials;
  int32_t exponential_count;
  int32_t rows;
  int32_t columns;
  int32_t output_bits;
} edgekit_softmax_params;

void edgekit_softmax(const edgekit_softmax_params *params);
