/* The kernels that this model needs, and their parameters. Written by EdgeKit. */
#ifndef EDGEKIT_AOT_KERNELS_H
#define EDGEKIT_AOT_KERNELS_H

#include <stdint.h>
#include <string.h>

/* Right shifts of negative numbers are arithmetic, as in every compiler that PlatformIO
 * brings (C99 leaves it open). Nothing else here is left to the implementation. */

#if defined(__GNUC__)
#define EDGEKIT_NOINLINE __attribute__((noinline))
#define EDGEKIT_INLINE static inline __attribute__((always_inline))
#else
#define EDGEKIT_NOINLINE
#define EDGEKIT_INLINE static inline
#endif

/* How a window moves over an image, channels last. */
typedef struct {
  int32_t batches;
  int32_t input_height;
  int32_t input_width;
  int32_t channels;
  int32_t output_height;
  int32_t output_width;
  int32_t height;
  int32_t width;
  int32_t stride_y;
  int32_t stride_x;
  int32_t dilation_y;
  int32_t dilation_x;
  int32_t padding_top;
  int32_t padding_left;
} edgekit_window;

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

/* 2-D convolution, grouped where a filter sees only some of the input's channels.
 * `patch` takes one window's values; without it every window lies unbroken in the input. */
typedef struct {
  const int8_t *input;
  int8_t *output;
  int8_t *patch;
  edgekit_matrix filters;
  edgekit_window window;
  int32_t groups;
  int32_t input_zero_point;
} edgekit_conv_2d_params;

void edgekit_conv_2d(const edgekit_conv_2d_params *params);

/* Each of `batches` vectors times the matrix. */
typedef struct {
  const int8_t *input;
  int8_t *output;
  edgekit_matrix weights;
  int32_t batches;
} edgekit_fully_connected_params;

void edgekit_fully_connected(const edgekit_fully_connected_params *params);

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

#endif /* EDGEKIT_AOT_KERNELS_H */
