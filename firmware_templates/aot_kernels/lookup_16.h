/* output = table[input], a byte in and 16 bits out. */
typedef struct {
  const uint8_t *input;
  uint8_t *output;
  const uint16_t *table;
  int32_t count;
} edgekit_lookup_16_params;

void edgekit_lookup_16(const edgekit_lookup_16_params *params);
