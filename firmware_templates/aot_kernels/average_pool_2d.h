/* The mean of the values in each window that lie in the image, halves away from zero. */
typedef struct {
  const int8_t *input;
  int8_t *output;
  edgekit_window window;
  int32_t output_min;
  int32_t output_max;
} edgekit_average_pool_2d_params;

void edgekit_average_pool_2d(const edgekit_average_pool_2d_params *params);
