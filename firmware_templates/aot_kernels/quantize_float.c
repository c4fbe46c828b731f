EDGEKIT_NOINLINE void edgekit_quantize_float(const edgekit_quantize_float_params *params) {
  const uint8_t *input = params->input;
  for (int32_t i = 0; i < params->count; ++i) {
    uint32_t key;
    int32_t level = 0;
    memcpy(&key, input, sizeof key);
    input += sizeof key;
    /* Keys order as the numbers do: the bits with the sign bit set, or all inverted. */
    key = (key & 0x80000000u) ? ~key : key | 0x80000000u;
    for (int32_t step = 128; step > 0; step >>= 1) {
      if (key >= params->thresholds[level + step - 1]) {
        level += step;
      }
    }
    params->output[i] = (int8_t)(level - 128);
  }
}
