"""Float twins of int8 models: the weights that the int8 numbers stand for, activations that nobody rounds.

An answer that does not depend on its batch can still be wrong; a twin says what it should have been.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


def float_twin(folder: Path, out: Path) -> Path:
    """A copy of a model folder whose products are of float matrices."""
    shutil.copytree(folder, out)
    listing = json.loads((out / "model.json").read_text(encoding="utf-8"))
    for name in listing["files"]:
        if name.endswith(".onnx"):
            _unrounded(folder / name, out / name)
        listing["files"][name] = hashlib.sha256((out / name).read_bytes()).hexdigest()
    (out / "model.json").write_text(json.dumps(listing), encoding="utf-8")
    return out


def _unrounded(source: Path, target: Path) -> None:
    """Every ``rows(x) * W_int8`` and the product with its rows' scales as one ``x @ W``."""
    model = onnx.load(str(source))
    graph: Any = model.graph
    known = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}
    products: dict[str, list[str]] = {}
    nodes = []
    for node in graph.node:
        if node.op_type == "MatMulIntegerToFloat":
            weight = f"{node.input[1]}/float"
            if weight not in known:
                known[weight] = known[node.input[1]].astype(np.float32) * known[node.input[3]]
                graph.initializer.append(numpy_helper.from_array(known[weight], weight))
            products[node.output[0]] = [_source(node.input[0], made), weight]
        elif node.op_type == "Mul" and node.input[0] in products:
            nodes.append(helper.make_node("MatMul", products[node.input[0]], list(node.output)))
        else:
            nodes.append(node)
    assert products, f"{source} has no product with a scale per row"
    del graph.node[:]
    graph.node.extend(nodes)  # what made the rows is without a use now; ONNX Runtime leaves it out
    onnx.save(model, str(target))


def _source(rows: str, made: dict[str, Any]) -> str:
    """What was quantised: the input of Flatten, QuantizeLinear, Reshape."""
    name = rows
    for _ in ("Reshape", "QuantizeLinear", "Flatten"):
        name = made[name].input[0]
    return name
