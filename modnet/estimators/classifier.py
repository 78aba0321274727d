"""NetClassifier: a network that tells classes apart, behind the interface of scikit-learn's MLPClassifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

from modnet import hints
from modnet.estimators.base import Estimator, validated
from modnet.inputs import short_repr
from modnet.loss import ClassLoss, Loss
from modnet.losses import BCE, NLL, BCEWithLogits, CrossEntropy, Hinge, MultiMargin


class NetClassifier(ClassifierMixin, Estimator):
    """A network that tells classes apart; a drop-in for scikit-learn's `MLPClassifier`.

    What MLPClassifier has means the same here; after it come class weights, dropout, batch normalisation, an activation for
    each layer, losses, optimizers and networks of your own.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Sizes of the hidden layers, such as (64, 32); () for a linear model.
    activation : str, module or list, default="relu"
        A name for all hidden layers, or a list with one for each: "identity", "logistic", "tanh", "relu", "gelu" and the
        library's others in lower case, or a module such as LeakyReLU(0.2).
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        How parameters are moved: in batches, or by L-BFGS on all examples at once.
    alpha : float, default=0.0001
        Strength of the L2 penalty: (alpha / 2) |W|^2 is shared out over the examples of a batch; biases are free. For a network
        of your own (`net`) it is the optimizer's weight decay, alpha / batch size, and reaches all parameters.
    batch_size : int or "auto", default="auto"
        Examples a step; "auto" is 200, or all if there are fewer. With batch normalisation it is lowered if one example would
        be left over for the last batch.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        How the rate of "sgd" changes: not at all, as learning_rate_init / t^power_t over t examples seen, or divided by five
        when the loss does not fall any more.
    learning_rate_init : float, default=0.001
        The first rate of "sgd" and "adam".
    power_t : float, default=0.5
        The exponent of "invscaling".
    max_iter : int, default=200
        Epochs at most; iterations of "lbfgs".
    shuffle : bool, default=True
        Whether each epoch takes the examples in a new order.
    random_state : int, RandomState or None, default=None
        Of the first parameters, the order of examples and the validation share.
    tol : float, default=1e-4
        Training ends when the loss has not fallen by as much in `n_iter_no_change` epochs.
    verbose : bool, default=False
        Whether each epoch prints its loss.
    warm_start : bool, default=False
        Whether `fit` goes on from the parameters of the last one.
    momentum : float, default=0.9
        Of "sgd", from 0 up to 1.
    nesterovs_momentum : bool, default=True
        Whether "sgd" looks ahead.
    early_stopping : bool, default=False
        Whether a share of the data, stratified by class, is set aside; training ends when its accuracy does not rise any
        more, and the best parameters are kept.
    validation_fraction : float, default=0.1
        That share.
    beta_1 : float, default=0.9
        Of "adam": the decay of the mean gradient.
    beta_2 : float, default=0.999
        Of "adam": the decay of the mean squared gradient.
    epsilon : float, default=1e-8
        Of "adam": added to the divisor.
    n_iter_no_change : int or inf, default=10
        Epochs without improvement before training ends.
    max_fun : int, default=15000
        Evaluations of "lbfgs", at most.
    dropout : float or list of float, default=0.0
        Share of the hidden layers' outputs that is set to zero in training; a list has one for each layer.
    batch_norm : bool, default=False
        Whether each hidden layer is normalised before its activation.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as in scikit-learn's other classifiers.
    loss : str or Loss, default="log_loss"
        "log_loss"; "hinge", for margins instead of probabilities; or a loss of the library, such as
        CrossEntropy(label_smoothing=0.1). Losses of labels (CrossEntropy, MultiMargin) have one output a class, BCEWithLogits
        is given 0 and 1, any other loss -1 and 1.
    optimizer : Optimizer or None, default=None
        An optimizer such as AdamW(1e-3), in place of `solver` and its settings. It is copied.
    net : function or None, default=None
        A function (n_inputs, n_outputs) -> module in place of the hidden layers; the network ends in scores, without Softmax.
    scale : bool, default=True
        Whether each column of the inputs is brought to mean 0 and deviation 1 before the network sees it. What was found
        belongs to the model: predictions take the data as they come. With False, columns far from that are warned of by name.

    Attributes
    ----------
    classes_ : array
        Labels, in the order of the columns of `predict_proba`.
    net_ : module
        The network, in evaluation mode.
    input_scale_ : Scale or None
        What brings columns to mean 0 and deviation 1, `mean` and `deviation`: `net_` takes ``input_scale_.apply(X)``.
    history_ : History
        Of the last fit; not of "lbfgs".
    coefs_ : list of arrays (in, out)
        Views of the layers' weights, which apply to scaled inputs. What is assigned is where predictions, `partial_fit` and a
        warm start go on from.
    intercepts_ : list of arrays (out,)
        Views of the layers' biases, alike.
    loss_, loss_curve_, best_loss_, validation_scores_, best_validation_score_, n_iter_, t_ : float, list, int
        As MLPClassifier's: the last loss, those of all epochs, the lowest; accuracies with early_stopping; epochs of the last
        fit, examples seen.
    n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_ : int, str, array
        As MLPClassifier's.

    Notes
    -----
    Sample weights are divided by their mean over the data; with class_weight `partial_fit` takes them as they are.
    MLPClassifier divides them by their sum in each batch, so that an example weighs more in a batch of light ones.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NetClassifier((10,), solver="lbfgs", random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    classes_: np.ndarray

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
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
        class_weight: Any = None,
        loss: Any = "log_loss",
        optimizer: Any = None,
        net: Any = None,
        scale: bool = True,
    ) -> None:
        self._keep(locals())

    @hints.explained(hints.ESTIMATOR_FIT)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetClassifier:
        """Train a new network, or with `warm_start` go on with the last one.

        Parameters
        ----------
        X : (n, features), finite numbers. y : (n,), labels of any kind; (n, labels) of 0 and 1 for several labels an example.
        sample_weight : (n,), not negative; an example of weight 0 is left out.

        Returns
        -------
        self : the classifier.

        Raises
        ------
        ValueError, TypeError : for data and settings that do not fit, and if the training diverged.
        """
        self._fit(X, y, sample_weight)
        return self

    @available_if(lambda self: self._has_steps())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> NetClassifier:
        """Train for one epoch on these examples.

        Parameters
        ----------
        X, y, sample_weight : as in `fit`. classes : all labels there will be; needed in the first call.

        Returns
        -------
        self : the classifier. The scale of inputs is that of the first call's examples, if they are at least 20.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                f"{self._who}: class_weight='balanced' needs all labels at once, expected a dict such as "
                "sklearn.utils.class_weight.compute_class_weight gives"
            )
        self._note_classes(y, classes)
        self._fit(X, y, sample_weight, incremental=True)
        return self

    @hints.explained(hints.CALL)
    def predict(self, X: Any) -> np.ndarray:
        """The labels of examples.

        Parameters
        ----------
        X : (n, features).

        Returns
        -------
        y : (n,), or (n, labels) of 0 and 1.
        """
        return self._labels_of(self._margins(self._output(X)))

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores: of `classes_[1]` against the other one, (n,); of each class or label, (n, classes)."""
        return self._margins(self._output(X))

    @available_if(lambda self: self._has_probabilities())
    @hints.explained(hints.CALL)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, classes), columns in the order of `classes_`; each label's own for several labels."""
        return np.exp(self.predict_log_proba(X))

    @available_if(lambda self: self._has_probabilities())
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithms of `predict_proba`, exact at any size."""
        out = self._output(X)
        if self._kind == "labels":
            return out - np.logaddexp.reduce(out, axis=1, keepdims=True)
        yes = -np.logaddexp(0, -out)
        if self._multilabel:
            return yes
        if out.shape[1] > 1:  # one against the rest, brought to a sum of 1
            return yes - np.logaddexp.reduce(yes, axis=1, keepdims=True)
        if len(self.classes_) == 1:
            return np.zeros_like(yes)
        return np.hstack([-np.logaddexp(0, out), yes])

    # What the base asks for.

    def _note_classes(self, y: Any, classes: Any) -> None:
        """The classes of all calls of `partial_fit`."""
        if classes is None:
            if not hasattr(self, "classes_"):
                raise ValueError(f"{self._who}: classes must be passed on the first call to partial_fit")
            return
        if hasattr(self, "net_"):
            if not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
                raise ValueError(
                    f"{self._who}: classes is {short_repr(classes)}, not the same as on the last call to partial_fit, "
                    f"{self.classes_}"
                )
            return
        self.classes_ = unique_labels(classes)
        self._multilabel = type_of_target(y).startswith("multilabel")

    def _encode(self, X: Any, y: Any, reset: bool, incremental: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validated(self, X, y, multi_output=True, dtype=(np.float64, np.float32), reset=reset)
        if hasattr(y, "toarray"):
            y = y.toarray()
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        kind = type_of_target(y)  # once: it takes as long as a small network's step
        if kind not in ("binary", "multiclass", "multiclass-multioutput", "multilabel-indicator"):
            check_classification_targets(y)  # which says what is wrong
        if kind == "multiclass-multioutput":
            raise ValueError(
                f"{self._who}: y has {y.shape[1]} columns of classes, expected labels (n,), or 0 and 1 for several labels an "
                "example; sklearn.multioutput.MultiOutputClassifier fits one network a column"
            )
        multilabel = kind.startswith("multilabel")
        found = np.arange(y.shape[1]) if multilabel else np.unique(y)
        if incremental or not reset:
            self._require_known(found, multilabel, incremental)
        else:
            self.classes_, self._multilabel = found, multilabel
        return X, (y if multilabel else np.searchsorted(self.classes_, y)).astype(np.int64)

    def _require_known(self, found: np.ndarray, multilabel: bool, incremental: bool) -> None:
        """ValueError unless the classes of these data are those that the network knows."""
        if multilabel != self._multilabel:
            came, known = ("several labels", "one class") if multilabel else ("one class", "several labels")
            raise ValueError(f"{self._who}: y has {came} an example, expected {known} as before")
        if not incremental and set(found) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously got "
                f"{self.classes_}, `y` has {found}"
            )
        if not np.isin(found, self.classes_).all():
            raise ValueError(f"{self._who}: y has classes that are not in classes_: {np.setdiff1d(found, self.classes_)}")

    def _weights(self, sample_weight: Any, y: np.ndarray, incremental: bool) -> np.ndarray | None:
        weights = super()._weights(sample_weight, y, incremental)
        if self.class_weight is None:
            return weights
        if isinstance(self.class_weight, Mapping) and not self._multilabel:  # a part of the data may not have every class
            unknown = [label for label in self.class_weight if label not in self.classes_.tolist()]
            if unknown:
                raise ValueError(
                    f"{self._who}: class_weight has the class {unknown[0]!r}, expected classes of {self.classes_.tolist()}"
                )
            of_class = np.array([float(self.class_weight.get(label, 1.0)) for label in self.classes_.tolist()])[y]
        elif not self._multilabel and not (isinstance(self.class_weight, str) and self.class_weight == "balanced"):
            raise ValueError(
                f"{self._who}: class_weight is {short_repr(self.class_weight)}, expected None, 'balanced', or a dict with the "
                "weight of each class"
            )
        else:
            of_class = compute_sample_weight(self.class_weight, y if self._multilabel else self.classes_[y])
        return of_class if weights is None else weights * of_class

    def _prepare(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        loss, _ = self._made_loss()
        if isinstance(loss, BCE):
            raise ValueError(f"{self._who}: loss is {loss}, which takes probabilities, expected BCEWithLogits() for scores")
        if isinstance(loss, NLL):
            raise ValueError(f"{self._who}: loss is {loss}, which takes log-probabilities, expected CrossEntropy() for scores")
        if isinstance(loss, ClassLoss) and self._multilabel:
            raise ValueError(f"{self._who}: loss is {loss}, for one class, but y has several labels; use BCEWithLogits()")
        self._kind = "labels" if isinstance(loss, ClassLoss) else "rows" if isinstance(loss, BCEWithLogits) else "sides"
        classes = len(self.classes_)
        one = classes <= 2 and not self._multilabel and self._kind != "labels"
        self.n_outputs_ = 1 if one else max(classes, 2) if self._kind == "labels" else classes
        self.out_activation_ = {"labels": "softmax", "rows": "logistic", "sides": "identity"}[self._kind]

    _such_as = "CrossEntropy(label_smoothing=0.1)"

    def _losses(self) -> Mapping[str, tuple[type[Loss], float]]:
        several = len(self.classes_) > 2 and not self._multilabel
        return {
            "log_loss": (CrossEntropy if several else BCEWithLogits, 1.0), "hinge": (MultiMargin if several else Hinge, 1.0)
        }  # fmt: skip

    def _targets(self, y: np.ndarray, dtype: Any) -> np.ndarray:
        if self._kind == "labels":
            return y
        if self._multilabel:
            rows = y
        else:
            rows = y[:, np.newaxis] if self.n_outputs_ == 1 else y[:, np.newaxis] == np.arange(self.n_outputs_)
        rows = rows.astype(dtype)
        return rows if self._kind == "rows" else 2 * rows - 1

    def _margins(self, out: np.ndarray) -> np.ndarray:
        """Scores (n,) of two classes, or (n, classes), from the network's outputs."""
        if self._multilabel:
            return out
        if out.shape[1] == 1:
            return out[:, 0]
        return out[:, 1] - out[:, 0] if len(self.classes_) <= 2 else out

    def _places_of(self, margins: np.ndarray) -> np.ndarray:
        """Places in `classes_`; 0 and 1 for several labels."""
        if self._multilabel:
            return (margins > 0).astype(np.int64)
        places = (margins > 0).astype(np.int64) if margins.ndim == 1 else margins.argmax(axis=1)
        return np.minimum(places, len(self.classes_) - 1)

    def _labels_of(self, margins: np.ndarray) -> np.ndarray:
        places = self._places_of(margins)
        return places if self._multilabel else self.classes_[places]

    def _validation_score(self, scores: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        right = self._places_of(self._margins(scores)) == y
        return float(np.average(right.all(axis=1) if right.ndim == 2 else right, weights=weights))

    def _strata(self, y: np.ndarray) -> Any:
        if self._multilabel:
            return None
        if len(self.classes_) <= 2:
            return y == len(self.classes_) - 1
        counts = np.bincount(y)
        held = round(self.validation_fraction * len(y))
        return y if counts[counts > 0].min() >= 2 and held >= np.count_nonzero(counts) else None

    def _has_probabilities(self) -> bool:
        probable = isinstance(self.loss, ClassLoss | BCEWithLogits) and not isinstance(self.loss, MultiMargin)
        if self.loss == "hinge" or (isinstance(self.loss, Loss) and not probable):
            raise AttributeError(f"{self._who}: loss={self.loss!r} gives margins, no probabilities; use decision_function")
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


__all__ = ["NetClassifier"]
