/* Mean over some dimensions. `keep` and `reduce` are the sizes of the dimensions that
 * stay and that go, in order, with their steps in the input. `offset` is the zero point's
 * part of the sum, negated. */
typedef struct {
  const int8_t *input;
  int8_t *output;
  int32_t keep[3];
  int32_t keep_steps[3];
  int32_t reduce[3];
  int32_t reduce_steps[3];
  int32_t offset;
  int32_t multiplier;
  int32_t shift;
  int32_t output_zero_point;
} edgekit_mean_params;

void edgekit_mean(const edgekit_mean_params *params);
