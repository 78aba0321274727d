"""A training that goes on a few epochs at a time, from settings that are chosen with the mouse."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import modnet
from modnet import datasets, optim
from modnet.check import check_module, check_network, check_training
from modnet.playground.mistakes import MISTAKES

#: Data sets of two inputs, by what they are called on the page: their name in modnet.datasets and options.
DATA: dict[str, tuple[str, dict[str, Any]]] = {
    "moons": ("moons", {"n_samples": 300}),
    "circles": ("circles", {"n_samples": 300}),
    "two clouds": ("two_gaussians", {"n": 300}),
    "XOR": ("four_gaussians", {"n": 300}),
    "three clouds": ("blobs", {"n_samples": 300}),
    "spiral": ("spiral", {"n": 100}),
    "checkerboard": ("checkerboard", {"n": 300}),
}
ACTIVATIONS = ("Tanh", "ReLU", "Sigmoid", "LeakyReLU", "GELU", "Identity")
LOSSES = ("CrossEntropy", "MultiMargin", "MSE")
OPTIMIZERS = ("SGD", "SGD with momentum", "Adam", "RMSprop", "Adagrad", "Rprop")
CHUNK = 5  # epochs between two pictures


@dataclass(frozen=True)
class Settings:
    """What is chosen on the page."""

    data: str = "moons"
    layers: tuple[int, ...] = (6, 4)
    activation: str = "Tanh"
    loss: str = "CrossEntropy"
    optimizer: str = "Adam"
    lr: float = 0.01
    batch_size: int = 32
    noise: float = 0.0
    dropout: float = 0.0
    weight_decay: float = 0.0
    mistake: str = ""
    seed: int = 0


class Session:
    """A network, its data and its training so far.

    Parameters
    ----------
    settings : Settings

    Attributes
    ----------
    X, y, X_new, y_new : examples to learn from and to validate on, a third of all.
    net, loss, optimizer : made as `code` writes them.
    losses, validation, accuracy : one number for each epoch so far.
    stopped : why the training ended, in words; empty while it can go on.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.losses: list[float] = []
        self.validation: list[float] = []
        self.accuracy: list[float] = []
        self.stopped = ""
        space: dict[str, Any] = {}
        # What runs is what is shown: the page's own lines make the network.
        exec(compile(self._setup(), "<playground>", "exec"), space)
        self.X, self.y, self.X_new, self.y_new = (space[name] for name in ("X", "y", "X_new", "y_new"))
        self.net, self.loss, self.optimizer, self._rng = (space[name] for name in ("net", "loss", "optimizer", "rng"))
        self.target, self.target_new = space["target"], space["target_new"]

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return len(self.losses)

    def advance(self) -> None:
        """Train a few epochs more. A training that diverges says so in `stopped`."""
        if self.stopped:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history = modnet.fit(
                self.net, self.X, self.target, self.loss, self.optimizer, epochs=CHUNK, batch_size=self.settings.batch_size,
                validation=(self.X_new, self.target_new), rng=self._rng, progress=False,
            )  # fmt: skip
        self.losses += history.loss
        self.validation += history.validation_loss
        self.accuracy += [self.share_right()] * history.epochs
        if history.epochs < CHUNK:
            self.stopped = history.stopped_because or "stopped"

    def share_right(self) -> float:
        """The share of right answers on the new examples."""
        return float((modnet.predict(self.net, self.X_new).argmax(axis=1) == self.y_new).mean())

    def code(self) -> str:
        """The Python that does the same, up to this epoch."""
        times = self.epochs // CHUNK
        return self._setup() + (
            f"\nfor _ in range({times}):  # {CHUNK} epochs between two pictures of the playground\n"
            f"    history = fit(net, X, target, loss, optimizer, epochs={CHUNK}, batch_size={self.settings.batch_size},\n"
            "                  validation=(X_new, target_new), rng=rng, progress=False)\n"
            "print((predict(net, X_new).argmax(axis=1) == y_new).mean(), \"right on new examples\")\n"
            'frontier(net, X, y, "playground.png")\n'
        )

    def check_gradients(self) -> str:
        """What the checker says of the mistake that was made on purpose, or of the whole network."""
        if self.settings.mistake:
            kind, place = MISTAKES[self.settings.mistake]
            module = kind(3, 2) if place == "linear" else kind()
            return str(check_module(module, (4, 3)))
        return str(check_network(self.net, self.loss, self.X[:16], self.target[:16]))

    def ask_why(self) -> str:
        """Why the training does not learn: wrong gradients; if they are right, what another setting would change."""
        gradients = check_network(self.net, self.loss, self.X[:16], self.target[:16])
        if not gradients.ok:
            return str(gradients)
        return str(check_training(self.net, self.loss, self.optimizer, self.X, self.target, seconds=5, rng=0))

    def _setup(self) -> str:
        s = self.settings
        name, options = DATA[s.data]
        classes = datasets.load(name, **options)[1].max() + 1
        kind, place = MISTAKES[s.mistake] if s.mistake else (None, "")
        linear = kind.__name__ if kind and place == "linear" else "Linear"
        activation = kind.__name__ if kind and place == "activation" else s.activation
        sizes = [2, *s.layers, int(classes)]
        lines = [f"GaussianNoise({s.noise:g}, rng=0)"] if s.noise else []
        for i in range(len(sizes) - 1):
            lines.append(f"{linear}({sizes[i]}, {sizes[i + 1]}, rng={s.seed + i})")
            if i < len(sizes) - 2:
                lines.append(f"{activation}()")
                if s.dropout:
                    lines.append(f"Dropout({s.dropout:g}, rng={i})")
        optimizer, decay = s.optimizer.split(" ")[0], f", weight_decay={s.weight_decay:g}" if s.weight_decay else ""
        if optimizer == "Rprop":
            decay = ""
        momentum = ", momentum=0.9" if "momentum" in s.optimizer else ""
        arguments = "".join(f", {key}={value}" for key, value in options.items())
        one_hot = s.loss == "MSE"
        body = [
            f'X, y = load("{name}"{arguments})',
            "X_new, y_new, X, y = X[::3], y[::3], np.delete(X, np.s_[::3], 0), np.delete(y, np.s_[::3])",
            f"target, target_new = {f'np.eye({classes})[y], np.eye({classes})[y_new]' if one_hot else 'y, y_new'}",
            "net = Sequential(",
            *(f"    {line}," for line in lines),
            ")",
            f"loss, optimizer = {s.loss}(), {optimizer}({s.lr:g}{momentum}{decay})",
            f"rng = np.random.default_rng({s.seed})",
            "",
        ]
        used = {word for word in re.findall(r"\w+", " ".join(body)) if word[0].isupper() and word in modnet.__all__}
        return "\n".join([
            "import numpy as np",
            f"from modnet import {', '.join(sorted({'fit', 'predict', *used}))}",
            "from modnet.datasets import load",
            f"from modnet.optim import {optimizer}",
            *([f"from modnet.playground.mistakes import {kind.__name__}  # wrong on purpose"] if kind else []),
            "from modnet.plotting import frontier",
            "",
            *body,
        ])  # fmt: skip


def optimizers() -> list[str]:
    """The names of optimizers on the page that the library has."""
    return [name for name in OPTIMIZERS if hasattr(optim, name.split(" ")[0])]
