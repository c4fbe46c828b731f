EDGEKIT_NOINLINE void edgekit_average_pool_2d(const edgekit_average_pool_2d_params *params) {
  const edgekit_window *const window = &params->window;
  const int32_t channels = window->channels;
  const int32_t row_pitch = window->input_width * channels;
  const int8_t *image = params->input;
  int8_t *output = params->output;
  for (int32_t batch = 0; batch < window->batches; ++batch) {
    for (int32_t i = 0; i < window->output_height; ++i) {
      const int32_t top = i * window->stride_y - window->padding_top;
      const int32_t first_y = edgekit_first_tap(top, 1);
      const int32_t end_y = edgekit_end_tap(top, 1, window->height, window->input_height);
      for (int32_t j = 0; j < window->output_width; ++j) {
        const int32_t left = j * window->stride_x - window->padding_left;
        const int32_t first_x = edgekit_first_tap(left, 1);
        const int32_t end_x = edgekit_end_tap(left, 1, window->width, window->input_width);
        const int32_t count = (end_y - first_y) * (end_x - first_x);
        const int8_t *const corner =
            image + (top + first_y) * row_pitch + (left + first_x) * channels;
        for (int32_t channel = 0; channel < channels; ++channel) {
          const int8_t *row = corner + channel;
          int32_t sum = 0;
          for (int32_t y = first_y; y < end_y; ++y) {
            const int8_t *value = row;
            for (int32_t x = first_x; x < end_x; ++x) {
              sum += *value;
              value += channels;
            }
            row += row_pitch;
          }
          sum += sum > 0 ? count / 2 : -(count / 2);
          *output++ = edgekit_clamp(sum / count, params->output_min, params->output_max);
        }
      }
    }
    image += window->input_height * row_pitch;
  }
}
