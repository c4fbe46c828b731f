/* 1 / (1 + x) for x in [0, 1), both in units of 2^-31: three Newton steps on numbers in
 * units of 2^-29. */
static int32_t edgekit_reciprocal(int32_t x) {
  const int32_t half = (int32_t)(((uint32_t)x + 0x80000000u) >> 1);
  int32_t estimate = 1515870810 - edgekit_high_multiply(1010580540, half); /* 48/17, 32/17 */
  for (int step = 0; step < 3; ++step) {
    const int32_t rest = ((int32_t)1 << 29) - edgekit_high_multiply(estimate, half);
    estimate += edgekit_high_multiply(rest, estimate) * 4;
  }
  return estimate > 0x3fffffff ? 0x7fffffff : estimate * 2;
}

EDGEKIT_NOINLINE void edgekit_softmax(const edgekit_softmax_params *params) {
  const int8_t *input = params->input;
  uint8_t *output = params->output;
  const int32_t bits = params->output_bits;
  const int32_t lowest = -((int32_t)1 << (bits - 1));
  for (int32_t row = 0; row < params->rows; ++row) {
    int32_t largest = -128;
    for (int32_t i = 0; i < params->columns; ++i) {
      if (input[i] > largest) {
        largest = input[i];
      }
    }
    uint32_t sum = 0; /* in units of 2^-19 */
    for (int32_t i = 0; i < params->columns; ++i) {
      const int32_t distance = largest - input[i];
      if (distance < params->exponential_count) {
        sum += ((uint32_t)params->exponentials[distance] + 2048u) >> 12;
      }
    }
    int32_t exponent = 43 - bits;
    while (sum < 0x80000000u) {
      sum <<= 1;
      --exponent;
    }
    const int32_t scale = edgekit_reciprocal((int32_t)(sum & 0x7fffffffu));
    for (int32_t i = 0; i < params->columns; ++i) {
      const int32_t distance = largest - input[i];
      int32_t value = 0;
      if (distance < params->exponential_count && exponent < 32) {
        const int32_t product = edgekit_high_multiply(scale, params->exponentials[distance]);
        value = edgekit_divide_by_power(product, exponent);
      }
      value += lowest;
      if (value > -lowest - 1) {
        value = -lowest - 1;
      }
      if (bits == 8) {
        *output++ = (uint8_t)value;
      } else {
        const int16_t wide = (int16_t)value;
        memcpy(output, &wide, sizeof wide);
        output += sizeof wide;
      }
    }
    input += params->columns;
  }
}
