"""First pass: a graph's operators become calls of kernels with every number computed.

Views cost nothing, operators on constants are folded where a table does them, and what
the engine lacks is reported, all of it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgekit.aot.ir import BufferRef, Call, ConstantRef, Port, Program
from edgekit.aot.lowering import FloatRefusalError, Lowering, Node, RefusalError
from edgekit.aot.rules_elementwise import add, dequantize, logistic_table, quantize, relu, relu6
from edgekit.aot.rules_matrix import conv_2d, depthwise_conv_2d, fully_connected
from edgekit.aot.rules_shape import average_pool_2d, max_pool_2d, mean, pad, softmax, view
from edgekit.graph import DType, Graph, Operator, Subgraph, Tensor, layer_of
from edgekit.plan.op_support import number_problems
from edgekit.results import Problem

RULES: Mapping[str, Callable[[Node, Lowering], None]] = {
    "ADD": add,
    "AVERAGE_POOL_2D": average_pool_2d,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "DEQUANTIZE": dequantize,
    "EXPAND_DIMS": view,
    "FULLY_CONNECTED": fully_connected,
    "LOGISTIC": logistic_table,
    "MAX_POOL_2D": max_pool_2d,
    "MEAN": mean,
    "PAD": pad,
    "PADV2": pad,
    "QUANTIZE": quantize,
    "RELU": relu,
    "RELU6": relu6,
    "RESHAPE": view,
    "SOFTMAX": softmax,
    "SQUEEZE": view,
}
"""What the engine has, by the schema's operator name."""

_PORT_TYPES = frozenset({DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.FLOAT32})
_HINT = (
    "Replace the operator and convert the model again, or use the tflm engine on a target that "
    "has it ('edgekit check' says whether the model runs there)."
)
_FLOAT_HINT = (
    "Replace what the converter leaves in floating point and convert it again, or use the "
    "tflm engine."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lowered:
    """A program, or why there is none.

    ``refused`` has the reason (a clause) for each operator that the engine lacks, by index.
    """

    program: Program | None
    problems: tuple[Problem, ...] = ()
    refused: Mapping[int, str] = field(default_factory=dict)


def lower(graph: Graph) -> Lowered:
    """Lower a graph's main subgraph; every operator that can't be is a problem."""
    subgraph = graph.main
    lowering = Lowering(subgraph)
    problems: list[Problem] = [*_port_problems(subgraph)]
    floats: list[Operator] = []
    refused: dict[int, str] = {}
    for tensor in subgraph.input_tensors:
        lowering.buffer(tensor)
    for operator in subgraph.operators:
        try:
            _lower_operator(operator, subgraph, lowering)
        except FloatRefusalError:
            floats.append(operator)
            refused[operator.index] = "it computes in floating point"
        except RefusalError as refusal:
            problems.append(_problem(operator, subgraph, str(refusal)))
            refused[operator.index] = str(refusal)
        else:
            continue
        for index in operator.outputs:  # so that what reads them is checked too
            lowering.buffer(subgraph.tensors[index])
    if floats:
        problems[:0] = number_problems(graph) or [_float_problem(floats, subgraph)]
    if problems:
        return Lowered(program=None, problems=tuple(problems), refused=refused)
    try:
        return Lowered(program=_finish(subgraph, lowering))
    except RefusalError as refusal:
        return Lowered(
            program=None, problems=(Problem(message=f"The outputs: {refusal}.", hint=_HINT),)
        )


def _lower_operator(operator: Operator, subgraph: Subgraph, lowering: Lowering) -> None:
    rule = RULES.get(operator.name)
    node = Node(operator, subgraph)
    touched = [subgraph.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
    for tensor in touched:
        if tensor.is_variable:
            raise RefusalError(f"it keeps {tensor.name!r} from one inference to the next")
        if 0 in tensor.shape:
            raise RefusalError(f"{tensor.name!r} is empty: {list(tensor.shape)}")
    if rule is None:
        computed = [tensor for tensor in touched if tensor.data is None]
        if computed and all(tensor.dtype.is_float for tensor in computed):
            raise FloatRefusalError
        raise RefusalError("the aot engine does not have this operator")
    rule(node, lowering)


def _layer(operator: Operator, subgraph: Subgraph) -> str:
    if not operator.outputs:
        return "no output"
    return layer_of(subgraph.tensors[operator.outputs[0]].name)


def _operator_name(operator: Operator) -> str:
    return f"{operator.name} {operator.custom_name}" if operator.custom_name else operator.name


def _problem(operator: Operator, subgraph: Subgraph, reason: str) -> Problem:
    name = _operator_name(operator)
    layer = _layer(operator, subgraph)
    return Problem(message=f"Operator {operator.index} {name} ({layer}): {reason}.", hint=_HINT)


def _float_problem(floats: list[Operator], subgraph: Subgraph) -> Problem:
    first = floats[0]
    count = f"{len(floats)} of {len(subgraph.operators)} operators compute"
    if len(floats) == 1:
        count = f"1 of {len(subgraph.operators)} operators computes"
    return Problem(
        message=(
            f"{count} in floating point, the first is operator {first.index} "
            f"{_operator_name(first)} ({_layer(first, subgraph)}); the aot engine compiles "
            f"int8 models."
        ),
        hint=_FLOAT_HINT,
    )


def _port_problems(subgraph: Subgraph) -> list[Problem]:
    problems = []
    for kind, tensors in (
        ("Input", subgraph.input_tensors),
        ("Output", subgraph.output_tensors),
    ):
        for number, tensor in enumerate(tensors):
            if tensor.dtype not in _PORT_TYPES or tensor.is_variable or 0 in tensor.shape:
                problems.append(
                    Problem(
                        message=(
                            f"{kind} {number} ({tensor.name}) is {tensor.dtype.value} "
                            f"{list(tensor.shape)}, which the aot engine can't hand over."
                        ),
                        hint=_HINT,
                    )
                )
    return problems


def _finish(subgraph: Subgraph, lowering: Lowering) -> Program:
    outputs = []
    for tensor in subgraph.output_tensors:
        place = lowering.place(tensor)
        if isinstance(place, ConstantRef):
            place = _copy_of(tensor, place, lowering)
        outputs.append(_port(tensor, place))
    inputs = []
    for tensor in subgraph.input_tensors:
        place = lowering.place(tensor)
        assert isinstance(place, BufferRef)  # noqa: S101 (inputs were given buffers first)
        inputs.append(_port(tensor, place))
    return Program(
        buffers=tuple(lowering.buffers),
        constants=tuple(lowering.constants),
        calls=tuple(lowering.calls),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
    )


def _copy_of(tensor: Tensor, source: ConstantRef, lowering: Lowering) -> BufferRef:
    """Copy an output that is a constant into the arena, where outputs are read."""
    place = lowering.new_buffer(tensor)
    lowering.calls.append(
        Call(
            operator=-1,
            operator_name="COPY",
            layer=tensor.name,
            kernel="copy",
            arguments={"input": source, "output": place, "count": tensor.size_bytes},
            reads=(),
            writes=(place.index,),
        )
    )
    return place


def _port(tensor: Tensor, place: BufferRef) -> Port:
    is_real = tensor.dtype.is_float  # what a file says of its scale has no meaning
    return Port(
        name=tensor.name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        size_bytes=tensor.size_bytes,
        scale=0.0 if is_real else tensor.scale,
        zero_point=0 if is_real else tensor.zero_point,
        buffer=place.index,
    )
