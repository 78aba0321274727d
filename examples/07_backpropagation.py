# %% [markdown]
"""
7. Backpropagation: by hand, by modules, by machine
===================================================

One small network, 2-2-1 with tanh, one example, squared error. First every derivative by hand, from the output
back; then the three operations of each module; then `Value`, which finds derivatives by itself and so is the
referee. All three agree to the last digits.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import MSE, Linear, Sequential, Tanh
from modnet.plotting import network, scalar_graph
from modnet.scalar import Value

OUT = Path("out")
OUT.mkdir(exist_ok=True)

x, y = np.array([1.0, -2.0]), 0.5
W1, b1 = np.array([[0.5, -0.3], [0.2, 0.4]]), np.array([0.1, -0.1])
W2, b2 = np.array([[0.7], [-0.6]]), np.array([0.2])

# %% [markdown]
# By hand. Forward, keeping what is needed on the way back:

# %%
a = x @ W1 + b1  # (2,), before the activation
h = np.tanh(a)  # (2,)
out = h @ W2 + b2  # (1,)
loss = (out[0] - y) ** 2

# %% [markdown]
# Back: dL/dout, then each derivative from the one after it, by the chain rule.

# %%
d_out = 2 * (out - y)  # dL/dout
d_W2, d_b2 = np.outer(h, d_out), d_out
d_h = W2 @ d_out
d_a = d_h * (1 - h**2)  # tanh' = 1 - tanh^2
d_W1, d_b1 = np.outer(x, d_a), d_a
d_x = W1 @ d_a
print(f"by hand:    loss {loss:.6f}, dL/dW1[0] {d_W1[0].round(6)}, dL/dx {d_x.round(6)}")

# %% [markdown]
# By the modules: the same three lines for every layer.

# %%
net = Sequential(Linear(2, 2), Tanh(), Linear(2, 1))
net[0].weight[:], net[0].bias[:], net[2].weight[:], net[2].bias[:] = W1, b1, W2, b2
X, Y = x[None], np.array([[y]])
inputs = [X]
for module in net:
    inputs.append(module.forward(inputs[-1]))
delta = MSE().backward(Y, inputs[-1])
net.zero_grad()
for module, given in zip(reversed(list(net)), reversed(inputs[:-1])):
    module.backward_update_gradient(given, delta)
    delta = module.backward_delta(given, delta)
print(f"by modules: loss {MSE()(Y, inputs[-1]):.6f}, dL/dW1[0] {net[0].weight_gradient[0].round(6)}, dL/dx {delta[0].round(6)}")

# %% [markdown]
# By Value, which builds the graph and walks it back.

# %%
vx = [Value(v, f"x{i + 1}") for i, v in enumerate(x)]
v1 = [[Value(w) for w in row] for row in W1]
hidden = [(vx[0] * v1[0][j] + vx[1] * v1[1][j] + b1[j]).tanh() for j in range(2)]
error = hidden[0] * W2[0, 0] + hidden[1] * W2[1, 0] + b2[0] - y
result = error**2
result.backward()
found = np.array([w.grad for w in v1[0]]), np.array([v.grad for v in vx])
print(f"by Value:   loss {result.data:.6f}, dL/dW1[0] {found[0].round(6)}, dL/dx {found[1].round(6)}")
apart = max(np.abs(net[0].weight_gradient - d_W1).max(), *(abs(v1[i][j].grad - d_W1[i, j]) for i in (0, 1) for j in (0, 1)))
print(f"the three are apart by at most {apart:.1e}")

# %%
network(net, x, OUT / "07_network.png", y=[y], loss=MSE(), title="Outputs forward, deltas back, for the example above")

# %% [markdown]
# The lecture's three graphs. (x + y) y at (2, -3), drawn:

# %%
p, q = Value(2.0, "x"), Value(-3.0, "y")
product = (p + q) * q
product.backward(keep_graph=True)
print(f"(x + y) y at (2, -3): {product.data:g}, gradient ({p.grad:g}, {q.grad:g})")
scalar_graph(product, OUT / "07_graph.png", title="(x + y) y at (2, -3): grad in the boxes, local derivatives on the arrows")
