"""What TFLM's recording interpreter prints, and how a model that it can't load is told."""

from __future__ import annotations

import pytest
from written_models import small_model

from edgekit.errors import InvalidModelError, MissingToolError, UnsupportedModelError
from edgekit.model import interpreters
from edgekit.model.witness import RecordedPart, parse_allocations, record_allocations

PRINTED = """\
[RecordingMicroAllocator] Arena allocation total 1504 bytes
[RecordingMicroAllocator] Arena allocation head 32 bytes
[RecordingMicroAllocator] Arena allocation tail 1472 bytes
[RecordingMicroAllocator] 'TfLiteEvalTensor data' used 240 bytes with alignment overhead (requested 240 bytes for 10 allocations)
[RecordingMicroAllocator] 'Persistent buffer data' used 264 bytes with alignment overhead (requested 232 bytes for 5 allocations)
"""  # noqa: E501 - as tflite-micro prints it


def test_the_printed_figures_are_read() -> None:
    arena = parse_allocations(PRINTED, interpreter="TFLM 1")
    assert (arena.total_bytes, arena.head_bytes, arena.tail_bytes) == (1504, 32, 1472)
    assert arena.interpreter == "TFLM 1"
    assert arena.parts[1] == RecordedPart(
        name="Persistent buffer data", used_bytes=264, requested_bytes=232, count=5
    )


def test_another_way_of_printing_is_refused_and_not_guessed() -> None:
    with pytest.raises(UnsupportedModelError, match="TFLM 2 did not print") as caught:
        parse_allocations(PRINTED.replace("tail", "end"), interpreter="TFLM 2")
    assert "edgekit[micro]" in caught.value.hint


def test_without_tflite_micro_the_hint_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interpreters, "has_micro", lambda: False)
    with pytest.raises(MissingToolError) as caught:
        record_allocations([small_model().bytes()])
    assert caught.value.exit_code == 4


def test_a_damaged_file_is_told_beside_the_figures_of_the_others() -> None:
    pytest.importorskip("tflite_micro")
    damaged, sound = record_allocations([b"no model", small_model().bytes()])
    assert isinstance(damaged, InvalidModelError)
    assert not isinstance(sound, Exception)
    assert sound.total_bytes == sound.head_bytes + sound.tail_bytes
    assert {part.name for part in sound.parts} >= {"TfLiteEvalTensor data"}
