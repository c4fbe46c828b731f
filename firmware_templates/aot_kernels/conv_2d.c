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
