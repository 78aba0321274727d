"""Every pair of public calls on one network, by two threads at once, again and again.

    python tests/engine/at_once.py --seconds 0.1 [--only "attach and step"]

Whoever comes second may be told to wait, or that the network has changed; nothing else may be said, and afterwards the network
computes what its parameters say and all guards (`guards`) are whole. `test_threads` runs this file in a process of its own.
"""

import argparse
import copy
import itertools
import pickle
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from guards import Guards

from modnet import MSE, Linear, PReLU, Sequential, Tanh, evaluate, fit, predict, watch
from modnet.optim import SGD, Adam

X, Y = np.random.default_rng(0).normal(size=(2, 6, 3))
SAID = (
    "another thread is changing this network", "the network was changed", "its modules hold float32 and float64",
    "already belongs to another network", "the network that it is a slice of has changed", "the state has", "the state lacks", "it belongs to a network",
)  # fmt: skip


class Ours:
    """A class of somebody else's, without parameters."""

    def forward(self, X):
        return X

    def backward_delta(self, input, delta):
        return delta


def network():
    return Sequential(Linear(3, 4, rng=0), Tanh(), Sequential(Linear(4, 3, rng=1), PReLU()))


def attach_and_step(net):
    optimizer = Adam(1e-4).attach(net)
    for _ in range(3):
        optimizer.step()


def step_of_a_copy(net):
    copy.copy(SGD(1e-4, momentum=0.5).attach(net)).step()


def by_hand(net):
    optimizer = SGD(1e-4).attach(net)
    net.zero_grad()
    yhat = net.forward(X)
    net.backward(X, MSE().backward(Y, yhat))
    optimizer.step()


def restore(net):
    state = net.state_dict()
    net.load_state_dict(state)


def convert(net):
    net.astype(np.float32)
    net.astype(np.float64)


def append_and_pop(net):
    net.append(Linear(3, 3, rng=2).astype(net.dtype))
    net.pop()


def exchange(net):
    net[1] = PReLU().astype(net.dtype)
    net[1] = Tanh()


def change_the_inside(net):
    net[2].append(Ours())
    net[2].pop()


def nest(net):
    Sequential(net, Tanh()).forward(X)


def use_a_slice(net):
    part = net[1:]
    part.backward(part[:0].forward(np.ones((2, 4))), np.ones((2, 3)))


CALLS = {
    "attach and step": attach_and_step,
    "a step of a copy": step_of_a_copy,
    "a loop by hand": by_hand,
    "zero_grad": lambda net: net.zero_grad(),
    "update_parameters": lambda net: net.update_parameters(1e-5),
    "fit": lambda net: fit(net, X, Y, MSE(), Adam(1e-4), epochs=2, batch_size=2, progress=False),
    "evaluate": lambda net: evaluate(net, X, Y, loss=MSE()),
    "predict": lambda net: predict(net, X),
    "forward": lambda net: net.forward(X),
    "backward": lambda net: net.backward(X, Y),
    "backward_delta": lambda net: net.backward_delta(X, Y),
    "modes": lambda net: net.eval().train(),
    "astype": convert,
    "append and pop": append_and_pop,
    "exchange a module": exchange,
    "change the inside": change_the_inside,
    "nest it": nest,
    "a slice": use_a_slice,
    "restore": restore,
    "deepcopy": copy.deepcopy,
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
    "watch": lambda net: watch.activations(net, X),
    "summary": lambda net: str(net.summary((3,))),
}


def together(first, second, seconds):
    """Two calls, each in a thread; what was said that should not have been."""
    net, wrong, end = network(), [], time.monotonic() + seconds

    def again(name):
        while time.monotonic() < end and not wrong:
            try:
                CALLS[name](net)
            except (RuntimeError, ValueError) as error:
                if not any(text in str(error) for text in SAID):
                    wrong.append((name, error))
            except BaseException as error:
                wrong.append((name, error))

    threads = [threading.Thread(target=again, args=(name,), daemon=True) for name in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if any(thread.is_alive() for thread in threads):
        raise SystemExit(f"{first}, {second}: the threads wait for each other")
    for name, error in wrong:
        raise AssertionError(f"{first} and {second}: {name} said {error!r}") from error
    want = X.astype(net.dtype)
    for leaf in net.leaves():
        want = leaf.forward(want)
    np.testing.assert_allclose(predict(net, X), want, rtol=1e-4, atol=1e-5, err_msg=f"after {first} and {second}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.1, help="for each pair")
    parser.add_argument("--only", help="only the pairs with this call")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    guards = Guards().install()
    sys.setswitchinterval(1e-6)
    pairs = [pair for pair in itertools.combinations_with_replacement(CALLS, 2) if options.only in (None, *pair)]
    for first, second in pairs:
        together(first, second, options.seconds)
        guards.check()
    print(f"{len(pairs)} pairs, all right")


if __name__ == "__main__":
    main()
