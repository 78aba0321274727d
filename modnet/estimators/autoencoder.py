"""AutoEncoder: a network that says its input again through a narrow code, as a transformer of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from modnet import hints
from modnet.estimators.base import Estimator, validated
from modnet.estimators.building import hidden_sizes, per_layer
from modnet.inputs import real
from modnet.loss import Loss
from modnet.losses import MAE, MSE, BCEWithLogits, Huber
from modnet.modules import GaussianNoise, Sequential
from modnet.training import predict


class AutoEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """A network that learns to repeat its input through a layer of few units; their outputs are the code.

    With one hidden layer and squared error the code spans the space of the first principal components. Hidden layers before it
    bend that space.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100, 10)
        The encoder's layers; the last one is the code. The decoder has them in the reverse order.
    activation : str, module or list, default="relu"
        A name for all hidden layers, the code being linear; or a list with one for each layer of the encoder, the code's
        last. The decoder's layers have those of the encoder.
    loss : str or Loss, default="squared_error"
        "squared_error", half the square; "absolute_error", "huber"; "log_loss" for inputs from 0 to 1, the decoder's output
        being a score; or a loss of the library.
    noise : float, default=0.0
        Standard deviation of normal noise that is added to the (scaled) inputs in training: a denoising autoencoder.
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        This and the others, in the order of the signature, as in `NetClassifier`. early_stopping looks at `score`.
    scale : bool, default=True
        As in `NetClassifier`; "log_loss" leaves inputs as they are.

    Attributes
    ----------
    net_ : module
        The network, encoder and decoder.
    encoder_, decoder_ : modules
        Its two parts, which share its numbers.
    history_, coefs_, intercepts_, loss_, loss_curve_ : History, lists, float
        These and the others as in `NetClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, _ = load_iris(return_X_y=True)
    >>> model = AutoEncoder((2,), solver="lbfgs", random_state=0).fit(X)
    >>> code = model.transform(X)
    >>> code.shape, model.score(X) > 0.95
    ((150, 2), True)
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100, 10),
        activation: Any = "relu",
        *,
        loss: Any = "squared_error",
        noise: float = 0.0,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        batch_norm: bool = False,
        optimizer: Any = None,
        scale: bool = True,
    ) -> None:
        self._keep(locals())

    net = None  # a network of one's own would have to say where its code is

    @hints.explained(hints.ESTIMATOR_FIT)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> AutoEncoder:
        """Train a new network, or with `warm_start` go on with the last one.

        Parameters
        ----------
        X : (n, features), finite numbers. y : ignored. sample_weight : (n,), not negative.

        Returns
        -------
        self : the transformer.
        """
        self._fit(X, None, sample_weight)
        return self

    @available_if(lambda self: self._has_steps())
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> AutoEncoder:
        """Train for one epoch on these examples; see `NetClassifier.partial_fit`."""
        self._fit(X, None, sample_weight, incremental=True)
        return self

    @hints.explained(hints.CALL)
    def transform(self, X: Any) -> np.ndarray:
        """The code of examples.

        Parameters
        ----------
        X : (n, features).

        Returns
        -------
        code : (n, units of the code).
        """
        X = self._validated(X)
        return predict(self.encoder_, self._scaled(X))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Examples from their code.

        Parameters
        ----------
        X : (n, units of the code).

        Returns
        -------
        examples : (n, features), in the unit of the data.
        """
        check_is_fitted(self)
        code = check_array(X, dtype=(np.float64, np.float32))
        if code.shape[1] != self._n_features_out:
            raise ValueError(f"{self._who}: the code has {code.shape[1]} columns, expected {self._n_features_out}")
        return self._unscaled(predict(self.decoder_, code))

    def score(self, X: Any, y: Any = None) -> float:
        """R2 of the examples said again, over all columns alike: 1 is perfect, 0 no better than the columns' means."""
        X = self._validated(X)
        return self._validation_score(predict(self.net_, self._scaled(X)), X, None)

    @property
    def encoder_(self) -> Any:
        """The part of the network from the input to the code."""
        return self._parts[: self._code_at]

    @property
    def decoder_(self) -> Any:
        """The part of the network from the code to the output."""
        return self._parts[self._code_at :]

    @property
    def _parts(self) -> Any:
        if not hasattr(self, "net_"):
            raise AttributeError(f"{self._who} has no encoder_ before fit")
        return self.net_

    @property
    def _n_features_out(self) -> int:
        return hidden_sizes(self.hidden_layer_sizes, self._who)[-1]

    # What the base asks for.

    def _encode(self, X: Any, y: Any, reset: bool, incremental: bool) -> tuple[np.ndarray, np.ndarray]:
        X = validated(self, X, dtype=(np.float64, np.float32), reset=reset)
        if self._is_log and (X.min() < 0 or X.max() > 1):
            raise ValueError(f"{self._who}: X has values from {X.min():g} to {X.max():g}, expected 0 to 1 with {self.loss!r}")
        return X, X

    def _prepare(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        self.n_outputs_ = X.shape[1]
        self.out_activation_ = "logistic" if self._is_log else "identity"

    @property
    def _is_log(self) -> bool:
        return self.loss == "log_loss" or isinstance(self.loss, BCEWithLogits)

    def _built(self, n_inputs: int, random: np.random.RandomState) -> Any:
        who = self._who
        sizes = hidden_sizes(self.hidden_layer_sizes, who)
        if not sizes:
            raise ValueError(f"{who}: hidden_layer_sizes is empty, expected the size of the code at least")
        if isinstance(self.activation, list | tuple):
            kinds = per_layer(self.activation, len(sizes), who, "activation")
        else:
            kinds = [self.activation] * (len(sizes) - 1) + ["identity"]
        dropout = per_layer(self.dropout, len(sizes), who, "dropout")
        noise = real(self.noise, who, "noise", "a number that is not negative", lambda v: v >= 0)
        down = self._layers([n_inputs, *sizes, n_inputs], kinds, dropout, random)[:-1]
        up = self._layers([*sizes[::-1], n_inputs], kinds[-2::-1], dropout[-2::-1], random)
        first = [GaussianNoise(noise, rng=int(random.randint(2**31 - 1)))] if noise else []
        self._code_at = len(first) + len(down)
        return Sequential(*first, *down, *up)

    _such_as = "Huber(delta=0.5)"

    def _losses(self) -> Mapping[str, tuple[type[Loss], float]]:
        return {
            "squared_error": (MSE, 0.5), "absolute_error": (MAE, 1.0), "huber": (Huber, 1.0), "log_loss": (BCEWithLogits, 1.0)
        }  # fmt: skip

    def _scale_of(self, X: np.ndarray, weights: np.ndarray | None, name: str) -> Any:
        return None if self._is_log else super()._scale_of(X, weights, name)

    def _targets(self, y: np.ndarray, dtype: Any) -> np.ndarray:
        return self._scaled(y)

    def _unscaled(self, out: np.ndarray) -> np.ndarray:
        if self._is_log:
            return 1 / (1 + np.exp(-out))
        return out if self.input_scale_ is None else self.input_scale_.undo(out)

    def _validation_score(self, scores: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        return float(r2_score(y, self._unscaled(scores), sample_weight=weights, multioutput="variance_weighted"))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


__all__ = ["AutoEncoder"]
