"""``edgekit arena`` and ``edgekit check --witness`` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from written_models import small_model

from edgekit.cli.check_witness import WitnessFigures, show_witness
from edgekit.cli.main import main
from edgekit.cli.output import Output


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(small_model().bytes())
    return path


def arena(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict]:
    code = main(["arena", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("kernels", ["reference", "cmsis-nn"])
def test_the_items_add_up(capsys: pytest.CaptureFixture[str], small: Path, kernels: str) -> None:
    code, document = arena(capsys, small, "--kernels", kernels)
    assert code == 0
    assert document["kind"] == "arena"
    assert document["kernels"] == kernels
    sizes = {
        region: sum(i["size_bytes"] for i in document["items"] if i["region"] == region)
        for region in ("tail", "head")
    }
    assert sizes["tail"] == document["tail_bytes"]
    assert document["arena_used_bytes"] == document["head_bytes"] + document["tail_bytes"]
    assert document["minimum_bytes"] >= document["arena_used_bytes"]
    assert document["minimum_bytes"] % 16 == 0
    assert 0 < document["temporary_bytes"] < document["minimum_bytes"]
    assert document["unknown_operators"] == []
    ends = [i["offset_bytes"] + i["size_bytes"] for i in document["items"] if i["region"] == "head"]
    assert max(ends) <= document["head_bytes"]


def test_the_core_and_the_library_count(capsys: pytest.CaptureFixture[str], small: Path) -> None:
    def tail(*options: str) -> int:
        code, document = arena(capsys, small, *options)
        assert code == 0
        return int(document["tail_bytes"])

    today = tail("--cpu", "cortex-m3")
    assert today == tail("--cpu", "cortex-m4")
    assert tail("--library", "chirale") > today
    assert tail("--kernels", "reference", "--cpu", "xtensa") > tail("--kernels", "reference")


def test_a_picture_is_drawn(
    capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "small.svg"
    code, document = arena(capsys, small, "--picture", picture)
    assert code == 0
    assert document["picture"].endswith("small.svg")
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_a_picture_that_is_no_svg_is_refused(
    capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path
) -> None:
    code, document = arena(capsys, small, "--picture", tmp_path / "small.png")
    assert code != 0
    assert ".svg" in document["hint"]
    assert not (tmp_path / "small.png").exists()


def test_an_unknown_core_is_bad_input(capsys: pytest.CaptureFixture[str], small: Path) -> None:
    code, document = arena(capsys, small, "--cpu", "z80")
    assert code == 2
    assert "z80" in document["message"]


def test_people_get_tables_with_the_figure_that_matters(
    capsys: pytest.CaptureFixture[str], small: Path
) -> None:
    assert main(["arena", str(small)]) == 0
    shown = capsys.readouterr().out
    assert "Smallest arena that works" in shown
    assert "CONV_2D 0: kernel data" in shown


def test_operators_that_the_library_lacks_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from written_models import stateful_model

    path = tmp_path / "custom.tflite"
    path.write_bytes(stateful_model().bytes())
    code, document = arena(capsys, path)
    assert code == 0
    assert document["unknown_operators"] == ["FlexErf"]


def test_the_witness_agrees_with_the_plan(capsys: pytest.CaptureFixture[str], small: Path) -> None:
    pytest.importorskip("tflite_micro")
    assert main(["check", str(small), "--witness", "--json"]) == 0
    (heard,) = json.loads(capsys.readouterr().out)["witness"]
    assert heard["agrees"] is True
    assert heard["recorded_tail_bytes"] == heard["planned_tail_bytes"] > 1000


def test_a_witness_that_disagrees_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = WitnessFigures(
        model="m",
        planned_head_bytes=16,
        planned_tail_bytes=100,
        recorded_head_bytes=16,
        recorded_tail_bytes=116,
        interpreter="TFLM",
    )
    assert told.agrees is False
    show_witness(Output(as_json=False, quiet=False), (told,))
    shown = capsys.readouterr()
    assert "m: TFLM's recording interpreter disagrees" in shown.err
    assert "132" in shown.out


def test_a_model_whose_operators_do_not_fit_its_tensors_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = small_model()
    model.model.subgraphs[0].tensors[3].shape = [1, 2, 2, 7]  # of 2 filters
    path = tmp_path / "senseless.tflite"
    path.write_bytes(model.bytes())
    code, document = arena(capsys, path)
    assert code == 2
    assert document["kind"] == "error"
    assert "CONV_2D" in document["message"]
