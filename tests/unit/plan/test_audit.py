"""The audit of a file: each rule finds what it is for, names it, and says what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import make_graph, make_operator, make_tensor

from edgekit.findings import Finding, Severity
from edgekit.graph import DType, Graph, Operator, Tensor
from edgekit.libraries import load_library
from edgekit.model.reader import read_graph
from edgekit.plan.audit import audit

CHIRALE = load_library("chirale")


def only(findings: Sequence[Finding]) -> Finding:
    (finding,) = findings
    assert finding.hint
    assert finding.message.rstrip().endswith(".")
    return finding


def integer_model(
    extra: Sequence[Tensor] = (),
    operators: Sequence[Operator] = (),
    version: int = 4,
    **weights: object,
) -> Graph:
    """Return a Dense layer in int8 (tensors 0 to 2), and what is put behind it (from 3 on)."""
    dense = make_tensor((5, 4), data=bytes(20), name="weights")
    tensors = [
        make_tensor((1, 4), name="in"),
        dataclasses.replace(dense, **weights),
        make_tensor((1, 5), name="dense"),
        *extra,
    ]
    first = make_operator("FULLY_CONNECTED", [0, 1], [2], version=version)
    last = len(tensors) - 1
    return make_graph(tensors, [first, *operators], inputs=(0,), outputs=(last,))


def test_a_clean_model_has_no_findings() -> None:
    assert audit(integer_model(), [CHIRALE]) == ()


def test_operators_left_in_float_are_found_with_their_tensors() -> None:
    graph = integer_model(
        [
            make_tensor((1, 5), DType.FLOAT32, name="real"),
            make_tensor((1, 5), DType.FLOAT32, name="negated"),
            make_tensor((1, 5), name="back"),
        ],
        [
            make_operator("DEQUANTIZE", [2], [3]),
            make_operator("NEG", [3], [4]),
            make_operator("QUANTIZE", [4], [5]),
        ],
    )
    finding = only(audit(graph))
    assert (finding.code, finding.severity) == ("float-tensors", Severity.WARNING)
    assert finding.operators == (2,)
    assert finding.tensors == ("real", "negated")
    assert "1 operator of this integer model computes in float32 (NEG" in finding.message
    assert "operator 2, 'negated'" in finding.message
    assert "integer form" in finding.hint


def test_float_inputs_and_outputs_are_nothing_to_say_of() -> None:
    graph = integer_model(
        [make_tensor((1, 5), DType.FLOAT32, name="real")], [make_operator("DEQUANTIZE", [2], [3])]
    )
    assert audit(graph) == ()


def float_dense(weights: DType) -> Graph:
    return make_graph(
        [
            make_tensor((1, 4), DType.FLOAT32),
            make_tensor((5, 4), weights, data=bytes(weights.bits * 20 // 8), name="weights"),
            make_tensor((1, 5), DType.FLOAT32, name="dense"),
        ],
        [make_operator("FULLY_CONNECTED", [0, 1], [2])],
    )


def test_a_float_model_is_not_one_left_in_float() -> None:
    assert audit(float_dense(DType.FLOAT32)) == ()


@pytest.mark.parametrize("weights", [DType.INT8, DType.UINT8])
def test_hybrid_operators_are_found(weights: DType) -> None:
    finding = only(audit(float_dense(weights)))
    assert (finding.code, finding.severity) == ("hybrid-operators", Severity.ERROR)
    assert "FULLY_CONNECTED, operator 0, 'dense', weights 'weights'" in finding.message
    assert "--variant int8" in finding.hint


@pytest.mark.parametrize("stored", [DType.INT8, DType.FLOAT16])
def test_weights_that_are_only_stored_are_found(stored: DType) -> None:
    graph = make_graph(
        [
            make_tensor((1, 4), DType.FLOAT32),
            make_tensor((5, 4), stored, data=bytes(stored.bits * 20 // 8), name="stored"),
            make_tensor((5, 4), DType.FLOAT32, name="expanded"),
            make_tensor((1, 5), DType.FLOAT32),
        ],
        [
            make_operator("DEQUANTIZE", [1], [2]),
            make_operator("FULLY_CONNECTED", [0, 2], [3]),
        ],
    )
    finding = only(audit(graph))
    assert (finding.code, finding.severity) == ("weight-only", Severity.ERROR)
    assert f"only stored as {stored.value.lower()}" in finding.message
    assert "'stored', operator 0, 'expanded'" in finding.message
    assert finding.tensors == ("stored",)


def test_a_dynamic_batch_alone_is_a_note_and_another_dimension_a_warning() -> None:
    for signature, severity in (((-1, 5), Severity.NOTE), ((1, -1), Severity.WARNING)):
        graph = integer_model(
            [make_tensor((1, 5), name="last", shape_signature=signature)],
            [make_operator("RELU", [2], [3])],
        )
        finding = only(audit(graph))
        assert (finding.code, finding.severity) == ("dynamic-shapes", severity)
        assert f"'last', {list(signature)}" in finding.message
        assert "fixed batch of 1" in finding.hint


def test_what_is_left_of_a_dynamic_batch_is_followed_from_shape_on() -> None:
    graph = integer_model(
        [
            make_tensor((2,), DType.INT32, name="shape"),
            make_tensor((), DType.INT32, name="batch"),
            make_tensor((2,), DType.INT32, name="packed"),
            make_tensor((1, 5), name="flat"),
            make_tensor((1, 4), name="sliced"),
        ],
        [
            make_operator("SHAPE", [2], [3]),
            make_operator("STRIDED_SLICE", [3], [4]),
            make_operator("PACK", [4], [5]),
            make_operator("RESHAPE", [2, 5], [6]),
            make_operator("STRIDED_SLICE", [6], [7]),
        ],
    )
    finding = only(audit(graph))
    assert (finding.code, finding.severity) == ("shape-operators", Severity.WARNING)
    assert finding.operators == (1, 2, 3)
    assert finding.tensors == ("shape", "batch", "packed")
    assert "SHAPE, STRIDED_SLICE, PACK" in finding.message
    assert "fixed batch of 1" in finding.hint


def test_64_bit_indices_are_found() -> None:
    graph = integer_model(
        [make_tensor((1,), DType.INT64, name="best")], [make_operator("ARG_MAX", [2], [3])]
    )
    finding = only(audit(graph))
    assert (finding.code, finding.severity) == ("int64", Severity.WARNING)
    assert "'best' at ARG_MAX, operator 1, 'best'" in finding.message
    assert "tf.int32" in finding.hint


def test_64_bit_biases_of_int16_layers_belong_there() -> None:
    graph = make_graph(
        [
            make_tensor((1, 4), DType.INT16),
            make_tensor((5, 4), data=bytes(20)),
            make_tensor((5,), DType.INT64, data=bytes(40)),
            make_tensor((1, 5), DType.INT16),
        ],
        [make_operator("FULLY_CONNECTED", [0, 1, 2], [3])],
    )
    assert audit(graph) == ()


@pytest.mark.parametrize(
    ("dtype", "offset", "severity"),
    [
        (DType.INT8, 32, None),
        (DType.INT8, 33, Severity.NOTE),
        (DType.INT32, 36, Severity.NOTE),
        (DType.INT32, 34, Severity.ERROR),
        (DType.INT16, 35, Severity.ERROR),
        (DType.INT64, 36, Severity.NOTE),
        (DType.INT64, 38, Severity.ERROR),
    ],
)
def test_constants_at_odd_places_of_the_file_are_found(
    dtype: DType, offset: int, severity: Severity | None
) -> None:
    constant = make_tensor((4,), dtype, data=bytes(dtype.bits // 2), name="odd")
    graph = integer_model()
    main = graph.main
    tensors = (*main.tensors, dataclasses.replace(constant, index=3, file_offset=offset))
    graph = dataclasses.replace(graph, subgraphs=(dataclasses.replace(main, tensors=tensors),))
    findings = audit(graph)
    if severity is None:
        assert findings == ()
        return
    finding = only(findings)
    assert (finding.code, finding.severity) == ("unaligned-buffers", severity)
    assert "'odd'" in finding.message
    assert f"byte {offset} of the file" in finding.message
    hint = "convert the original model again" if severity is Severity.ERROR else "Nothing needs"
    assert hint in finding.hint


@pytest.mark.parametrize("scale", [0.0, -0.5, float("inf"), float("nan")])
def test_scales_that_lose_every_number_are_found(scale: float) -> None:
    graph = integer_model(
        [make_tensor((1, 5), scale=scale, name="dead")], [make_operator("RELU", [2], [3])]
    )
    finding = only(audit(graph))
    assert (finding.code, finding.severity) == ("degenerate-scales", Severity.ERROR)
    assert "'dead'" in finding.message
    assert finding.tensors == ("dead",)
    assert "alibrate" in finding.hint


def test_one_bad_scale_of_many_is_enough() -> None:
    tensor = make_tensor((2, 4), scale=[0.1, 0.0], data=bytes(8), name="weights")
    finding = only(audit(integer_model(quantization=tensor.quantization)))
    assert (finding.code, finding.severity) == ("degenerate-scales", Severity.ERROR)


def test_a_range_of_next_to_nothing_is_a_warning() -> None:
    graph = integer_model(
        [make_tensor((1, 5), scale=7.8e-9, name="dead")], [make_operator("RELU", [2], [3])]
    )
    finding = only(audit(graph))
    assert (finding.code, finding.severity) == ("degenerate-scales", Severity.WARNING)
    assert "it was constant on the calibration data" in finding.message


def test_sparse_weights_are_found() -> None:
    finding = only(audit(integer_model(is_sparse=True)))
    assert (finding.code, finding.severity) == ("sparse-tensors", Severity.ERROR)
    assert "'weights'" in finding.message


def test_versions_that_a_library_did_not_know_are_found() -> None:
    graph = integer_model(version=12)
    assert audit(graph) == ()
    finding = only(audit(graph, [CHIRALE, load_library("tflite-micro")]))
    assert (finding.code, finding.severity) == ("versions", Severity.WARNING)
    assert "FULLY_CONNECTED version 12, operator 0, 'dense'; it knows up to 10" in finding.message
    assert "edgekit verify" in finding.hint


def test_the_worst_comes_first() -> None:
    graph = integer_model(
        [make_tensor((1, 5), scale=0.0, name="dead", shape_signature=(-1, 5))],
        [make_operator("RELU", [2], [3])],
        version=12,
    )
    codes = [finding.code for finding in audit(graph, [CHIRALE])]
    assert codes == ["degenerate-scales", "versions", "dynamic-shapes"]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("model", "codes"),
    [
        ("kws01_int8", set()),
        ("corpus/keras_hardswish_se", {"float-tensors", "degenerate-scales"}),
        ("corpus/mlperf_ad_dynrange", {"hybrid-operators"}),
        ("corpus/op_elu", {"float-tensors"}),
        ("corpus/keras_cnn28_int16x8", set()),
    ],
)
def test_what_is_found_in_reference_models(
    shared_models: Path, model: str, codes: set[str]
) -> None:
    graph = read_graph((shared_models / f"{model}.tflite").read_bytes())
    findings = audit(graph, [CHIRALE])
    assert {item.code for item in findings if item.severity is not Severity.NOTE} == codes


@pytest.mark.shared_data
def test_the_reader_says_where_constants_lie(shared_models: Path) -> None:
    data = (shared_models / "ic01_int8.tflite").read_bytes()
    constants = [item for item in read_graph(data).main.tensors if item.data]
    assert constants
    for tensor in constants:
        assert tensor.file_offset is not None
        assert tensor.data is not None
        end = tensor.file_offset + len(tensor.data)
        assert data[tensor.file_offset : end] == tensor.data
