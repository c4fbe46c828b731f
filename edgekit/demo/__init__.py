"""The demonstration: a small model trained here, deployed to an emulated board."""
