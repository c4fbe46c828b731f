/* Half of x * multiplier's high word, rounded to nearest, halves upwards.
 * The multiplier is never negative, so that the result can't overflow. */
EDGEKIT_INLINE int32_t edgekit_high_multiply(int32_t x, int32_t multiplier) {
  return (int32_t)(((int64_t)x * multiplier + ((int32_t)1 << 30)) >> 31);
}

/* x / 2^exponent, rounded to nearest, halves away from zero. */
EDGEKIT_INLINE int32_t edgekit_divide_by_power(int32_t x, int32_t exponent) {
  const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1u);
  const int32_t threshold = (mask >> 1) + (x < 0);
  return (x >> exponent) + ((x & mask) > threshold);
}

/* x * multiplier * 2^(shift - 31), rounded twice as TFLite Micro does. */
EDGEKIT_INLINE int32_t edgekit_scale(int32_t x, int32_t multiplier, int32_t shift) {
  if (shift > 0) {
    x = (int32_t)((uint32_t)x << shift);
    shift = 0;
  }
  return edgekit_divide_by_power(edgekit_high_multiply(x, multiplier), -shift);
}

EDGEKIT_INLINE int8_t edgekit_clamp(int32_t x, int32_t lowest, int32_t highest) {
  return (int8_t)(x < lowest ? lowest : x > highest ? highest : x);
}
