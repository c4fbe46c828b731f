"""What must hold between the shapes of operators that work by element, or move elements.

The rules are those by which TensorFlow Lite sizes an operator's output; a kernel of
either engine that is given other shapes reads or writes beyond its tensors.

Source:
    tensorflow/tflite-micro 90b983c, tensorflow/lite/micro/kernels and
    tensorflow/lite/kernels/internal/reference.
"""

from __future__ import annotations

import math

from edgekit.plan.site import Site, axis_of, of_rank, unlike


def same_count(site: Site) -> str | None:
    """As many elements out as in."""
    source, target = site.input(0), site.output
    return unlike(source, target) if source.element_count != target.element_count else None


def view(site: Site) -> str | None:
    """As many elements out as in, of the same type."""
    source, target = site.input(0), site.output
    if source.dtype is not target.dtype:
        return f"it turns {source.dtype.value} into {target.dtype.value}"
    return same_count(site)


def same_shape(site: Site) -> str | None:
    """The shape out as in, of at least one dimension."""
    source, target = site.input(0), site.output
    if source.shape != target.shape or not source.shape:
        return unlike(source, target)
    return None


def broadcast(site: Site) -> str | None:
    """The inputs broadcast to the output."""
    tensors, target = site.inputs, site.output
    rank = max((len(tensor.shape) for tensor in tensors), default=0)
    padded = [(1,) * (rank - len(tensor.shape)) + tensor.shape for tensor in tensors]
    for sizes in zip(*padded, strict=True):
        if len({size for size in sizes if size != 1}) > 1:
            return unlike(*tensors, target)
    together = tuple(next((s for s in sizes if s != 1), 1) for sizes in zip(*padded, strict=True))
    return unlike(*tensors, target) if target.shape != together else None


def add_n(site: Site) -> str | None:
    """ADD_N: all alike."""
    target = site.output
    if any(tensor.shape != target.shape for tensor in site.inputs):
        return unlike(*site.inputs, target)
    return None


def reduce(site: Site) -> str | None:
    """MEAN and the like: the axes go, or become 1."""
    source, target = site.input(0), site.output
    axes = site.integers(1)
    if axes is None:
        return None
    rank = len(source.shape)
    gone = math.prod(source.shape[axis] for axis in {axis_of(axis, rank) for axis in axes})
    if target.element_count * gone != source.element_count:
        return f"{unlike(source, target)} over the axes {list(axes)}"
    return None


def arg(site: Site) -> str | None:
    """ARG_MAX and ARG_MIN: one axis goes."""
    source, target = site.input(0), site.output
    axes = site.integers(1)
    if axes is None:
        return None
    if len(axes) != 1:
        return f"it has {len(axes)} axes instead of 1"
    gone = source.shape[axis_of(axes[0], len(source.shape))]
    return unlike(source, target) if target.element_count * gone != source.element_count else None


def pad(site: Site) -> str | None:
    """PAD, PADV2, MIRROR_PAD: pairs [rank, 2]."""
    source, target, pairs = site.input(0), site.output, site.input(1)
    rank = len(source.shape)
    if pairs.element_count != 2 * rank or len(target.shape) != rank:
        return f"it pads {rank} dimensions with {pairs.element_count // 2} pairs"
    amounts = site.integers(1)
    if amounts is None:
        return None
    sizes = tuple(map(sum, zip(source.shape, amounts[::2], amounts[1::2], strict=True)))
    if min(amounts, default=0) < 0 or target.shape != sizes:
        made = f"{list(source.shape)} do not make {list(target.shape)}"
        return f"its paddings {list(amounts)} of {made}"
    if site.operator.name == "MIRROR_PAD":
        # Mirrored with the edge a dimension grows by itself on each side at most.
        most = [size for size in source.shape for _ in range(2)]
        if any(amount > size for amount, size in zip(amounts, most, strict=True)):
            return f"its paddings {list(amounts)} mirror more than {list(source.shape)} has"
    return None


def concatenation(site: Site) -> str | None:
    """CONCATENATION along an axis."""
    tensors, target = site.inputs, site.output
    rank = len(target.shape)
    axis = axis_of(site.number("axis"), rank)
    for tensor in tensors:
        if tensor.dtype is not target.dtype:
            return f"it joins {tensor.dtype.value} to {target.dtype.value}"
        if len(tensor.shape) != rank:
            return unlike(*tensors, target)
        if tensor.shape[:axis] + tensor.shape[axis + 1 :] != (
            target.shape[:axis] + target.shape[axis + 1 :]
        ):
            return unlike(*tensors, target)
    total = sum(tensor.shape[axis] for tensor in tensors)
    return unlike(*tensors, target) if total != target.shape[axis] else None


def pack(site: Site) -> str | None:
    """PACK: a new axis."""
    tensors, target = site.inputs, site.output
    axis = axis_of(site.number("axis"), len(target.shape))
    expected = target.shape[:axis] + target.shape[axis + 1 :]
    if target.shape[axis] != len(tensors) or any(item.shape != expected for item in tensors):
        return unlike(*tensors, target)
    return None


