"""The protocol's commands as methods: values in, values out, each reply checked.

A device's own error (``e-[…]``) leaves the conversation in step. After any other error
(silence, a restart, an unreadable reply) call :meth:`Session.wait_ready` before going
on, or close the link.
"""

from __future__ import annotations

import logging
import time
import zlib

from edgekit.device import protocol
from edgekit.device.conversation import Conversation, Patience, Reply
from edgekit.device.link import Link
from edgekit.device.protocol import DeviceInfo, Lap, OperatorTime, Profile
from edgekit.errors import DeviceError

_log = logging.getLogger(__name__)

_LOAD_TRIES = 2
_SLOW_FACTOR = 4.0
"""How much longer than the last time an inference may take before it counts as hung."""
_LONGEST_UNKNOWN_SECONDS = 600.0
_RESULT_CHARACTERS = 16
"""Characters that one value of a 'results' line takes, cautiously."""
_BUFFER_CHARACTERS = 5
"""Characters that one byte of 'db print' takes, its share of the line's frame included."""
_LAP_CHARACTERS = 12
"""Characters that one time of 'laps' takes, likewise."""


class Session:
    """A device's commands over a link; call :meth:`wait_ready` first."""

    def __init__(self, link: Link, *, patience: Patience | None = None) -> None:
        self._conversation = Conversation(link, patience or Patience())
        self._info: DeviceInfo | None = None
        self._has_info: bool | None = None
        self._seconds_per_inference: float | None = None

    @property
    def device_name(self) -> str:
        """What is at the other end, for people: a port, or an emulated board."""
        return self._conversation.traits.name

    @property
    def device_subject(self) -> str:
        """The same at the beginning of a sentence."""
        return self._conversation.traits.subject

    def wait_ready(self) -> str:
        """Wait until the device has started, or already runs; return its name.

        Raises:
            DeviceTimeoutError: Nothing came at all.
            ProtocolError: Something came, but no answer to ``name%``.
            LinkClosedError: The link was cut.
        """
        return self._conversation.start()

    def name(self) -> str:
        """Return the device's name (its vendor's)."""
        return self._conversation.value(self._conversation.run("name"), protocol.NAME)[2]

    def profile(self) -> Profile:
        """Return the protocol's profile and the model's id."""
        reply = self._conversation.run("profile")
        found = {
            match[1]: match[2] for match in filter(None, map(protocol.PROFILE.match, reply.lines))
        }
        if found.keys() != {"model", "profile"}:
            raise self._conversation.lacking(reply, "m-profile-[…] and m-model-[…]")
        return Profile(profile=found["profile"], model=found["model"])

    def info(self) -> DeviceInfo:
        """Return what the firmware says of itself, as of now.

        Raises:
            DeviceError: The firmware has only MLPerf Tiny's commands.
        """
        info = self._read_info()
        if info is None:
            raise self._conversation.unsupported("info")
        return info

    def optional_info(self) -> DeviceInfo | None:
        """Return :meth:`info`, read once; ``None`` for MLPerf-only firmware."""
        if self._has_info is None:
            self._read_info()
        return self._info

    def load(self, data: bytes) -> None:
        """Load the model's inputs, all of them one after another, and check the arrival.

        The firmware's CRC-32 is compared (its printed buffer, where it has no
        ``crc%``); damaged data is sent a second time.

        Raises:
            DeviceError: It arrived damaged twice, or the size is not the model's.
        """
        info = self.optional_info()
        if info is not None and info.input_bytes != len(data):
            raise DeviceError(
                f"The firmware's model takes {info.input_bytes} bytes of input, not {len(data)}.",
                hint="Use the model that the firmware was built from, or build it again.",
            )
        problem: str | None = None
        for _ in range(_LOAD_TRIES):
            problem = self._try_load(data)
            if problem is None:
                return
            _log.warning("input of %d bytes: %s", len(data), problem)
        raise self._conversation.error(
            DeviceError,
            f"The input did not arrive whole in {_LOAD_TRIES} attempts: {problem}.",
            "Use a shorter cable, another USB port or a lower baud rate.",
        )

    def infer(self, count: int, warmup: int, *, timeout_seconds: float | None = None) -> Lap:
        """Run ``warmup`` inferences, then ``count`` timed as one lap.

        Without ``timeout_seconds`` the time allowed follows from the inferences seen
        so far.

        Raises:
            DeviceError: The model failed, or the device restarted.
        """
        reply = self._run_inferences("infer", count, warmup, timeout_seconds)
        stamps = [int(match[1]) for match in filter(None, map(protocol.LAP.match, reply.lines))]
        if len(stamps) != 2:
            raise self._conversation.lacking(reply, "two lines m-lap-us-…")
        results = self._conversation.value(reply, protocol.RESULTS)[0]
        return Lap(t0_us=stamps[0], t1_us=stamps[1], results=protocol.parse_results(results))

    def laps(
        self, count: int, warmup: int, *, timeout_seconds: float | None = None
    ) -> tuple[int, ...]:
        """Run ``warmup`` inferences, then ``count``, each timed alone; return their µs."""
        reply = self._run_inferences("laps", count, warmup, timeout_seconds)
        laps = protocol.parse_laps(reply.lines)
        if len(laps) != count:
            raise self._conversation.lacking(reply, f"{count} times, but {len(laps)}")
        return laps

    def raw(self) -> bytes:
        """Return the bytes of all outputs of the last inference, one after another."""
        info = self.optional_info()
        expected = info.output_bytes if info is not None else 0
        reply = self._conversation.run("raw", extra_bytes=2 * expected)
        data = bytes.fromhex(self._conversation.value(reply, protocol.RAW)[1])
        if info is not None and len(data) != expected:
            raise self._conversation.lacking(reply, f"{expected} output bytes, but {len(data)}")
        return data

    def results(self) -> tuple[float, ...]:
        """Return the last inference's outputs as real numbers, to three decimals."""
        reply = self._conversation.run("results", extra_bytes=self._result_bytes())
        return protocol.parse_results(self._conversation.value(reply, protocol.RESULTS)[0])

    def ops(self) -> tuple[OperatorTime, ...]:
        """Return each operator's time in the last inference.

        Raises:
            DeviceError: The engine has no clock hook.
        """
        return protocol.parse_operators(self._conversation.run("ops").lines)

    def selftest(self) -> bool:
        """Run the test vector that was built in; return whether its outputs are right.

        Raises:
            DeviceError: None was built in.
        """
        reply = self._conversation.send(
            protocol.encode("selftest"),
            label="selftest",
            timeout_seconds=self._inference_seconds(1),
        )
        self._conversation.refuse_error(reply)
        return self._conversation.value(reply, protocol.SELFTEST)[1] == "pass"

    def _read_info(self) -> DeviceInfo | None:
        reply = self._conversation.ask("info")
        self._has_info = not reply.is_unknown
        if reply.is_unknown:
            return None
        self._conversation.refuse_error(reply)
        self._info = protocol.parse_info(self._conversation.value(reply, protocol.INFO)[0])
        return self._info

    def _try_load(self, data: bytes) -> str | None:
        """Send the input once; return what went wrong, or ``None``."""
        conversation = self._conversation
        db_bytes = protocol.DB_BYTES if self._info is None else self._info.db_bytes
        reply = conversation.ask(f"db load {len(data)}")
        if reply.error is not None:
            return f"the device answered {reply.error!r}"
        announced = conversation.value(reply, protocol.EXPECTING)
        if int(announced[1]) != len(data):
            return f"the device expected {announced[1]} bytes"
        # One line in flight: more gain nothing where the link holds back (measured under
        # QEMU), and would be lost on boards whose UART has no buffer.
        for command in protocol.encode_data(data, db_bytes=db_bytes):
            reply = conversation.send(command, label="db", extra_bytes=len(command))
            if reply.error is not None:
                return f"the device answered {reply.error!r}"
        if not any(map(protocol.LOADED.match, reply.lines)):
            return "bytes were lost"
        return self._check_load(data)

    def _check_load(self, data: bytes) -> str | None:
        conversation = self._conversation
        reply = conversation.ask("crc")
        if not reply.is_unknown:
            conversation.refuse_error(reply)
            there = conversation.value(reply, protocol.CRC)[1]
            here = f"{zlib.crc32(data):08x}"
            return None if there == here else f"its CRC-32 is {there}, not {here}"
        reply = conversation.ask("db print", extra_bytes=_BUFFER_CHARACTERS * len(data))
        if reply.is_unknown:
            _log.warning("the firmware can't tell whether the input arrived whole")
            return None
        conversation.refuse_error(reply)
        return None if protocol.parse_buffer(reply.lines) == data else "the buffer differs"

    def _run_inferences(
        self, word: str, count: int, warmup: int, timeout_seconds: float | None
    ) -> Reply:
        if count < 1 or warmup < 0:
            raise ValueError(f"count {count} must be > 0, warmup {warmup} must be >= 0")
        if timeout_seconds is None:
            timeout_seconds = self._inference_seconds(count + warmup)
        began = time.monotonic()
        reply = self._conversation.send(
            protocol.encode(word, count, warmup),
            label=f"{word} {count} {warmup}",
            extra_bytes=_LAP_CHARACTERS * count if word == "laps" else self._result_bytes(),
            timeout_seconds=timeout_seconds,
        )
        self._conversation.refuse_error(reply)
        self._seconds_per_inference = (time.monotonic() - began) / (count + warmup)
        return reply

    def _inference_seconds(self, total: int) -> float:
        """Return how long ``total`` inferences may take before the device counts as hung."""
        patience = self._conversation.patience
        if self._seconds_per_inference is not None:
            return patience.infer_seconds + _SLOW_FACTOR * self._seconds_per_inference * total
        return min(patience.infer_seconds * total, _LONGEST_UNKNOWN_SECONDS)

    def _result_bytes(self) -> int:
        return 0 if self._info is None else _RESULT_CHARACTERS * self._info.output_bytes
