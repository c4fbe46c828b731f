/* output = table[input], a byte each. */
typedef struct {
  const uint8_t *input;
  uint8_t *output;
  const uint8_t *table;
  int32_t count;
} edgekit_lookup_params;

void edgekit_lookup(const edgekit_lookup_params *params);
