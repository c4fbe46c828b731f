"""Model file → .tflite bytes → Graph."""
