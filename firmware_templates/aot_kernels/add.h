/* One side of an addition: its place, its zero point and scale, and how far to step in
 * each dimension (0 where it is broadcast). The shift is to the right. */
typedef struct {
  const int8_t *data;
  int32_t zero_point;
  int32_t multiplier;
  int32_t shift;
  int32_t steps[5];
} edgekit_addend;

/* Sum of two tensors, broadcast to `shape`, the fastest dimension last. */
typedef struct {
  edgekit_addend left;
  edgekit_addend right;
  int8_t *output;
  int32_t shape[5];
  int32_t multiplier;
  int32_t shift;
  int32_t output_zero_point;
  int32_t output_min;
  int32_t output_max;
} edgekit_add_params;

void edgekit_add(const edgekit_add_params *params);
