"""From a shipped int8 encoder back to a Hugging Face folder, so that it can be tuned and compared layer by layer.

Weights are what the int8 numbers stand for; training may go on from them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModel

from quipu.errors import FormatError
from quipu.models.folders import resolve
from quipu.models.word_table import WordTable
from quipu.training.quip.model import QuipModel


def unpack(name_or_path: str | Path, out: Path) -> Path:
    """Write the encoder behind a name or in a folder to ``out``; raises FormatError where it is of an older export."""
    folder = resolve(name_or_path, "encoder")
    config = folder.settings.get("config")
    if not isinstance(config, dict):
        raise FormatError(f"{folder.path} does not say how it is built; export it again")
    settings = AutoConfig.for_model(**config)
    extra = {"add_pooling_layer": False} if config["model_type"] in ("bert", "roberta", "xlm-roberta") else {}
    model = QuipModel(AutoModel.from_config(settings, **extra), int(settings.hidden_size), folder.settings["pooling"])
    found = weights_of(folder.path / "model.onnx")
    if "words_from" in folder.settings:
        table = WordTable.of(folder.path, folder.settings)
        found["encoder.embeddings.word_embeddings.weight"] = table.rows.astype(np.float32) * table.scales
    heads = bool(folder.settings["heads"])
    wanted = {name for name in model.state_dict() if heads or not name.startswith(("start_head.", "end_head."))}
    missing = sorted(wanted - set(found))
    if missing:
        raise FormatError(f"{folder.path}: {len(missing)} weights are not in the graph, the first is {missing[0]}")
    model.load_state_dict({name: torch.from_numpy(found[name].copy()) for name in wanted}, strict=False)
    model.save_pretrained(out, heads=heads)
    shutil.copy(folder.tokenizer, out / "tokenizer.json")
    return out


def weights_of(path: Path) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Parameters by their names in ``QuipModel``, int8 ones as floats."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    # A matrix has lost its name in the export; the node that multiplies by it lies under the name of its module.
    users = {name: node.name for node in graph.node if node.op_type.startswith("MatMul") for name in node.input}
    found = {}
    for name, values in arrays.items():
        if name.endswith("_quantized"):
            stem = name.removesuffix("_quantized")
            zero = arrays.get(f"{stem}_zero_point", np.int8(0)).astype(np.float32)
            made = (values.astype(np.float32) - zero) * arrays[f"{stem}_scale"]
            if name in users:
                stem, made = ".".join(users[name].strip("/").split("/")[:-1]) + ".weight", made.T
            found[stem.removeprefix("model.")] = made
        elif values.dtype == np.float32 and "." in name:
            found[name.removeprefix("model.")] = values
    return found
