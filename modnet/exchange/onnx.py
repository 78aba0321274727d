"""ONNX: a network in evaluation mode, as a file that onnxruntime and other programs run without modnet.

The rows of the network's wiring are walked once, and each becomes a few nodes. Arrays stay channels last at the network's input
and output; around convolutions and pooling, which ONNX has channels first, nodes turn them. Everything is float32.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from modnet import modules as m
from modnet.engine import run
from modnet.engine.program import is_ours, is_wired
from modnet.engine.storage import has_storage
from modnet.inputs import example_shape

_OPSET, _IR = 18, 8


def to_onnx(net: Any, path: Any, input_shape: Any) -> None:
    """Write a network to an ONNX file. It needs onnx: pip install modnet[exchange].

    Parameters
    ----------
    net : a network of the library's modules. Dropout and noise are left out, BatchNorm uses its running statistics.
    path : of the file.
    input_shape : of one example, without the batch, as the network takes it: channels last.

    Raises
    ------
    TypeError : if a module of it is a class of your own. ShapeError : if the network does not take the shape.
    ValueError : if a number is too large for float32.

    The graph has one input, "input", (batch, ...), float32, or int64 if an Embedding reads it, and one output, "output".
    """
    try:
        import onnx
    except ImportError:
        raise ImportError("modnet.exchange: onnx is missing: pip install modnet[exchange]") from None
    if not (has_storage(net) and (is_wired(net) or is_ours(net))):
        raise TypeError(f"to_onnx: net is of class {type(net).__name__}, expected a network of the library's modules")
    graph = _Graph(onnx, run.program_of(net, example_shape(input_shape, "to_onnx"), net.dtype))
    onnx.save_model(graph.model(), os.fspath(path))


class _Graph:
    """The nodes of a program."""

    def __init__(self, onnx: Any, program: Any) -> None:
        self.onnx, self.program = onnx, program
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        #: By slot of the workspace: the name of its value in the graph, and the shape it has there.
        self.values: dict[int, tuple[str, tuple[int, ...]]] = {0: ("input", program.input.shape)}
        self.columns: dict[int, list[str]] = {}

    def node(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node and return the name of its output. Inputs are names, or arrays and numbers, which become constants."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        out = f"v{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, names, [out], **attributes))
        return out

    def constant(self, value: Any) -> str:
        """The name of a constant: whole numbers stay int64, others become float32."""
        array = np.asarray(value)
        if array.dtype.kind != "i":
            with np.errstate(over="ignore"):
                found = array.astype(np.float32)
            if (np.isinf(found) & np.isfinite(array)).any():
                raise ValueError(f"to_onnx: {np.abs(array).max():g} is too large for float32")
            array = found
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def read(self, value: Any) -> str:
        """A value in the shape in which a row reads it."""
        name, shape = self.values[value.slot]
        return name if shape == value.shape else self.node("Reshape", name, np.array([-1, *value.shape], np.int64))

    def model(self) -> Any:
        """All of it."""
        program, helper, types = self.program, self.onnx.helper, self.onnx.TensorProto
        reads_words = False
        for row in program.rows:
            if row.joint == "same":
                continue
            x, out = self.read(row.input), row.output
            if row.joint == "copy":
                made = self.node("Identity", x)
            elif row.joint == "add":
                made = self.node("Add", self.read(out), x)
            elif row.joint == "columns":
                branches = self.columns.setdefault(out.slot, [])
                branches.append(x)
                made = self.node("Concat", *branches, axis=-1)
            else:
                module = row.module
                translate = _translation(type(module))
                if translate is None:
                    place = f"{program.root}{row.place}"
                    raise TypeError(f"to_onnx: {place} {type(module).__name__} is a class of your own, expected the library's")
                reads_words = reads_words or (isinstance(module, m.Embedding) and row.input.slot == 0)
                made = translate(self, module, x, row.input.shape)
            self.values[out.slot] = made, out.shape
        result = self.read(program.output)
        self.nodes.append(helper.make_node("Identity", [result], ["output"]))
        element = types.INT64 if reads_words else types.FLOAT
        graph = helper.make_graph(
            self.nodes, "modnet",
            [helper.make_tensor_value_info("input", element, ["batch", *program.input.shape])],
            [helper.make_tensor_value_info("output", types.FLOAT, ["batch", *program.output.shape])],
            self.constants,
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="modnet")
        model.ir_version = _IR
        self.onnx.checker.check_model(model, full_check=True)
        return model

    def channels_first(self, x: str, axes: int, operation: Callable[[str], str]) -> str:
        """An operation on (batch, channels, ...) of x (batch, ..., channels)."""
        turned = operation(self.node("Transpose", x, perm=[0, axes + 1, *range(1, axes + 1)]))
        return self.node("Transpose", turned, perm=[0, *range(2, axes + 2), 1])


Translation = Callable[[_Graph, Any, str, tuple[int, ...]], str]


def _translation(kind: type) -> Translation | None:
    return next((_TRANSLATIONS[base] for base in kind.__mro__ if base in _TRANSLATIONS), None)


def _linear(g: _Graph, layer: Any, x: str, shape: Any) -> str:
    out = g.node("MatMul", x, layer.weight)
    return out if layer.bias is None else g.node("Add", out, layer.bias)


def _window(layer: Any) -> dict[str, Any]:
    sizes, strides, padding = (list(part[: layer.axes]) for part in layer.window)
    return {"kernel_shape": sizes, "strides": strides, "pads": [*padding, *padding]}


def _convolution(kind: str) -> Translation:
    def translate(g: _Graph, layer: Any, x: str, shape: Any) -> str:
        # (k..., in, out) is (out, in, k...) in ONNX; of a transposed one (k..., out, in) is (in, out, k...).
        weight = layer.weight.transpose(layer.axes + 1, layer.axes, *range(layer.axes))
        bias = [] if layer.bias is None else [layer.bias]
        return g.channels_first(x, layer.axes, lambda z: g.node(kind, z, weight, *bias, **_window(layer)))

    return translate


def _pool(kind: str, **options: Any) -> Translation:
    def translate(g: _Graph, layer: Any, x: str, shape: Any) -> str:
        return g.channels_first(x, layer.axes, lambda z: g.node(kind, z, **_window(layer), **options))

    return translate


def _over_pixels(kind: str) -> Translation:
    def translate(g: _Graph, layer: Any, x: str, shape: Any) -> str:
        axes = np.arange(1, len(shape), dtype=np.int64)
        return g.node(kind, x, axes, keepdims=0) if len(axes) else x

    return translate


def _batch_norm(g: _Graph, layer: Any, x: str, shape: Any) -> str:
    scale = layer.weight.astype(np.float64) / np.sqrt(layer.running_var.astype(np.float64) + layer.eps)
    return g.node("Add", g.node("Mul", x, scale), layer.bias - layer.running_mean * scale)


def _layer_norm(g: _Graph, layer: Any, x: str, shape: Any) -> str:
    return g.node("LayerNormalization", x, layer.weight, layer.bias, axis=-1, epsilon=layer.eps)


def _embedding(g: _Graph, layer: Any, x: str, shape: Any) -> str:
    return g.node("Gather", layer.weight, x)


def _gelu(g: _Graph, layer: Any, x: str, shape: Any) -> str:
    share = g.node("Add", g.node("Erf", g.node("Mul", x, 1 / math.sqrt(2))), 1.0)
    return g.node("Mul", g.node("Mul", x, share), 0.5)


def _softplus(g: _Graph, layer: Any, x: str, shape: Any) -> str:
    return g.node("Div", g.node("Softplus", g.node("Mul", x, layer.beta)), layer.beta)


def _threshold(g: _Graph, layer: Any, x: str, shape: Any) -> str:
    return g.node("Where", g.node("LessOrEqual", x, layer.threshold), layer.value, x)


def _radial(g: _Graph, layer: Any, x: str, shape: Any) -> str:
    return g.node("Exp", g.node("Neg", g.node("Mul", x, x)))


def _transpose(g: _Graph, layer: Any, x: str, shape: Any) -> str:
    order = layer.axes or range(len(shape) - 1, -1, -1)
    return g.node("Transpose", x, perm=[0, *(axis + 1 for axis in order)])


def _plain(kind: str, **attributes: str) -> Translation:
    """A node with attributes that are settings of the module."""
    return lambda g, layer, x, shape: g.node(kind, x, **{name: float(getattr(layer, own)) for name, own in attributes.items()})


_TRANSLATIONS: dict[type, Translation] = {
    m.Linear: _linear, m.Tied: _linear, m.Embedding: _embedding, m.BatchNorm: _batch_norm, m.LayerNorm: _layer_norm,
    m.Conv1D: _convolution("Conv"), m.Conv2D: _convolution("Conv"),
    m.ConvTranspose1D: _convolution("ConvTranspose"), m.ConvTranspose2D: _convolution("ConvTranspose"),
    m.MaxPool1D: _pool("MaxPool"), m.MaxPool2D: _pool("MaxPool"),
    m.AvgPool1D: _pool("AveragePool", count_include_pad=1), m.AvgPool2D: _pool("AveragePool", count_include_pad=1),
    m.GlobalMaxPool: _over_pixels("ReduceMax"), m.GlobalAvgPool: _over_pixels("ReduceMean"),
    m.Transpose: _transpose, m.Identity: _plain("Identity"), m.Dropout: _plain("Identity"), m.GaussianNoise: _plain("Identity"),
    m.Tanh: _plain("Tanh"), m.Sigmoid: _plain("Sigmoid"), m.ReLU: _plain("Relu"),
    m.LeakyReLU: _plain("LeakyRelu", alpha="slope"),
    m.ELU: _plain("Elu", alpha="alpha"), m.SELU: _plain("Selu", alpha="alpha", gamma="scale"), m.Softsign: _plain("Softsign"),
    m.Mish: _plain("Mish"), m.GELU: _gelu, m.Softplus: _softplus, m.Threshold: _threshold, m.Radial: _radial,
    m.SiLU: lambda g, layer, x, shape: g.node("Mul", x, g.node("Sigmoid", x)),
    m.Ramp: lambda g, layer, x, shape: g.node("Clip", x, layer.low, layer.high),
    m.PReLU: lambda g, layer, x, shape: g.node("PRelu", x, layer.weight),
    m.Softmax: lambda g, layer, x, shape: g.node("Softmax", x, axis=-1),
    m.LogSoftmax: lambda g, layer, x, shape: g.node("LogSoftmax", x, axis=-1),
}  # fmt: skip
