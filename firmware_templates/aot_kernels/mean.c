EDGEKIT_INLINE int32_t edgekit_sum(const edgekit_mean_params *params, const int8_t *first) {
  uint32_t sum = (uint32_t)params->offset;
  for (int32_t d = 0; d < params->reduce[0]; ++d) {
    for (int32_t e = 0; e < params->reduce[1]; ++e) {
      const int8_t *value = first + d * params->reduce_steps[0] + e * params->reduce_steps[1];
      for (int32_t f = 0; f < params->reduce[2]; ++f) {
        sum += (uint32_t)(int32_t)*value;
        value += params->reduce_steps[2];
      }
    }
  }
  return (int32_t)sum;
}

EDGEKIT_NOINLINE void edgekit_mean(const edgekit_mean_params *params) {
  int8_t *output = params->output;
  for (int32_t a = 0; a < params->keep[0]; ++a) {
    for (int32_t b = 0; b < params->keep[1]; ++b) {
      const int8_t *first =
          params->input + a * params->keep_steps[0] + b * params->keep_steps[1];
      for (int32_t c = 0; c < params->keep[2]; ++c) {
        const int32_t scaled =
            edgekit_scale(edgekit_sum(params, first), params->multiplier, params->shift);
        *output++ = edgekit_clamp(scaled + params->output_zero_point, -128, 127);
        first += params->keep_steps[2];
      }
    }
  }
}
