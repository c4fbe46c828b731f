"""This computer as a PlatformIO platform; the compiler is the system's."""

from platformio.platform.base import PlatformBase


class HostPlatform(PlatformBase):
    """Named after the platform, as PlatformIO wants it."""

    def is_embedded(self):
        """The program runs where it is built."""
        return False
