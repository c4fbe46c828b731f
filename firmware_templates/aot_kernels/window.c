/* First tap of a window that lies inside the image; `start` is the window's first place. */
EDGEKIT_INLINE int32_t edgekit_first_tap(int32_t start, int32_t dilation) {
  return start < 0 ? (dilation - 1 - start) / dilation : 0;
}

/* One more than the last tap of a window that lies inside the image. */
EDGEKIT_INLINE int32_t edgekit_end_tap(int32_t start, int32_t dilation, int32_t taps,
                                       int32_t size) {
  const int32_t inside = start < size ? (size - start + dilation - 1) / dilation : 0;
  return inside < taps ? inside : taps;
}
