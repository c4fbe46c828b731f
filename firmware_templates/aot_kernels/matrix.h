/* Rows of int8 weights, and how each row's sum becomes an int8 output. The bias has the
 * input's zero point folded in. `channel_step` is 1 where each row has its own multiplier
 * and shift, 0 where all share the first. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias;
  const int32_t *multiplier;
  const int8_t *shift;
  int32_t rows;
  int32_t columns;
  int32_t channel_step;
  int32_t output_zero_point;
  int32_t output_min;
  int32_t output_max;
} edgekit_matrix;

/* Multiply `rows` rows, from row `first` on, with the vector x; one output a row. */
void edgekit_multiply_rows(const edgekit_matrix *matrix, int32_t first, int32_t rows,
                           const int8_t *x, int8_t *output);
