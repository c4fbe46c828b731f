EDGEKIT_NOINLINE void edgekit_lookup(const edgekit_lookup_params *params) {
  const uint8_t *const table = params->table;
  const uint8_t *input = params->input;
  const uint8_t *const end = input + params->count;
  uint8_t *output = params->output;
  while (input < end) {
    *output++ = table[*input++];
  }
}
