EDGEKIT_NOINLINE void edgekit_lookup_16(const edgekit_lookup_16_params *params) {
  const uint8_t *input = params->input;
  const uint8_t *const end = input + params->count;
  uint8_t *output = params->output;
  while (input < end) {
    memcpy(output, &params->table[*input++], sizeof params->table[0]);
    output += sizeof params->table[0];
  }
}
