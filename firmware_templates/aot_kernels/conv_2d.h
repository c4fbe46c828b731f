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
