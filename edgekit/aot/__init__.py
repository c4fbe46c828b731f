"""Graph → C99 with no interpreter, bit-exact with TFLite Micro's reference kernels."""
