EDGEKIT_NOINLINE void edgekit_multiply_rows(const edgekit_matrix *matrix, int32_t first,
                                            int32_t rows, const int8_t *x,
                                            int8_t *output) {
  const int32_t columns = matrix->columns;
  const int32_t step = matrix->channel_step;
  const int8_t *weights = matrix->weights + first * columns;
  const int32_t *bias = matrix->bias + first;
  const int32_t *multiplier = matrix->multiplier + first * step;
  const int8_t *shift = matrix->shift + first * step;
  const int8_t *const x_end = x + columns;
  while (rows > 0) {
    int32_t sums[4];
    int32_t together = 1;
    const int8_t *value = x;
    /* Unsigned sums wrap where the folded bias passes 2^31 on the way. */
    uint32_t sum0 = (uint32_t)bias[0];
    if (rows >= 4) {
      const int8_t *row0 = weights;
      const int8_t *row1 = row0 + columns;
      const int8_t *row2 = row1 + columns;
      const int8_t *row3 = row2 + columns;
      uint32_t sum1 = (uint32_t)bias[1];
      uint32_t sum2 = (uint32_t)bias[2];
      uint32_t sum3 = (uint32_t)bias[3];
      together = 4;
      while (value < x_end) {
        const int32_t v = *value++;
        sum0 += (uint32_t)(v * *row0++);
        sum1 += (uint32_t)(v * *row1++);
        sum2 += (uint32_t)(v * *row2++);
        sum3 += (uint32_t)(v * *row3++);
      }
      sums[1] = (int32_t)sum1;
      sums[2] = (int32_t)sum2;
      sums[3] = (int32_t)sum3;
    } else {
      const int8_t *row0 = weights;
      while (value < x_end) {
        const int32_t v = *value++;
        sum0 += (uint32_t)(v * *row0++);
      }
    }
    sums[0] = (int32_t)sum0;
    for (int32_t row = 0; row < together; ++row) {
      const int32_t scaled = edgekit_scale(sums[row], *multiplier, *shift);
      *output++ = edgekit_clamp(scaled + matrix->output_zero_point, matrix->output_min,
                                matrix->output_max);
      multiplier += step;
      shift += step;
    }
    weights += together * columns;
    bias += together;
    rows -= together;
  }
}
