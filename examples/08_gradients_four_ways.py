# %% [markdown]
"""
8. Gradients four ways
======================

Numerically, by differences; symbolically, by rules on formulas; in forward mode, with pairs (value,
derivative); in reverse mode, which is backpropagation. The function is l1 = x, l(n+1) = 4 l(n) (1 - l(n)),
taken as f = l4 = 64 x (1 - x) (1 - 2x)^2 (1 - 8x + 8x^2)^2 at x0 = 0.2.

The symbolic part needs SymPy: ``pip install sympy``.
"""

# %%
from pathlib import Path

import numpy as np

from modnet.plotting import curves
from modnet.scalar import Dual, Value, derivative

OUT = Path("out")
OUT.mkdir(exist_ok=True)


def f(x):
    """l4, as one formula; for numbers, arrays, Value, Dual and SymPy's symbols."""
    return 64 * x * (1 - x) * (1 - 2 * x) ** 2 * (1 - 8 * x + 8 * x**2) ** 2


x0, h = 0.2, 10.0 ** np.arange(-16, 0)
exact = derivative(f, x0)
print(f"f(0.2) = {f(x0):.6f}, f'(0.2) = {exact:.6f}")

# %% [markdown]
# Numerically. The error first falls with h, as f is less and less curved over so short a way (truncation), then
# rises, as the difference of two nearly equal numbers keeps fewer and fewer digits (round-off). Central
# differences gain about four digits.

# %%
forward = np.abs((f(x0 + h) - f(x0)) / h - exact)
central = np.abs((f(x0 + h) - f(x0 - h)) / (2 * h) - exact)
for name, error in (("forward", forward), ("central", central)):
    print(f"{name} differences: error {error.min():.1e} at best, with h = {h[error.argmin()]:.0e}")
curves({"forward differences": forward, "central differences": central}, OUT / "08_differences.png", x=h, xscale="log",
       yscale="log", xlabel="h (log scale)", ylabel="error of f′(0.2)",
       title="As h shrinks, truncation falls and round-off rises")  # fmt: skip

# %% [markdown]
# Symbolically. Differentiating the recursion makes expressions that grow exponentially, although the simplified
# result stays moderate.

# %%
import sympy  # noqa: E402

x = sympy.Symbol("x")
term, raw, simple = x, [], []
for n in range(1, 7):
    slope = sympy.diff(term, x)
    raw.append(sympy.count_ops(slope))
    simple.append(sympy.count_ops(sympy.horner(sympy.expand(slope))))
    print(f"l{n}: its derivative has {raw[-1]:6} operations, {simple[-1]:4} once simplified")
    term = 4 * term * (1 - term)
print(f"l4'(0.2) = {float(sympy.diff(f(x), x).subs(x, 0.2)):.6f}")
curves({"as derived": raw[1:], "simplified": simple[1:]}, OUT / "08_swell.png", x=range(2, 7), xlabel="n", yscale="log",
       ylabel="operations", title="The derivative of l(n) swells with n")  # fmt: skip

# %% [markdown]
# Forward mode: pairs (v, v'), one pass for one input. Reverse mode: one pass back for all inputs.

# %%
a, b = Dual(10.0, 1.0), Dual(20.0)
by_a = (3 * a + a * b).derivative
a, b = Dual(10.0), Dual(20.0, 1.0)
print(f"3a + ab at (10, 20): gradient ({by_a:g}, {(3 * a + a * b).derivative:g}) by two passes in forward mode")

p, q = Value(2.0), Value(-3.0)
result = (p + q) * q
result.backward()
print(f"(x + y) y at (2, -3): {result.data:g}, gradient ({p.grad:g}, {q.grad:g}) by one pass in reverse mode")

a, b = Value(1.0), Value(2.0)
result = 10 / (1 + (3 * a + a * b).exp())
result.backward(keep_graph=True)
print(f"10 / (1 + exp(3a + ab)) at (1, 2): gradient ({a.grad:.4f}, {b.grad:.4f})")
result.backward()
print(f"a second pass adds up to ({a.grad:.4f}, {b.grad:.4f}); a third, without keep_graph, is refused:")
try:
    result.backward()
except RuntimeError as error:
    print(f"  RuntimeError: {error}")
