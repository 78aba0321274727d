"""What onnxruntime computes from the file is what the network predicts: every module of the library, found by discovery."""

import numpy as np
import pytest
from helpers import DictLinear, message, prepared

from modnet import (
    BatchNorm,
    Concat,
    Conv2D,
    Dropout,
    Embedding,
    Flatten,
    Linear,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    Tanh,
    Tied,
    predict,
)
from modnet.discovery import all_modules

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
from modnet.exchange import to_onnx  # noqa: E402


def run(net, x, path):
    to_onnx(net, path, x.shape[1:])
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    x = x.astype(np.int64 if "int64" in given.type else np.float32)
    return session.run(None, {given.name: x})[0]


EXAMPLES = [pytest.param(k, i, id=f"{k.__name__}-{i}") for k in all_modules() for i in range(len(k.examples()))]


@pytest.mark.parametrize(("kind", "index"), EXAMPLES)
def test_every_module(kind, index, tmp_path):
    module, x = prepared(kind, index, np.random.default_rng(index))
    want = predict(module, x.astype(np.float32) if x.dtype.kind == "f" else x)
    np.testing.assert_allclose(run(module, x, tmp_path / "m.onnx"), want, rtol=1e-5, atol=1e-5)


def test_a_whole_network_for_any_number_of_examples(tmp_path):
    encoder = Linear(8, 5, rng=3)
    net = Sequential(
        Conv2D(3, 2, 4, padding=1, rng=0), BatchNorm(4), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.5), Linear(36, 8, rng=1),
        Residual(Tanh(), Linear(8, 8, rng=2)), Concat(Sequential(encoder, Tied(encoder)), Tanh()), Linear(16, 3, rng=4),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for _ in range(3):
        net.forward(rng.normal(size=(5, 6, 7, 2)))
    net.astype("float32")
    for n in (1, 9):
        x = rng.normal(size=(n, 6, 7, 2)).astype(np.float32)
        np.testing.assert_allclose(run(net, x, tmp_path / "n.onnx"), predict(net, x), rtol=1e-5, atol=1e-5)


def test_words_go_in_as_whole_numbers(tmp_path):
    net = Sequential(Embedding(6, 3, rng=0), Flatten(), Linear(12, 2, rng=1))
    words = np.random.default_rng(0).integers(0, 6, (5, 4))
    np.testing.assert_allclose(run(net, words, tmp_path / "w.onnx"), predict(net, words), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_translated_is_refused(tmp_path):
    path = tmp_path / "x.onnx"
    text = message(TypeError, to_onnx, Sequential(Linear(2, 2), DictLinear(2, 2, 0)), path, 2)
    assert text == "to_onnx: Sequential[1] DictLinear is a class of your own, expected the library's"
    assert message(TypeError, to_onnx, DictLinear(2, 2, 0), path, 2).startswith("to_onnx: net is of class DictLinear")
    net = Linear(2, 1)
    net.weight[:] = 1e300
    assert message(ValueError, to_onnx, net, path, 2) == "to_onnx: 1e+300 is too large for float32"
    assert message(ValueError, to_onnx, Linear(2, 1), path, 3).startswith("Linear(2 -> 1): input has shape (batch, 3)")
    assert not path.exists()
