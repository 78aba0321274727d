"""check FILE on pairs of functions without a cache, (dZ, A_prev, W, b), and on functions of one number."""

from __future__ import annotations

from pathlib import Path

from answered import classes

FORWARD = """
import math

import numpy as np


def conv_forward(A_prev, W, b, activation, padding="same", stride=(1, 1)):
    top, left = ((W.shape[0] - 1) // 2, (W.shape[1] - 1) // 2) if padding == "same" else (0, 0)
    below, right = (W.shape[0] // 2, W.shape[1] // 2) if padding == "same" else (0, 0)
    A = np.pad(A_prev, ((0, 0), (top, below), (left, right), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(A, W.shape[:2], (1, 2))[:, :: stride[0], :: stride[1]]
    return activation(np.einsum("nhwcij,ijck->nhwk", windows, W) + b)


def pool_forward(A_prev, kernel_shape, stride=(1, 1), mode="max"):
    windows = np.lib.stride_tricks.sliding_window_view(A_prev, kernel_shape, (1, 2))[:, :: stride[0], :: stride[1]]
    if mode == "max":
        return windows.max(axis=(-2, -1))
    elif mode == "avg":
        return windows.mean(axis=(-2, -1))


def affine_forward(x, w, b):
    return x @ w + b


def affine_backward(dout, x, w):
    dx = dout @ w.T
    dw = x.T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


def relu(x, derivative=False):
    if derivative:
        return 0 if x < 0 else 1
    return max(0, x)


def leaky(x, derivative=False):
    if derivative:
        return 0.2 if x < 0 else 1
    return 0.1 * x if x < 0 else x


def bend(z):
    return math.tanh(z)


def bend_bp(z):
    return 1 - math.tanh(z) ** 2
"""

BACKWARD = """
import numpy as np


def conv_backward(dZ, A_prev, W, b, padding="same", stride=(1, 1)):
    kh, kw = W.shape[:2]
    top, left = ((kh - 1) // 2, (kw - 1) // 2) if padding == "same" else (0, 0)
    below, right = (kh // 2, kw // 2) if padding == "same" else (0, 0)
    A = np.pad(A_prev, ((0, 0), (top, below), (left, right), (0, 0)))
    dA, dW = np.zeros_like(A), np.zeros_like(W)
    for i in range(dZ.shape[1]):
        for j in range(dZ.shape[2]):
            part = slice(None), slice(i * stride[0], i * stride[0] + kh), slice(j * stride[1], j * stride[1] + kw)
            dW += np.tensordot(A[part], dZ[:, i, j], (0, 0))
            dA[part] += np.einsum("nk,ijck->nijc", dZ[:, i, j], W)
    db = dZ.sum(axis=(0, 1, 2), keepdims=True)
    dA_prev = dA[:, top : dA.shape[1] - below, left : dA.shape[2] - right]
    return dA_prev, dW, db


def pool_backward(dA, A_prev, kernel_shape, stride=(1, 1), mode="max"):
    dx = np.zeros_like(A_prev)
    for i in range(dA.shape[1]):
        for j in range(dA.shape[2]):
            rows = slice(i * stride[0], i * stride[0] + kernel_shape[0])
            part = slice(None), rows, slice(j * stride[1], j * stride[1] + kernel_shape[1])
            top = A_prev[part].max(axis=(1, 2), keepdims=True)
            share = A_prev[part] == top if mode == "max" else np.ones_like(A_prev[part]) / kernel_shape[0] / kernel_shape[1]
            dx[part] += dA[:, i, j][:, None, None] * share
    return dx
"""


def checked(folder: Path, forward: str, backward: str) -> dict:
    (folder / "requirements.txt").write_text("numpy")
    (folder / "forward.py").write_text(forward)
    (folder / "backward.py").write_text(backward)
    return classes(folder)


def test_right_ones(tmp_path):
    found = checked(tmp_path, FORWARD, BACKWARD)
    for name in ("conv_backward", "pool_backward", "affine_backward", "relu", "bend_bp"):
        assert not found[name]["findings"], name
        assert [v["verdict"] for v in found[name]["verdicts"]][:2] == ["right", "right"], name
    assert [f["kind"] for f in found["leaky"]["findings"]] == ["scale"]
    assert "for each by itself" in found["relu"]["notes"][0]


def test_mistakes_of_one_window_or_one_mode_alone(tmp_path):
    padded = BACKWARD.replace("top : dA.shape[1] - below, left : dA.shape[2] - right", "top:-below, left:-right")
    found = checked(tmp_path, FORWARD.replace("db = dout.sum", "db = 2 * dout.sum"), padded.replace(" / kernel_shape[1]", ""))
    assert {f["kind"] for f in found["affine_backward"]["findings"]} == {"scale"}
    (of_pool,) = found["pool_backward"]["findings"]
    assert of_pool["kind"] == "scale"
    assert "mode='avg'" in of_pool["message"]
    of_conv = found["conv_backward"]["findings"]
    assert of_conv
    assert all("padding='valid'" in f["message"] or "windows of (1, 1)" in f["message"] for f in of_conv)


def test_a_function_that_goes_back_alone_has_a_line_unless_something_calls_it(tmp_path):
    alone = """
def lone_backward(dZ, A_prev, W, flag):
    return dZ @ W.T


def weight_gradient_descent(Y, weights, cache, alpha):
    weights["W"] -= alpha * cache["A"].T @ (cache["Z"] - Y)


def helper_backward(dZ, A_prev, W, flag):
    return dZ @ W.T


def of_helper(dZ, A_prev, W):
    return helper_backward(dZ, A_prev, W, True)
"""
    found = checked(tmp_path, FORWARD, alone)
    for name in ("lone_backward", "weight_gradient_descent"):
        assert [v["verdict"] for v in found[name]["verdicts"]] == ["not checked"]
        assert name in found[name]["verdicts"][0]["remark"]
    assert "helper_backward" not in found
