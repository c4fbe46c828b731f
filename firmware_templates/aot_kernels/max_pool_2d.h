/* The largest value in each window, channel by channel. */
typedef struct {
  const int8_t *input;
  int8_t *output;
  edgekit_window window;
  int32_t output_min;
  int32_t output_max;
} edgekit_max_pool_2d_params;

void edgekit_max_pool_2d(const edgekit_max_pool_2d_params *params);