def unpack(site: Site) -> str | None:
    """UNPACK: an axis goes."""
    source, targets = site.input(0), site.outputs
    axis = axis_of(site.number("axis"), len(source.shape))
    expected = source.shape[:axis] + source.shape[axis + 1 :]
    if source.shape[axis] != len(targets) or any(item.shape != expected for item in targets):
        return unlike(source, *targets)
    return None


def split(site: Site) -> str | None:
    """SPLIT and SPLIT_V along an axis."""
    axis_input, source_input = (0, 1) if site.operator.name == "SPLIT" else (2, 0)
    source, targets = site.input(source_input), site.outputs
    axes = site.integers(axis_input)
    if axes is None:
        return None
    if len(axes) != 1:
        return f"it has {len(axes)} axes instead of 1"
    axis = axis_of(axes[0], len(source.shape))
    rest = source.shape[:axis] + source.shape[axis + 1 :]
    for target in targets:
        same_rank = len(target.shape) == len(source.shape)
        if not same_rank or target.shape[:axis] + target.shape[axis + 1 :] != rest:
            return unlike(source, *targets)
    if sum(target.shape[axis] for target in targets) != source.shape[axis]:
        return unlike(source, *targets)
    return None


def transpose(site: Site) -> str | None:
    """TRANSPOSE by a constant order."""
    source, target = site.input(0), site.output
    order = site.integers(1)
    if order is None:
        return same_count(site)
    rank = len(source.shape)
    axes = [axis_of(axis, rank) for axis in order]
    if sorted(axes) != list(range(rank)):
        return f"its order {list(order)} is none of {rank} dimensions"
    if target.shape != tuple(source.shape[axis] for axis in axes):
        return unlike(source, target)
    return None


def cut(site: Site) -> str | None:
    """SLICE: begin and size."""
    source, target = site.input(0), site.output
    begin, sizes = site.integers(1), site.integers(2)
    if begin is None or sizes is None:
        return None
    rank = len(source.shape)
    if {len(begin), len(sizes), len(target.shape)} != {rank}:
        return f"it takes {len(begin)} dimensions of {rank}"
    for size, first, count, taken in zip(source.shape, begin, sizes, target.shape, strict=True):
        if first < 0 or first + taken > size or count not in (-1, taken):
            return f"it takes {list(sizes)} from {list(begin)} on of {list(source.shape)}"
    return None


def strided_slice(site: Site) -> str | None:
    """STRIDED_SLICE: as many begins as ends and steps."""
    source, target = site.input(0), site.output
    counts = {site.input(position).element_count for position in (1, 2, 3)}
    steps = site.integers(3)
    if len(counts) != 1 or 0 in (steps or ()):
        return f"it steps through {list(source.shape)} by {list(steps or ())}"
    if target.element_count > source.element_count:
        return unlike(source, target)
    return None


def gather(site: Site) -> str | None:
    """GATHER along an axis."""
    source, chosen, target = site.input(0), site.input(1), site.output
    axis = axis_of(site.number("axis"), len(source.shape))
    batch = site.number("batch_dims")
    batch += len(chosen.shape) if batch < 0 else 0
    if not 0 <= batch <= min(axis, len(chosen.shape)):
        return f"it has {batch} batch dimensions before the axis {axis}"
    expected = source.shape[:axis] + chosen.shape[batch:] + source.shape[axis + 1 :]
    return unlike(source, chosen, target) if target.shape != expected else None


def blocks(site: Site) -> str | None:
    """SPACE_TO_DEPTH and DEPTH_TO_SPACE."""
    source, target = site.input(0), site.output
    if wrong := of_rank(4, source, target):
        return wrong
    block = site.number("block_size")
    small, large = source.shape, target.shape
    if site.operator.name == "SPACE_TO_DEPTH":
        small, large = large, small
    if block < 1 or (
        (small[0], small[1] * block, small[2] * block, small[3])
        != (large[0], large[1], large[2], large[3] * block * block)
    ):
        return f"{unlike(source, target)} with blocks of {block}"
    return None


def resize(site: Site) -> str | None:
    """RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR."""
    source, target = site.input(0), site.output
    if wrong := of_rank(4, source, target):
        return wrong
    if (source.shape[0], source.shape[3]) != (target.shape[0], target.shape[3]):
        return unlike(source, target)
    return None


def squeeze(site: Site) -> str | None:
    """SQUEEZE: the named dimensions of 1 go, or all of them."""
    source, target = site.input(0), site.output
    named = site.operator.options.get("squeeze_dims") or ()
    for axis in named if isinstance(named, tuple) else ():
        if source.shape[axis_of(int(axis), len(source.shape))] != 1:
            return f"it drops the axis {axis} of {list(source.shape)}"
    kept = [[size for size in tensor.shape if size != 1] for tensor in (source, target)]
    return unlike(source, target) if kept[0] != kept[1] else view(site)


def expand_dims(site: Site) -> str | None:
    """EXPAND_DIMS: a dimension of 1 at a constant axis."""
    source, target, place = site.input(0), site.output, site.integers(1)
    if place is None or len(place) != 1:
        return "its axis is not one constant number"
    axis = axis_of(place[0], len(source.shape) + 1)
    if target.shape != (*source.shape[:axis], 1, *source.shape[axis:]):
        return f"{unlike(source, target)} with the axis {place[0]}"
    return view(site)
