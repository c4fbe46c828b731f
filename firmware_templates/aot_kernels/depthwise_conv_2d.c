EDGEKIT_NOINLINE void edgekit_depthwise_conv_2d(
    const edgekit_depthwise_conv_2d_params *params) {
  const edgekit_window *const window = &params->window;
  const int32_t channels = window->channels;
  const int32_t tap_pitch = window->dilation_x * channels;
  const int32_t zero_point = params->input_zero_point;
  const int8_t *image = params->input;
  int8_t *output = params->output;
  for (int32_t batch = 0; batch < window->batches; ++batch) {
    for (int32_t i = 0; i < window->output_height; ++i) {
      const int32_t top = i * window->stride_y - window->padding_top;
      const int32_t first_y = edgekit_first_tap(top, window->dilation_y);
      const int32_t end_y =
          edgekit_end_tap(top, window->dilation_y, window->height, window->input_height);
      for (int32_t j = 0; j < window->output_width; ++j) {
        const int32_t left = j * window->stride_x - window->padding_left;
        const int32_t first_x = edgekit_first_tap(left, window->dilation_x);
        const int32_t end_x =
            edgekit_end_tap(left, window->dilation_x, window->width, window->input_width);
        const int32_t *multiplier = params->multiplier;
        const int8_t *shift = params->shift;
        int32_t channel = 0;
        while (channel < channels) {
          const int32_t together = channels - channel >= 4 ? 4 : 1;
          const int32_t *const bias = params->bias + channel;
          int32_t sums[4];
          uint32_t sum0 = (uint32_t)bias[0];
          uint32_t sum1 = 0;
          uint32_t sum2 = 0;
          uint32_t sum3 = 0;
          for (int32_t y = first_y; y < end_y; ++y) {
            const int32_t row = (top + y * window->dilation_y) * window->input_width + left;
            const int8_t *value = image + channel + row * channels + first_x * tap_pitch;
            const int8_t *weight =
                params->weights + channel + (y * window->width + first_x) * channels;
            if (together == 4) {
              for (int32_t x = first_x; x < end_x; ++x) {
                sum0 += (uint32_t)((value[0] - zero_point) * weight[0]);
                sum1 += (uint32_t)((value[1] - zero_point) * weight[1]);
                sum2 += (uint32_t)((value[2] - zero_point) * weight[2]);
                sum3 += (uint32_t)((value[3] - zero_point) * weight[3]);
                value += tap_pitch;
                weight += channels;
              }
            } else {
              for (int32_t x = first_x; x < end_x; ++x) {
                sum0 += (uint32_t)((value[0] - zero_point) * weight[0]);
                value += tap_pitch;
                weight += channels;
              }
            }
          }
          sums[0] = (int32_t)sum0;
          if (together == 4) {
            sums[1] = (int32_t)(sum1 + (uint32_t)bias[1]);
            sums[2] = (int32_t)(sum2 + (uint32_t)bias[2]);
            sums[3] = (int32_t)(sum3 + (uint32_t)bias[3]);
          }
          for (int32_t n = 0; n < together; ++n) {
            const int32_t scaled = edgekit_scale(sums[n], *multiplier, *shift);
            *output++ = edgekit_clamp(scaled + params->output_zero_point, params->output_min,
                                      params->output_max);
            multiplier += params->channel_step;
            shift += params->channel_step;
          }
          channel += together;
        }
      }
    }
    image += window->input_height * window->input_width * channels;
  }
}
