"""Firmware on a device → latency and outputs."""
