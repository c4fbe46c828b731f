"""Write .tflite files in code, through the official schema's own object API.

    model = ModelWriter()
    x = model.input((1, 8, 8, 3), scale=0.5, zero_point=-3)
    weights = model.constant(array_int8, scale=[0.1, 0.2], axis=0)
    bias = model.constant(array_int32, scale=[0.05, 0.1])
    y = model.tensor((1, 8, 8, 2), scale=0.25)
    model.op("CONV_2D", [x, weights, bias], y, version=3, padding="SAME", stride_w=1, stride_h=1)
    model.output(y)
    data = model.bytes()

Options have the schema's field names; enumerations are given by name. Nothing is
checked but the names, so that senseless models can be written too.
"""

from __future__ import annotations

from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as fb

from edgekit.graph import ABSENT, DType
from edgekit.model import schema
from edgekit.model.schema_options import BUILTIN_OPTIONS
from edgekit.model.schema_options2 import BUILTIN_OPTIONS_2

DTypeLike = DType | str | type | np.dtype

_UNION_CODES = {
    row.table: (number, code)
    for number, rows in ((1, BUILTIN_OPTIONS), (2, BUILTIN_OPTIONS_2))
    for code, row in enumerate(rows, start=1)
}


class _Builder(flatbuffers.Builder):
    """Aligns vectors of bytes to 16, as the schema asks for buffers."""

    def StartVector(self, elemSize, numElems, alignment):  # noqa: N802, N803
        return super().StartVector(elemSize, numElems, 16 if elemSize == 1 else alignment)


def as_dtype(dtype: DTypeLike) -> DType:
    """Return the type that a schema name (``"int8"``) or a NumPy type stands for."""
    if isinstance(dtype, DType):
        return dtype
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    return DType[name.upper()]


def finish(model: fb.ModelT) -> bytes:
    """Return the file of a model in the schema's object API."""
    builder = _Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=schema.FILE_IDENTIFIER)
    return bytes(builder.Output())


def load(data: bytes) -> fb.ModelT:
    """Return a file in the schema's object API, to be edited and written by :func:`finish`."""
    return fb.ModelT.InitFromObj(fb.Model.GetRootAs(data, 0))


