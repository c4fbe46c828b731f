"""QEMU's MPS2 boards as a PlatformIO platform; the compiler is the system's."""

from platformio.platform.base import PlatformBase


class QemucortexmPlatform(PlatformBase):
    """Named after the platform without its punctuation, as PlatformIO wants it."""

    def is_embedded(self):
        """Boards, not the computer itself: sizes are checked after the link."""
        return True
