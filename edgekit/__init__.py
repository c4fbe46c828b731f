"""EdgeKit: from a trained Keras model to a measured latency on a small device."""

__version__ = "0.1.0"
