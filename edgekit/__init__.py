"""EdgeKit: from a trained Keras model to a measured latency on a small device.

Importing this package is quick: each public name is loaded when it is first used, and
none of them loads TensorFlow into this process.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.engines import plan_model
    from edgekit.errors import EdgeKitError
    from edgekit.graph import Graph
    from edgekit.model.convert import convert
    from edgekit.model.evaluate import evaluate
    from edgekit.model.reader import read_graph, read_model
    from edgekit.model.reference import run_reference
    from edgekit.model.samples import Samples, load_samples, make_samples
    from edgekit.model.variants import Variant
    from edgekit.pipeline import Conversion, deploy
    from edgekit.results import Plan, Run
    from edgekit.targets import Target, load_target, read_target, target_names

__version__ = "0.1.0"

_HOMES: Mapping[str, str] = {
    "Conversion": "edgekit.pipeline",
    "EdgeKitError": "edgekit.errors",
    "Graph": "edgekit.graph",
    "Plan": "edgekit.results",
    "Run": "edgekit.results",
    "Samples": "edgekit.model.samples",
    "Target": "edgekit.targets",
    "Variant": "edgekit.model.variants",
    "convert": "edgekit.model.convert",
    "deploy": "edgekit.pipeline",
    "evaluate": "edgekit.model.evaluate",
    "load_samples": "edgekit.model.samples",
    "load_target": "edgekit.targets",
    "make_samples": "edgekit.model.samples",
    "plan_model": "edgekit.engines",
    "read_graph": "edgekit.model.reader",
    "read_model": "edgekit.model.reader",
    "read_target": "edgekit.targets",
    "run_reference": "edgekit.model.reference",
    "target_names": "edgekit.targets",
}
"""Each public name and the module that it lives in."""

__all__ = [
    "Conversion",
    "EdgeKitError",
    "Graph",
    "Plan",
    "Run",
    "Samples",
    "Target",
    "Variant",
    "__version__",
    "convert",
    "deploy",
    "evaluate",
    "load_samples",
    "load_target",
    "make_samples",
    "plan_model",
    "read_graph",
    "read_model",
    "read_target",
    "run_reference",
    "target_names",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgekit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
