/* 2-D convolution of each channel with a filter of its own; weights are channels last. */
typedef struct {
  const int8_t *input;
  int8_t *output;
  const int8_t *weights;
  const int32_t *bias;
  const int32_t *multiplier;
  const int8_t *shift;
  edgekit_window window;
  int32_t channel_step;
  int32_t input_zero_point;
  int32_t output_zero_point;
  int32_t output_min;
  int32_t output_max;
} edgekit_depthwise_conv_2d_params;

void edgekit_depthwise_conv_2d(const edgekit_depthwise_conv_2d_params *params);
