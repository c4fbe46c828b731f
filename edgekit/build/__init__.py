"""Project folder → firmware.elf and its exact sizes."""
