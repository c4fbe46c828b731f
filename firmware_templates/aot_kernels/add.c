EDGEKIT_INLINE int32_t edgekit_scale_addend(const edgekit_addend *addend, int8_t value) {
  const int32_t raised = (value - addend->zero_point) * ((int32_t)1 << 20);
  return edgekit_divide_by_power(edgekit_high_multiply(raised, addend->multiplier),
                                 addend->shift);
}

EDGEKIT_NOINLINE void edgekit_add(const edgekit_add_params *params) {
  const int32_t *const shape = params->shape;
  const int32_t *const left_steps = params->left.steps;
  const int32_t *const right_steps = params->right.steps;
  int8_t *output = params->output;
  for (int32_t a = 0; a < shape[0]; ++a) {
    for (int32_t b = 0; b < shape[1]; ++b) {
      for (int32_t c = 0; c < shape[2]; ++c) {
        for (int32_t d = 0; d < shape[3]; ++d) {
          const int8_t *left = params->left.data + a * left_steps[0] + b * left_steps[1] +
                               c * left_steps[2] + d * left_steps[3];
          const int8_t *right = params->right.data + a * right_steps[0] +
                                b * right_steps[1] + c * right_steps[2] +
                                d * right_steps[3];
          for (int32_t e = 0; e < shape[4]; ++e) {
            const int32_t sum = edgekit_scale_addend(&params->left, *left) +
                                edgekit_scale_addend(&params->right, *right);
            const int32_t scaled = edgekit_divide_by_power(
                edgekit_high_multiply(sum, params->multiplier), params->shift);
            *output++ = edgekit_clamp(scaled + params->output_zero_point,
                                      params->output_min, params->output_max);
            left += left_steps[4];
            right += right_steps[4];
          }
        }
      }
    }
  }
}
