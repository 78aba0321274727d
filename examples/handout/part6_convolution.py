"""Part 6: the convolution network. Digits of 16 by 16 pixels are read as signals of length 256.

    python examples/handout/part6_convolution.py [--usps FILE [FILE]]
"""

import time

import numpy as np
from matplotlib.figure import Figure
from tools import digits, finish, options, page, save, scaled

from modnet import fit, predict
from modnet.handout import Conv1D, CrossEntropieLoss, Flatten, Linear, MaxPool1D, Optim, ReLU, Sequentiel
from modnet.optim import Adam, CosineDecay

args = options(__doc__, digits=True)
X, y, X_test, y_test = digits(args)
signals, signals_test = X[..., None], X_test[..., None]  # (batch, 256, 1): a convolution wants to know its channels


# What a convolution is, in four loops. Output o of channel m is the window that begins at o * stride, times the weights.
def convolution(x, weights, stride=1):
    k_size, chan_in, chan_out = weights.shape
    out = np.zeros((len(x), (x.shape[1] - k_size) // stride + 1, chan_out))
    for example in range(len(x)):
        for o in range(out.shape[1]):
            for t in range(k_size):
                for c in range(chan_in):
                    out[example, o] += x[example, o * stride + t, c] * weights[t, c]
    return out


layer, few = Conv1D(3, 1, 32), signals[:20]
start = time.perf_counter()
expected = convolution(few, layer._parameters)
slow = time.perf_counter() - start
layer.forward(few)  # the first call loads what is compiled
start = time.perf_counter()
out = layer.forward(few)
fast = time.perf_counter() - start
apart = np.abs(out - expected).max()
print(f"Conv1D on 20 digits: {fast * 1e3:.2f} ms, by loops {slow * 1e3:.0f} ms; they differ by {apart:.1e}")

# A pooling window whose pixels are equal, as most are in the white of an image, has no derivative. The first of them takes it
# all: given to each of the equals, it would count several times.
delta = MaxPool1D(2, 2).backward_delta(np.zeros((1, 6, 1)), np.array([[[1.0], [2.0], [3.0]]]))
print(f"MaxPool1D on zeros, given 1, 2, 3, gives back {delta[0, :, 0].tolist()}")


def network(seed):
    """The statement's. 254 places of 32 channels, half as many after pooling: 127 * 32 = 4064."""
    np.random.seed(seed)
    return Sequentiel(
        Conv1D(3, 1, 32), MaxPool1D(2, 2), Flatten(), scaled(Linear(4064, 100)), ReLU(), scaled(Linear(100, 10))
    )  # fmt: skip


def dense(seed):
    """As many layers without the convolution, and about as many units."""
    np.random.seed(seed)
    return Sequentiel(scaled(Linear(256, 100, bias=True)), ReLU(), scaled(Linear(100, 10, bias=True)))


print(network(1).summary((256, 1)))

# By the Optim of part 3, a few steps. It learns, but all weights have the same step, which must be found by trial: with 0.01
# the loss would hardly have moved.
net, loss, order = network(1), CrossEntropieLoss(), np.random.default_rng(0)
optim = Optim(net, loss, eps=0.2)
losses = []
for _ in range(10 if args.quick else 200):
    batch = order.integers(0, len(X), 32)
    losses.append(optim.step(signals[batch], y[batch]))
print(f"{len(losses)} steps of Optim: loss {np.mean(losses[:10]):.3f} to {np.mean(losses[-10:]):.3f}")

# By Adam, whose rate falls to nothing along a cosine. The best of the starts is not chosen by the test; the rate and the
# number of epochs were, on this split, and examples/README.md says what six other splits give. float32 is enough to train.
epochs = 2 if args.quick else 25


def train(net, X, X_test, seed):
    """Train, and return the share of right answers on the test after each epoch."""
    right = []

    def note(training):
        right.append((predict(net, X_test).argmax(axis=1) == y_test).mean())

    optimizer = Adam(lr=CosineDecay(3e-3, over=epochs))
    net.astype("float32")
    fit(net, X, y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=32, rng=seed, callbacks=[note], progress=False)
    return right


kinds = {"convolution": (network, signals, signals_test), "dense": (dense, X, X_test)}
curves, nets = {}, {}
for name, (make, inputs, inputs_test) in kinds.items():
    for seed in range(1, 2 if args.quick else 4):
        start = time.process_time()
        nets[name, seed] = make(seed)
        curves[name, seed] = train(nets[name, seed], inputs, inputs_test, seed)
        took = time.process_time() - start
        print(f"{name}, start {seed}: test accuracy {curves[name, seed][-1]:.4f} after {epochs} epochs, {took:.1f} s")
    last = [curve[-1] for (kind, _), curve in curves.items() if kind == name]
    print(f"{name}: test accuracy {np.mean(last):.4f} on average of {len(last)}")
net = nets["convolution", 1]

# What it has learned: each channel looks for a shape of three pixels in a row, an edge or a stroke, and where it finds it.
weights = net[0]._parameters[:, 0, :].T  # (32, 3)
digit = signals_test[y_test == 5][:1]
maps = net[0].forward(digit)[0]  # (254, 32): place by channel
strongest = np.argsort(-np.abs(weights).max(axis=1))[:8]
lines = np.zeros((8, 256))
lines[:, 1:255] = maps[:, strongest].T  # each number at the middle of its window
lines -= lines.min(axis=1, keepdims=True)
lines /= np.maximum(lines.max(axis=1, keepdims=True), 1e-9)
named = ["digit", *("\n".join(f"{w:+.1f}" for w in weights[c]) for c in strongest)]
title = "Where eight of its windows, three weights each, answer most"
page({"": np.concatenate([digit[..., 0], lines])}, args.out / "part6_maps.png", title, named)

guess = predict(net, signals_test).argmax(axis=1)
wrong = np.flatnonzero(guess != y_test)[:12]
if len(wrong):
    said = [f"{y_test[i]}, said {guess[i]}" for i in wrong]
    page({"": X_test[wrong]}, args.out / "part6_mistakes.png", f"Mistakes on {len(X_test)} digits", said)

figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
for (name, seed), curve in curves.items():
    axes.plot(range(1, epochs + 1), curve, color="C0" if name == "convolution" else "C1", label=name if seed == 1 else None)
axes.axhline(0.97, color="0.6", linestyle=":", linewidth=1)
axes.set(xlabel="epochs", ylabel="accuracy on the test", title="Digits, three starts each",
         ylim=(0.85 if not args.quick else 0, 1))  # fmt: skip
axes.legend()
save(figure, args.out / "part6_accuracy.png")
finish()
