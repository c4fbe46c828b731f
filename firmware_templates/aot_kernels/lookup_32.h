/* output = table[input], a byte in and 32 bits out. */
typedef struct {
  const uint8_t *input;
  uint8_t *output;
  const uint32_t *table;
  int32_t count;
} edgekit_lookup_32_params;

void edgekit_lookup_32(const edgekit_lookup_32_params *params);
