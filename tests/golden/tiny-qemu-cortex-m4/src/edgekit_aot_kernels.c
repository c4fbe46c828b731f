/* The kernels that this model needs: int8 arithmetic, exactly TensorFlow Lite
 * Micro's. Written by EdgeKit. */
#include "edgekit_aot_kernels.h"

/* Half of x * multiplier's high word, rounded to nearest, halves upwards.
 * The multiplier is never negative, so that the result can't overflow. */
EDGEKIT_INLINE int32_t edgekit_high_multiply(int32_t x, int32_t multiplier) {
  return (int32_t)(((int64_t)x * multiplier + ((int32_t)1 << 30)) >> 31);
}

/* x / 2^exponent, rounded to nearest, halves away from zero. */
EDGEKIT_INLINE int32_t edgekit_divide_by_power(int32_t x, int32_t exponent) {
  const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1u);
  const int32_t threshold = (mask >> 1) + (x < 0);
  return (x >> exponent) + ((x & mask) > threshold);
}

/* x * multiplier * 2^(shift - 31), rounded twice as TFLite Micro does. */
EDGEKIT_INLINE int32_t edgekit_scale(int32_t x, int32_t multiplier, int32_t shift) {
  if (shift > 0) {
    x = (int32_t)((uint32_t)x << shift);
    shift = 0;
  }
  return edgekit_divide_by_power(edgekit_high_multiply(x, multiplier), -shift);
}

EDGEKIT_INLINE int8_t edgekit_clamp(int32_t x, int32_t lowest, int32_t highest) {
  return (int8_t)(x < lowest ? lowest : x > highest ? highest : x);
}

/* First tap of a window that lies inside the image; `start` is the window's first place. */
EDGEKIT_INLINE int32_t edgekit_first_tap(int32_t start, int32_t dilation) {
  return start < 0 ? (dilation - 1 - start) / dilation : 0;
}

/* One more than the last tap of a window that lies inside the image. */
EDGEKIT_INLINE int32_t edgekit_end_tap(int32_t start, int32_t dilation, int32_t taps,
                                       int32_t size) {
  const int32_t inside = start < size ? (size - start + dilation - 1) / dilation : 0;
  return inside < taps ? inside : taps;
}

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

/* Copy one window's values to the patch, the input's zero point where it hangs over. */
static void edgekit_gather(const edgekit_conv_2d_params *params, const int8_t *image,
                           int32_t top, int32_t left, int32_t channels) {
  const edgekit_window *const window = &params->window;
  int8_t *patch = params->patch;
  for (int32_t i = 0; i < window->height; ++i) {
    const int32_t y = top + i * window->dilation_y;
    for (int32_t j = 0; j < window->width; ++j) {
      const int32_t x = left + j * window->dilation_x;
      if (y < 0 || y >= window->input_height || x < 0 || x >= window->input_width) {
        memset(patch, (int)params->input_zero_point, (size_t)channels);
      } else {
        memcpy(patch, image + (y * window->input_width + x) * window->channels,
               (size_t)channels);
      }
      patch += channels;
    }
  }
}

EDGEKIT_NOINLINE void edgekit_conv_2d(const edgekit_conv_2d_params *params) {
  const edgekit_window *const window = &params->window;
  const int32_t channels = window->channels / params->groups;
  const int32_t filters = params->filters.rows / params->groups;
  const int8_t *image = params->input;
  int8_t *output = params->output;
  for (int32_t batch = 0; batch < window->batches; ++batch) {
    for (int32_t i = 0; i < window->output_height; ++i) {
      const int32_t top = i * window->stride_y - window->padding_top;
      for (int32_t j = 0; j < window->output_width; ++j) {
        const int32_t left = j * window->stride_x - window->padding_left;
        for (int32_t group = 0; group < params->groups; ++group) {
          const int8_t *const first_channel = image + group * channels;
          const int8_t *patch = params->patch;
          if (patch) {
            edgekit_gather(params, first_channel, top, left, channels);
          } else {
            patch = first_channel + (top * window->input_width + left) * window->channels;
          }
          edgekit_multiply_rows(&params->filters, group * filters, filters, patch, output);
          output += filters;
        }
      }
    }
    image += window->input_height * window->input_width * window->channels;
  }
}

EDGEKIT_NOINLINE void edgekit_fully_connected(const edgekit_fully_connected_params *params) {
  const edgekit_matrix *const weights = &params->weights;
  const int8_t *input = params->input;
  int8_t *output = params->output;
  for (int32_t batch = 0; batch < params->batches; ++batch) {
    edgekit_multiply_rows(weights, 0, weights->rows, input, output);
    input += weights->columns;
    output += weights->rows;
  }
}

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
