"""Whether this processor multiplies signed weights of 8 bits exactly.

Without VNNI two products are added in 16 bits, which large ones exceed. quipu's ONNX models are loaded with unsigned
weights there and the language model's have 6 bits; models of 8 bits in the tests of its graph, and CTranslate2's, can
only differ from floats.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest


@cache
def is_exact() -> bool:
    """The largest products that two rows of 8-bit numbers can have, added."""
    onnx = pytest.importorskip("onnx")
    import onnxruntime

    helper, types = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])], "product",
        [helper.make_tensor_value_info("x", types.UINT8, [1, 64])],
        [helper.make_tensor_value_info("y", types.INT32, [1, 16])],
        [helper.make_tensor("w", types.INT8, [64, 16], np.full((64, 16), 127, np.int8).tobytes(), raw=True)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (said,) = session.run(None, {"x": np.full((1, 64), 255, np.uint8)})
    return bool((said == 64 * 255 * 127).all())