class ModelWriter:
    """Collects tensors and operators; :meth:`bytes` writes the file."""

    def __init__(self, description: str = "") -> None:
        self.model = fb.ModelT()
        self.model.version = schema.SCHEMA_VERSION
        self.model.description = description
        self.model.operatorCodes = []
        self.model.subgraphs = []
        self.model.buffers = [fb.BufferT()]
        self.model.metadata = []
        self._codes: dict[tuple[str, int, str], int] = {}
        self.subgraph("main")

    def subgraph(self, name: str) -> int:
        """Start another subgraph, which what follows goes into; return its index."""
        self._graph = fb.SubGraphT()
        self._graph.name = name
        self._graph.tensors = []
        self._graph.inputs = []
        self._graph.outputs = []
        self._graph.operators = []
        self.model.subgraphs.append(self._graph)
        return len(self.model.subgraphs) - 1

    def tensor(
        self,
        shape: Sequence[int],
        dtype: DTypeLike = DType.INT8,
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        axis: int = 0,
        name: str = "",
        is_variable: bool = False,
        shape_signature: Sequence[int] | None = None,
    ) -> int:
        """Add a tensor that is computed; return its index.

        Several scales make it quantised per channel along ``axis``; a single zero
        point is then written once for each.
        """
        tensor = fb.TensorT()
        tensor.shape = [int(size) for size in shape]
        tensor.type = schema.TENSOR_TYPES.index(as_dtype(dtype))
        tensor.name = name or f"tensor_{len(self._graph.tensors)}"
        tensor.buffer = 0
        tensor.isVariable = is_variable
        if shape_signature is not None:
            tensor.shapeSignature = list(shape_signature)
        if scale is not None:
            scales = [float(item) for item in np.atleast_1d(scale)]
            points = [int(item) for item in np.atleast_1d(zero_point)]
            tensor.quantization = fb.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = points * len(scales) if len(points) == 1 else points
            tensor.quantization.quantizedDimension = axis
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def input(
        self,
        shape: Sequence[int],
        dtype: DTypeLike = DType.INT8,
        *,
        scale: float | None = None,
        zero_point: int = 0,
        name: str = "",
        shape_signature: Sequence[int] | None = None,
    ) -> int:
        """Add an input of the subgraph; return its tensor's index."""
        index = self.tensor(
            shape,
            dtype,
            scale=scale,
            zero_point=zero_point,
            name=name,
            shape_signature=shape_signature,
        )
        self._graph.inputs.append(index)
        return index

    def constant(
        self,
        values: np.ndarray,
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        axis: int = 0,
        name: str = "",
    ) -> int:
        """Add a constant of an array's shape, type and values; return its tensor's index."""
        values = np.asarray(values)
        index = self.tensor(
            values.shape, values.dtype, scale=scale, zero_point=zero_point, axis=axis, name=name
        )
        self._graph.tensors[index].buffer = self.buffer(values.tobytes())
        return index

    def variable(
        self,
        shape: Sequence[int],
        dtype: DTypeLike = DType.INT8,
        *,
        scale: float | None = None,
        zero_point: int = 0,
        name: str = "",
    ) -> int:
        """Add a variable: a state that lives on between inferences; return its index."""
        return self.tensor(
            shape, dtype, scale=scale, zero_point=zero_point, name=name, is_variable=True
        )

    def buffer(self, data: bytes) -> int:
        """Add a buffer; return its index."""
        buffer = fb.BufferT()
        buffer.data = np.frombuffer(data, dtype=np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def op(
        self,
        name: str,
        inputs: int | Sequence[int | None],
        outputs: int | Sequence[int],
        *,
        version: int = 1,
        intermediates: Sequence[int] = (),
        custom_name: str = "",
        **options: object,
    ) -> int:
        """Add an operator after those before it; return its first output's index.

        ``None`` among the inputs is an optional input that is not given. Options that
        are not given have the schema's defaults.
        """
        listed = [inputs] if isinstance(inputs, int) else list(inputs)
        made = [outputs] if isinstance(outputs, int) else list(outputs)
        operator = fb.OperatorT()
        operator.opcodeIndex = self._code(name, version, custom_name)
        operator.inputs = [ABSENT if index is None else index for index in listed]
        operator.outputs = made
        if intermediates:
            operator.intermediates = list(intermediates)
        self._set_options(operator, name, options)
        self._graph.operators.append(operator)
        return made[0] if made else ABSENT

    def output(self, *tensors: int) -> None:
        """Declare tensors as the subgraph's outputs, in this order."""
        self._graph.outputs.extend(tensors)

    def metadata(self, name: str, data: bytes) -> None:
        """Add an entry of metadata."""
        entry = fb.MetadataT()
        entry.name = name
        entry.buffer = self.buffer(data)
        self.model.metadata.append(entry)

    def bytes(self) -> bytes:
        """Return the file."""
        return finish(self.model)

    def _code(self, name: str, version: int, custom_name: str) -> int:
        key = (name, version, custom_name)
        if key not in self._codes:
            number = schema.OPERATORS.index(name)
            code = fb.OperatorCodeT()
            code.builtinCode = number
            code.deprecatedBuiltinCode = min(number, 127)
            code.version = version
            code.customCode = custom_name or None
            self._codes[key] = len(self.model.operatorCodes)
            self.model.operatorCodes.append(code)
        return self._codes[key]

    def _set_options(self, operator: fb.OperatorT, name: str, options: dict[str, object]) -> None:
        table = schema.OPTIONS_OF.get(name)
        fields = {item.name: item for item in schema.options_fields(table)} if table else {}
        unknown = options.keys() - fields.keys()
        if unknown:
            raise TypeError(f"{name} has no option {sorted(unknown)}; it has {sorted(fields)}")
        if table is None:
            return
        values = getattr(fb, table + "T")()
        for key, value in options.items():
            enumeration = fields[key].enumeration
            if enumeration and isinstance(value, str):
                value = schema.ENUMERATIONS[enumeration].members.index(value)
            attribute = camel_case(key)
            if not hasattr(values, attribute):
                raise TypeError(f"the schema's {table} has no field {attribute}")
            setattr(values, attribute, value)
        number, code = _UNION_CODES[table]
        if number == 1:
            operator.builtinOptionsType, operator.builtinOptions = code, values
        else:
            operator.builtinOptions2Type, operator.builtinOptions2 = code, values


def camel_case(name: str) -> str:
    """Return a schema field's name as the object API writes it: ``strideW``."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
