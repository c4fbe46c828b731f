EDGEKIT_NOINLINE void edgekit_pad(const edgekit_pad_params *params) {
  const int32_t *const shape = params->input_shape;
  const int32_t *const steps = params->output_steps;
  const int8_t *input = params->input;
  memset(params->output, (int)params->value, (size_t)params->output_size);
  for (int32_t a = 0; a < shape[0]; ++a) {
    for (int32_t b = 0; b < shape[1]; ++b) {
      for (int32_t c = 0; c < shape[2]; ++c) {
        int8_t *output =
            params->output + params->start + a * steps[0] + b * steps[1] + c * steps[2];
        for (int32_t d = 0; d < shape[3]; ++d) {
          memcpy(output, input, (size_t)shape[4]);
          input += shape[4];
          output += steps[3];
        }
      }
    }
  }
}
