import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

X = jnp.array([[0, 0], [0, 1], [1, 0], [1, 1]], jnp.float32)
y = jnp.array([[0], [1], [1], [0]], jnp.float32)
rng = np.random.default_rng(0)
shapes = [((n, m), n**-0.5) for n, m in ((2, 8), (8, 1))]
net = [(jnp.array(rng.uniform(-b, b, s), jnp.float32), jnp.array(rng.uniform(-b, b, s[1]), jnp.float32)) for s, b in shapes]
optimizer = optax.adam(1e-2)


def cost(net):
    (V, a), (W, b) = net
    return jnp.mean((jnp.tanh(X @ V + a) @ W + b - y) ** 2)


def step(carry, _):
    net, state = carry
    value, gradient = jax.value_and_grad(cost)(net)
    updates, state = optimizer.update(gradient, state, net)
    return (optax.apply_updates(net, updates), state), value


@jax.jit
def train(net, state):
    return lax.scan(step, (net, state), length=2000)


_, costs = train(net, optimizer.init(net))
print(float(costs[-1]))
