"""``edgekit inspect``: what is in a .tflite file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from edgekit.cli.check_operators import show_findings
from edgekit.cli.output import Output, output_options
from edgekit.graph import ABSENT, Graph, Operator, Subgraph, Tensor, layer_of
from edgekit.model.reader import read_model
from edgekit.plan.audit import audit
from edgekit.plan.work import operator_macs
from edgekit.results import to_json
from edgekit.units import format_bytes, format_count

_NAME_LENGTH = 36
_LABELS = {
    "fused_activation_function": "activation",
    "dilation_w_factor": "dilation_w",
    "dilation_h_factor": "dilation_h",
}
_USUAL = (False, "NONE", "DEFAULT", ())
_USUAL_OF = frozenset(
    {
        ("stride_w", 1),
        ("stride_h", 1),
        ("dilation_w_factor", 1),
        ("dilation_h_factor", 1),
        ("depth_multiplier", 1),
        ("quantized_bias_type", "FLOAT32"),
        ("beta", 1.0),
    }
)
"""Options that say nothing: 'inspect' leaves them out of its table, not of its JSON."""


@click.command(name="inspect")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--tensors", "with_tensors", is_flag=True, help="List every tensor too.")
@output_options
def command(model: Path, with_tensors: bool, as_json: bool, quiet: bool) -> None:
    """Show MODEL's inputs, outputs, operators, quantisation, metadata, and what is odd in it."""
    output = Output(as_json=as_json, quiet=quiet)
    graph, _ = read_model(model)
    if as_json:
        output.document("inspect", model=model.name, **_document(graph), audit=audit(graph))
        return
    output.line(f"{model.name}: {graph.size_bytes} B, sha256 {graph.sha256}", style="bold")
    if graph.description:
        output.line(f"Description: {graph.description}")
    for index, subgraph in enumerate(graph.subgraphs):
        _show_subgraph(output, index, subgraph, with_tensors=with_tensors)
    if graph.metadata:
        output.table(
            "metadata",
            ("name", "bytes"),
            [(name, str(len(data))) for name, data in graph.metadata.items()],
            numeric="lr",
        )
    show_findings(output, {model.name: audit(graph)}, with_notes=True)


def _document(graph: Graph) -> dict[str, object]:
    subgraphs = []
    for subgraph in graph.subgraphs:
        plain = to_json(subgraph)
        for tensor, parsed in zip(plain["tensors"], subgraph.tensors, strict=True):
            del tensor["data"]
            tensor["is_constant"] = parsed.is_constant
        for operator, parsed_operator in zip(plain["operators"], subgraph.operators, strict=True):
            operator["macs"] = operator_macs(subgraph, parsed_operator)
        del plain["input_tensors"], plain["output_tensors"]
        subgraphs.append(plain)
    return {
        "sha256": graph.sha256,
        "size_bytes": graph.size_bytes,
        "description": graph.description,
        "subgraphs": subgraphs,
        "metadata": {name: len(data) for name, data in graph.metadata.items()},
    }


def _show_subgraph(output: Output, index: int, subgraph: Subgraph, *, with_tensors: bool) -> None:
    name = f"subgraph {index} {subgraph.name}".strip()
    ends = [("input", tensor) for tensor in subgraph.input_tensors]
    ends += [("output", tensor) for tensor in subgraph.output_tensors]
    output.table(
        name,
        ("", "name", "shape", "type", "bytes", "quantisation"),
        [
            (kind, t.name, shape(t), t.dtype.value, str(t.size_bytes), quantization(t))
            for kind, t in ends
        ],
        numeric="llllr",
    )
    output.table(
        f"operators ({len(subgraph.operators)})",
        ("#", "operator", "v", "output", "shape", "type", "constants", "MACs", "options"),
        [_operator_row(operator, subgraph) for operator in subgraph.operators],
        numeric="rlrlllrr",
    )
    if with_tensors:
        output.table(
            f"tensors ({len(subgraph.tensors)})",
            ("#", "name", "shape", "type", "bytes", "kind", "quantisation"),
            [
                (
                    str(tensor.index),
                    tensor.name,
                    shape(tensor),
                    tensor.dtype.value,
                    str(tensor.size_bytes),
                    kind_of(tensor),
                    quantization(tensor),
                )
                for tensor in subgraph.tensors
            ],
            numeric="rlllr",
        )


def _operator_row(operator: Operator, subgraph: Subgraph) -> Sequence[str]:
    inputs = [subgraph.tensors[i] for i in operator.inputs if i != ABSENT]
    outputs = [subgraph.tensors[i] for i in operator.outputs]
    constant_bytes = sum(tensor.size_bytes for tensor in inputs if tensor.is_constant)
    macs = operator_macs(subgraph, operator)
    return (
        str(operator.index),
        operator.custom_name or operator.name,
        str(operator.version),
        ", ".join(short_name(tensor.name) for tensor in outputs),
        ", ".join(shape(tensor) for tensor in outputs),
        ", ".join(tensor.dtype.value for tensor in outputs),
        format_bytes(constant_bytes) if constant_bytes else "",
        format_count(macs) if macs else "",
        remarkable_options(operator),
    )


def shape(tensor: Tensor) -> str:
    """Return a shape as ``"1×28×28×1"``, a dynamic dimension as the 1 that it counts as."""
    return "×".join(str(size) for size in tensor.shape) or "scalar"


def short_name(name: str) -> str:
    """Return the layer that a tensor's name tells, its beginning cut off if it is long."""
    layer = layer_of(name)
    return layer if len(layer) <= _NAME_LENGTH else "…" + layer[1 - _NAME_LENGTH :]


def remarkable_options(operator: Operator) -> str:
    """Return an operator's options without those that have their usual value."""
    return " ".join(
        f"{_LABELS.get(key, key)}={value}"
        for key, value in operator.options.items()
        if value not in _USUAL and (key, value) not in _USUAL_OF
    )


def kind_of(tensor: Tensor) -> str:
    """Return whether a tensor is constant, a variable or computed."""
    if tensor.is_constant:
        return "constant"
    return "variable" if tensor.is_variable else "computed"


def quantization(tensor: Tensor) -> str:
    """Return a tensor's quantisation in one line."""
    if tensor.quantization is None:
        return ""
    if tensor.quantization.is_per_channel:
        count, axis = len(tensor.quantization.scales), tensor.quantization.axis
        return f"{count} scales along axis {axis}"
    return f"scale {tensor.scale:.8g}, zero point {tensor.zero_point}"
