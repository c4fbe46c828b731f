"""The geometry of windows that move over an image: sizes, strides and padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from edgekit.aot.ir import Argument
from edgekit.aot.lowering import Node, RefusalError
from edgekit.graph import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """How a window moves over an image, channels last: the C structure's fields."""

    batches: int
    input_height: int
    input_width: int
    channels: int
    output_height: int
    output_width: int
    height: int
    width: int
    stride_y: int
    stride_x: int
    dilation_y: int
    dilation_x: int
    padding_top: int
    padding_left: int

    def arguments(self) -> Mapping[str, Argument]:
        """Return the values of the C structure."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def is_inside(self) -> bool:
        """Whether every window lies within the image."""
        bottom = (self.output_height - 1) * self.stride_y + (self.height - 1) * self.dilation_y
        right = (self.output_width - 1) * self.stride_x + (self.width - 1) * self.dilation_x
        return (
            self.padding_top == 0
            and self.padding_left == 0
            and bottom < self.input_height
            and right < self.input_width
        )

    def is_unbroken(self, groups: int) -> bool:
        """Whether the values of every window lie one after another in the input."""
        if not self.is_inside:
            return False
        if self.height == 1 and self.width == 1:
            return True
        rows_meet = self.height == 1 or (self.dilation_y == 1 and self.width == self.input_width)
        return groups == 1 and rows_meet and (self.width == 1 or self.dilation_x == 1)


def window_of(
    node: Node,
    source: Tensor,
    target: Tensor,
    *,
    height: int,
    width: int,
    dilation_y: int = 1,
    dilation_x: int = 1,
) -> Window:
    """Return the window of an operator with a padding and strides.

    Raises:
        RefusalError: The output has not the size that follows from them.
    """
    if len(source.shape) != 4 or len(target.shape) != 4:
        raise RefusalError(f"its shapes are {list(source.shape)} and {list(target.shape)}, not 4-D")
    stride_y, stride_x = node.positive("stride_h"), node.positive("stride_w")
    padding = str(node.option("padding"))
    batches, input_height, input_width, channels = source.shape
    rows, top = _extent(padding, input_height, height, stride_y, dilation_y)
    columns, left = _extent(padding, input_width, width, stride_x, dilation_x)
    if target.shape[:3] != (batches, rows, columns) or rows < 1 or columns < 1:
        raise RefusalError(
            f"its output is {list(target.shape)} where {padding} padding makes it "
            f"[{batches}, {rows}, {columns}, …]"
        )
    return Window(
        batches=batches,
        input_height=input_height,
        input_width=input_width,
        channels=channels,
        output_height=rows,
        output_width=columns,
        height=height,
        width=width,
        stride_y=stride_y,
        stride_x=stride_x,
        dilation_y=dilation_y,
        dilation_x=dilation_x,
        padding_top=top,
        padding_left=left,
    )


def _extent(padding: str, size: int, taps: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return (output size, padding before) of one dimension.

    Source:
        tflite-micro 90b983c, kernels/padding.h, ComputePaddingHeightWidth.
    """
    reach = (taps - 1) * dilation + 1
    if padding == "SAME":
        count = -(-size // stride)
    elif padding == "VALID":
        count = (size + stride - reach) // stride
    else:
        raise RefusalError(f"its padding is {padding}")
    return count, max((count - 1) * stride + reach - size, 0) // 2
