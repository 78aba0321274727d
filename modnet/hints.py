"""What to write instead, for people who come from scikit-learn, Keras or PyTorch.

The tables say what other libraries' names are called here. `explained` reads them for a function's arguments, `habits` and
`refuse` for those of methods that are called millions of times, `Explained` for those of the constructors of a class and all
that are made from it, `names_of` for the names of a package, `Modules` for its modules, `missing_attribute` and `Elsewhere` for
attributes, `such_as` for text and classes where an object is meant.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from math import inf
from opcode import opmap
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])



def _each(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table by name, of one in which names parted by blanks are told the same."""
    return {name: told for names, told in table.items() for name in names.split()}


#: Arguments that other libraries' fit has.
FIT = _each({
    "learning_rate lr learning_rate_init": "the rate belongs to the optimizer: optimizer=Adam(lr=0.01)",
    "momentum": "momentum belongs to the optimizer: optimizer=SGD(0.01, momentum=0.9)",
    "weight_decay": "it belongs to the optimizer: optimizer=AdamW(weight_decay=0.01)",
    "alpha": "the penalty on weights belongs to the optimizer: optimizer=AdamW(weight_decay=0.01)",
    "verbose": "progress=True draws a bar, progress=False none",
    "validation_split validation_fraction val": "write validation=0.2",
    "validation_data": "write validation=(X_validation, y_validation)",
    "early_stopping": "write validation=0.2, patience=10",
    "n_iter_no_change": "write patience=10, with validation=0.2",
    "max_iter n_epochs iterations n_iter num_epochs nb_epoch max_epochs": "write epochs=100",
    "bs batchsize": "write batch_size=32",
    "loss_function criterion loss_fn": "write loss=CrossEntropy()",
    "model": "the network comes first: fit(net, X, y, loss=..., optimizer=...)",
    "x": "write X, or give the data by place: fit(net, X, y, loss=..., optimizer=...)",
    "X_train": "give the data by place: fit(net, X, y, loss=..., optimizer=...)",
    "class_weight": "write sample_weight=modnet.balanced_weights(y), or sample_weight=np.array([1.0, 5.0])[y]",
    "random_state seed": "write rng=0",
    "optim": "write optimizer=Adam()",
    "scheduler": "a schedule is the optimizer's lr: optimizer=SGD(CosineDecay(0.1, over=100))",
    "callback": "write callbacks=[callback]",
    "initial_epoch": "write checkpoint=path, resume=True",
    "steps_per_epoch": "an epoch is one pass over the data; leave it out",
    "device": "everything runs on the processor; leave it out",
    "workers": "leave it out; X may be an iterable that reads ahead",
})

#: Arguments that other libraries' networks, losses and files are called with.
CALL = _each({
    "training train": "the mode is the network's: net.train() or net.eval()",
    "mask": "leave it out: a label to ignore is CrossEntropy(ignore_index=-1)",
    "sample_weight": "weights belong to fit(..., sample_weight=weights) and evaluate(..., sample_weight=weights)",
    "reduction": "loss.forward gives the loss of each example, loss(y, yhat) their mean",
    "set_to_none verbose batch_size": "leave it out",
    "lr learning_rate": "write gradient_step=0.01",
    "strict": "leave it out: all arrays are taken, or none",
    "map_location": "everything runs on the processor; leave it out",
    "weights_only": "leave it out: no file of modnet holds code",
    "compile": "leave it out: there is nothing to compile",
    "custom_objects": "write classes=[MyModule]",
    "overwrite": "leave it out: a file that is there is replaced, whole or not at all",
})

#: Arguments that other libraries' predict and evaluate have.
PREDICT = _each({
    "training train": "leave it out: the network is in evaluation mode",
    "verbose callbacks steps": "leave it out",
})

#: Arguments that other libraries' fit has, for an estimator: they belong to its constructor.
ESTIMATOR_FIT = _each({
    "epochs n_epochs": "it belongs to the constructor: max_iter=100",
    "max_iter batch_size verbose shuffle early_stopping class_weight random_state": "it belongs to the constructor",
    "learning_rate lr": "it belongs to the constructor: learning_rate_init=0.001",
    "patience": "it belongs to the constructor: early_stopping=True, n_iter_no_change=10",
    "validation_split": "it belongs to the constructor: early_stopping=True, validation_fraction=0.1",
    "validation_data eval_set": "examples are held back by the constructor: early_stopping=True, validation_fraction=0.1",
    "callbacks": "modnet.fit has callbacks; give it the network itself",
})

#: Methods that other libraries' networks have.
MODULE = _each({
    "fit": "train with modnet.fit(net, X, y, loss=..., optimizer=...)",
    "predict": "write modnet.predict(net, X)",
    "predict_proba": "write Softmax().forward(modnet.predict(net, X)), or use modnet.estimators.NetClassifier",
    "score evaluate": "write modnet.evaluate(net, X, y, loss=..., metrics=['accuracy'])",
    "compile": "there is nothing to compile; give the loss and the optimizer to modnet.fit",
    "save save_weights": "write modnet.save(net, path)",
    "load_weights load": "write net = modnet.load(path)",
    "get_weights": "net.state_dict() has the arrays by name",
    "set_weights": "write net.load_state_dict(arrays), or net[0].weight[:] = array",
    "add": "write net.append(module)",
    "to": "everything runs on the processor; net.astype('float32') converts the parameters",
    "cuda": "everything runs on the processor; leave it out",
    "cpu": "everything runs on the processor already; leave it out",
    "double": "write net.astype('float64')",
    "half": "float32 is the smallest type: net.astype('float32')",
    "layers modules children named_modules named_children": "the modules are the network's items: net[0], list(net)",
    "count_params num_parameters": "write net.parameters.size",
    "grad gradients weight_grad bias_grad dW db": "gradients are net.gradient, in one vector, and net[0].weight_gradient",
    "weights params": "write net.parameters, all of them in one vector, or net[0].weight",
    "W kernel": "write weight",
    "b": "write bias",
    "zero_gradients": "write net.zero_grad()",
    "apply": "write for module in net.leaves(): ...",
    "register_buffer": "declare it: running_mean = State(\"features\"), or keep an array as an attribute",
    "register_parameter": "declare it: weight = Parameter(\"features\"), or keep the array as _parameters",
    "reset_parameters": "make the network anew, with rng=0 in its modules",
    "freeze requires_grad_ trainable requires_grad":
        "freeze a module through the optimizer: optimizer.attach(net, rates={0: 0.0})",
})

#: Methods that other libraries' optimizers have.
OPTIMIZER = _each({
    "zero_grad": "gradients belong to the network: net.zero_grad()",
    "minimize": "write modnet.optim.minimize(net, loss, X, y)",
    "param_groups": "write optimizer.lr = 0.01; rates of single modules go to optimizer.attach(net, rates={0: 0.1})",
    "add_param_group": "rates of single modules go to optimizer.attach(net, rates={0: 0.1})",
    "learning_rate": "write optimizer.lr",
    "apply_gradients update": "write optimizer.step(), after optimizer.attach(net)",
})

#: What other libraries' records of a training have.
HISTORY = {
    "history": "its lists are attributes: history.loss, history.validation_loss, history.metrics['accuracy']",
    "val_loss": "write history.validation_loss",
    "accuracy": "write history.metrics['accuracy']",
    "val_accuracy": "write history.metrics['validation_accuracy']",
    "epoch": "write history.epochs, how many there were",
}  # fmt: skip

#: Arguments that other libraries' classes are made with, and what is the same here: the first of these that a class has.
SAME = _each({
    "learning_rate": "lr", "lr": "learning_rate_init", "eta": "lr learning_rate_init", "beta_1": "beta1", "beta_2": "beta2",
    "epsilon": "eps", "rho": "alpha", "decay": "weight_decay", "clipnorm": "clip_norm", "step_size": "every",
    "gamma": "factor", "T_max": "over", "kernel_size pool_size size": "k_size", "in_channels": "chan_in in_features",
    "out_channels": "chan_out out_features", "filters": "chan_out", "strides": "stride",
    "num_features normalized_shape embedding_dim": "features", "num_embeddings": "count", "input_dim": "in_features count",
    "output_dim": "out_features features", "input_size n_in": "in_features", "output_size n_out": "out_features",
    "use_bias": "bias", "kernel_initializer weight_init": "init", "rate prob": "p", "stddev std": "sigma",
    "negative_slope alpha": "slope", "seed": "rng random_state", "random_state": "rng", "rng": "random_state",
    "epochs n_epochs": "max_iter", "hidden_layers hidden layers": "hidden_layer_sizes", "progress": "verbose",
    "validation_split validation": "validation_fraction", "dropout_rate": "dropout",
})

#: Others, and what to do without them.
ARGUMENTS = _each({
    "params parameters": "the network comes later: fit(net, X, y, loss, optimizer), or optimizer.attach(net)",
    "betas": "write beta1=0.9, beta2=0.999",
    "amsgrad foreach inplace": "leave it out",
    "optimizer": "a schedule is the lr of an optimizer: SGD(StepDecay(0.1, every=10, factor=0.5))",
    "dilation": "windows have no dilation",
    "groups": "windows read all channels; leave it out",
    "units": "write Linear(in_features, out_features)",
    "activation": "an activation is a module of its own: Sequential(Linear(4, 8), ReLU())",
    "input_shape": "leave it out: the sizes of a module are its own arguments",
    "dim axis": "it is the last axis; leave it out",
    "num_parameters": "it has one; leave it out",
    "momentum": "momentum belongs to SGD and RMSprop",
    "dtype": "write net.astype('float32')",
    "device": "everything runs on the processor; leave it out",
    "name": "leave it out: modules are named by their places",
    "trainable": "freeze a module through the optimizer: optimizer.attach(net, rates={0: 0.0})",
    "reduction size_average": "loss.forward gives the loss of each example, loss(y, yhat) their mean",
    "weight pos_weight": "write fit(..., sample_weight=np.array([1.0, 5.0])[y])",
    "class_weight": "write fit(..., sample_weight=modnet.balanced_weights(y))",
    "from_logits": "CrossEntropy and BCEWithLogits take logits, BCE probabilities, NLL their logarithms",
    "patience": "write fit(..., validation=0.2, patience=10)",
    "weight_decay": "it belongs to the optimizer: AdamW(weight_decay=0.01)",
})

#: Metrics of other libraries, and how they are called here.
METRICS = {
    "acc": "accuracy", "binary_accuracy": "accuracy", "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy", "auc": "roc_auc", "rmsle": "mean_squared_log_error",
}  # fmt: skip

#: Text for losses, optimizers and activations, without its capitals and underscores, and the class that is meant.
TEXTS = {
    "meansquarederror": "MSE", "squarederror": "MSE", "l2": "MSE", "meanabsoluteerror": "MAE", "absoluteerror": "MAE",
    "l1": "MAE", "binarycrossentropy": "BCE", "logloss": "CrossEntropy", "categoricalcrossentropy": "CrossEntropy",
    "sparsecategoricalcrossentropy": "CrossEntropy", "kldiv": "KLDivergence", "kld": "KLDivergence", "logistic": "Sigmoid",
    "swish": "SiLU", "momentum": "SGD", "linear": "Identity", "none": "Identity",
}  # fmt: skip

#: Names of other libraries, and what has the same meaning here.
NAMES = {
    "L1Loss": "MAE", "HuberLoss": "Huber", "SmoothL1Loss": "Huber", "BCELoss": "BCE",
    "BCEWithLogitsLoss": "BCEWithLogits", "CrossEntropyLoss": "CrossEntropy", "NLLLoss": "NLL", "KLDivLoss": "KLDivergence",
    "MultiMarginLoss": "MultiMargin", "HingeEmbeddingLoss": "Hinge", "Dense": "Linear", "Conv1d": "Conv1D", "Conv2d": "Conv2D",
    "ConvTranspose1d": "ConvTranspose1D", "ConvTranspose2d": "ConvTranspose2D", "MaxPool1d": "MaxPool1D",
    "MaxPool2d": "MaxPool2D", "AvgPool1d": "AvgPool1D", "AvgPool2d": "AvgPool2D", "BatchNorm1d": "BatchNorm",
    "BatchNorm2d": "BatchNorm", "BatchNormalization": "BatchNorm", "LayerNormalization": "LayerNorm",
    "Adam": "optim.Adam", "AdamW": "optim.AdamW", "SGD": "optim.SGD", "RMSprop": "optim.RMSprop", "minimize": "optim.minimize",
    "MSELoss": "MSE", "MaxPooling1D": "MaxPool1D", "MaxPooling2D": "MaxPool2D", "AveragePooling1D": "AvgPool1D",
    "AveragePooling2D": "AvgPool2D", "GlobalAveragePooling1D": "GlobalAvgPool", "GlobalAveragePooling2D": "GlobalAvgPool",
    "AdaptiveAvgPool2d": "GlobalAvgPool", "Conv1DTranspose": "ConvTranspose1D", "Conv2DTranspose": "ConvTranspose2D",
    "MLPClassifier": "estimators.NetClassifier", "MLPRegressor": "estimators.NetRegressor",
    "NetClassifier": "estimators.NetClassifier", "NetRegressor": "estimators.NetRegressor",
    "AutoEncoder": "estimators.AutoEncoder", "StepLR": "optim.StepDecay", "ExponentialLR": "optim.ExponentialDecay",
    "CosineAnnealingLR": "optim.CosineDecay", "ReduceLROnPlateau": "optim.ReduceOnPlateau",
    "ExponentialDecay": "optim.ExponentialDecay", "load_model": "load", "save_model": "save", "Model": "Sequential",
    "CategoricalCrossentropy": "CrossEntropy", "SparseCategoricalCrossentropy": "CrossEntropy", "BinaryCrossentropy": "BCE",
    "MeanSquaredError": "MSE", "MeanAbsoluteError": "MAE", "Sequentiel": "handout.Sequentiel",
}  # fmt: skip

#: Names of other libraries for which there is nothing of the kind here, and what to do.
ADVICE = _each({
    "EarlyStopping": "write fit(..., validation=0.2, patience=10)",
    "ModelCheckpoint": "write fit(..., checkpoint=path)",
    "LearningRateScheduler lr_scheduler schedulers": "a schedule is the optimizer's lr: SGD(CosineDecay(0.1, over=100))",
    "callbacks": "a callback is a function of the training: fit(..., callbacks=[function])",
    "no_grad inference_mode": "there is no graph to leave out: call modnet.predict(net, X)",
    "tensor Tensor Variable": "everything takes numpy's arrays: np.array(...)",
    "from_numpy": "everything takes numpy's arrays; leave it out",
    "manual_seed set_seed seed": "give rng=0 to each module that draws, and to fit",
    "device cuda": "everything runs on the processor; leave it out",
    "nn": "modules and losses are modnet.Linear, modnet.CrossEntropy and so on",
    "layers": "modules are modnet.Linear, modnet.Conv2D and so on",
    "models": "a network is modnet.Sequential(...)",
    "keras": "a network is modnet.Sequential(...), trained by modnet.fit",
    "activations": "each activation is a module: modnet.ReLU()",
    "functions functional": "each function is a module: modnet.ReLU().forward(X)",
    "init": "give it to the module: modnet.Linear(4, 8, init=\"he_normal\")",
    "regularizers": "the penalty on weights belongs to the optimizer: optim.AdamW(weight_decay=0.01)",
    "optimizer optimizers": "optimizers are modnet.optim.Adam and so on",
    "neural_network": "the estimators are modnet.estimators.NetClassifier and modnet.estimators.NetRegressor",
    "data": "give the arrays to fit(net, X, y, ...), or an iterable of batches (x, y) as X; modnet.datasets has data",
    "autograd": "derivatives are written by hand: net.backward(X, delta) adds the gradients",
    "random": "give rng=0 to each module that draws, and to fit",
    "set_default_dtype": "write net.astype('float32')",
    "DataLoader Dataset TensorDataset utils": "give the arrays to fit(net, X, y, ...), or an iterable of batches (x, y) as X",
    "Input InputLayer": "leave it out: the sizes of a module are its own arguments",
    "Activation": "each activation is a module: modnet.ReLU()",
    "train": "train with modnet.fit(net, X, y, loss=..., optimizer=...)",
    "compile": "there is nothing to compile; give the loss and the optimizer to modnet.fit",
    "to_categorical one_hot": "CrossEntropy takes labels as they are; np.eye(3)[y] has a column for each",
    "accuracy_score": "write modnet.evaluate(net, X, y, loss=..., metrics=['accuracy'])",
})


# --- arguments -------------------------------------------------------------------------------------------------------


def explained(hints: Mapping[str, str]) -> Callable[[Function], Function]:
    """Decorator: an argument that a function does not have is refused with what to write instead."""

    def decorate(function: Function) -> Function:
        parameters = inspect.signature(function).parameters.values()
        own = [p.name for p in parameters]
        known, most = set(own), _by_place(parameters)

        @functools.wraps(function)
        def called(*arguments: Any, **given: Any) -> Any:
            if len(arguments) > most or (given and not known.issuperset(given)):
                who, method = function.__name__, own[:1] == ["self"]
                if method:
                    who = f"{type(arguments[0]).__name__}.{who}" if arguments else function.__qualname__
                if len(arguments) > most:
                    raise _too_many(who, own[method:], len(arguments) - method, int(most) - method)
                _refuse(who, own, given, hints)
            return function(*arguments, **given)

        return called  # type: ignore[return-value]

    return decorate


def habits(method: Function) -> Function:
    """Decorator of a method that takes any name and refuses them all: help shows it without."""
    found = inspect.signature(method)
    method.__signature__ = found.replace(  # type: ignore[attr-defined]
        parameters=[p for p in found.parameters.values() if p.kind is not p.VAR_KEYWORD]
    )
    return method


def refuse(thing: Any, name: str, given: Mapping[str, Any]) -> None:
    """TypeError for arguments that a method does not have: quicker, where there are none, than `explained` around it."""
    own = list(inspect.signature(getattr(thing, name)).parameters)
    _refuse(type(thing).__name__ + ("" if name == "__call__" else f".{name}"), own, given, CALL)


def _refuse(who: str, own: list[str], given: Mapping[str, Any], hints: Mapping[str, str]) -> None:
    name = next(name for name in given if name not in own)
    raise TypeError(f"{who}: got {name}, which it does not have; {hints.get(name) or _near(name, own)}")


def _by_place(parameters: Iterable[inspect.Parameter]) -> float:
    """How many arguments may be given by their places."""
    kinds = [p.kind for p in parameters]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return inf
    return sum(kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)


def _too_many(who: str, own: list[str], count: int, most: int) -> TypeError:
    """What is said of more arguments than may be given by their places."""
    by_name = f"; what follows goes by its name: {own[most]}=..." if most < len(own) else ""
    expected = f"at most {most} by place: {', '.join(own[:most])}" if most else "none"
    return TypeError(f"{who}: got {count} argument{'s' if count > 1 else ''}, expected {expected}{by_name}")


def _near(name: str, own: list[str]) -> str:
    own = own[1:] if own[:1] == ["self"] else own
    near = difflib.get_close_matches(name, own, 1, 0.7)
    if near:
        return f"do you mean {near[0]}?"
    return f"it has {', '.join(own)}" if own else "it has none"


class Explained:
    """A base class: its classes refuse arguments that their constructors do not have with what to write instead."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        inherited: Any = cls.__init__
        # Python's error for a missing argument names the function: that of another class if it is inherited. A class of
        # somebody's own is left alone: a dataclass would take this for a constructor that it has.
        is_ours = cls.__module__.startswith("modnet.") and "__init__" not in vars(cls)
        if is_ours and isinstance(inherited, FunctionType) and _needed(inherited) > 1:  # itself, and an argument
            own = FunctionType(inherited.__code__, inherited.__globals__, None, inherited.__defaults__, inherited.__closure__)
            functools.update_wrapper(own, inherited, ("__module__", "__doc__", "__annotations__", "__kwdefaults__"))
            del vars(own)["__wrapped__"]
            own.__qualname__ = f"{cls.__qualname__}.__init__"
            cls.__init__ = own  # type: ignore[method-assign]

    if not TYPE_CHECKING:

        def __new__(cls, *arguments: Any, **given: Any) -> Any:
            """An object that its constructor has not filled yet."""
            if given or arguments:
                own, most, any_name = _constructor(cls)
                if len(arguments) > most:
                    raise _too_many(cls.__name__, own, len(arguments), int(most))
                if given and not any_name:
                    _refuse_for_constructor(cls, own, arguments, given)
            return super().__new__(cls)

        class _OfConstructor:
            """``__signature__``: that of the constructor, whatever ``__new__`` takes."""

            def __get__(self, thing: Any, owner: Any = None) -> Any:
                return _signature(owner) if thing is None else None

        __signature__ = _OfConstructor()


#: Bounded: a cell of a notebook makes its class anew whenever it is run, and the old one must go with all that it holds.
_remembered = functools.lru_cache(maxsize=256)


def _needed(function: FunctionType) -> int:
    """How many arguments by place a function must be given."""
    return function.__code__.co_argcount - len(function.__defaults__ or ())


@_remembered
def _signature(kind: type) -> inspect.Signature:
    found = inspect.signature(kind.__init__)  # type: ignore[misc]
    return found.replace(parameters=list(found.parameters.values())[1:])


def call_of(thing: Any, *first: Any) -> str:
    """The constructor's call that makes a thing like this: its first arguments if they are given, and what is no default."""
    texts = []
    for i, (name, parameter) in enumerate(_signature(thing.__class__).parameters.items()):
        value = first[i] if i < len(first) else getattr(thing, name, parameter.default)
        if i < len(first) or (value == parameter.default) is not True:
            texts.append(f"{name}={value:g}" if isinstance(value, float) else f"{name}={' '.join(repr(value).split())}")
    return f"{type(thing).__name__}({', '.join(texts)})"


@_remembered
def _constructor(kind: type) -> tuple[list[str], float, bool]:
    """The names of a constructor's arguments, how many go by their places, and whether it takes any other name."""
    names = getattr(kind, "constructor_names", lambda: None)()
    if names is not None:
        return names, 0, False
    parameters = _signature(kind).parameters.values()
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    # A decorator may take more than the constructor that it shows.
    taken = inspect.signature(kind.__init__, follow_wrapped=False).parameters.values()  # type: ignore[misc]
    return named, _by_place(taken) - 1, any(p.kind is p.VAR_KEYWORD for p in (*parameters, *taken))


def _refuse_for_constructor(kind: type, own: list[str], arguments: tuple[Any, ...], given: Mapping[str, Any]) -> None:
    who = kind.__name__
    for name in given:
        if name in own[: len(arguments)]:
            also = f"; {ARGUMENTS['params']}" if own[0] == "lr" else ""
            raise TypeError(f"{who}: got {name} twice, by its place and by its name; it has {', '.join(own)}{also}")
        if name not in own:
            found = next((f"write {other}=..." for other in SAME.get(name, "").split() if other in own), None)
            raise TypeError(f"{who}: got {name}, which it does not have; {ARGUMENTS.get(name) or found or _near(name, own)}")


# --- names and attributes --------------------------------------------------------------------------------------------


def public(space: Mapping[str, Any]) -> list[str]:
    """A package's ``__all__``: the classes and functions that its ``__init__``, whose names these are, takes from its files."""
    own = f"{space['__name__']}."
    return sorted(name for name, value in space.items() if str(getattr(value, "__module__", None)).startswith(own))


def names_of(package: str) -> Callable[[str], Any]:
    """A package's ``__getattr__``, for names that it does not have.

    ``from modnet import X`` is told by an ImportError, since it would not show the words of an AttributeError.
    """

    def missing_name(name: str) -> Any:
        asked = sys._getframe(1)
        while asked.f_code.co_name == "__getattr__" and asked.f_back is not None:
            asked = asked.f_back
        is_import = asked.f_code.co_code[asked.f_lasti] == opmap["IMPORT_FROM"]
        found = _elsewhere(package, name)
        if found is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        raise ImportError(found) if is_import else AttributeError(found)

    return missing_name


def _elsewhere(package: str, name: str) -> str | None:
    """What is said about a name of another library; None for any other name."""
    public = [own for own in getattr(sys.modules.get(package), "__all__", ()) if own.lower() == name.lower()]
    if public or name in NAMES:
        return f"{package} has no {name}; the same is {f'{package}.{public[0]}' if public else f'modnet.{NAMES[name]}'}"
    return f"{package} has no {name}; {ADVICE[name]}" if name in ADVICE else None


class Modules:
    """The last of `sys.meta_path`: ``import modnet.nn`` is told what to write.

    Who only asks whether there is such a module is told no.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """None, or a ModuleNotFoundError with what to write if the module is asked for by an import."""
        package, _, last = name.rpartition(".")
        if not package or package.partition(".")[0] != "modnet":
            return
        asked = sys._getframe(1).f_back
        if asked is None or asked.f_code.co_name != "_find_and_load_unlocked":
            return
        if last in getattr(sys.modules.get(package), "__all__", ()):
            raise ModuleNotFoundError(f"{name} is no module; write from {package} import {last}", name=name)
        found = _elsewhere(package, last)
        if found is not None:
            raise ModuleNotFoundError(found, name=name)


def missing_attribute(thing: Any, name: str, hints: Mapping[str, str]) -> Any:
    """AttributeError with what to write instead; the usual one if there is nothing to say."""
    if name in hints:
        raise AttributeError(f"{type(thing).__name__} has no {name}; {hints[name]}", name=name, obj=thing)
    return object.__getattribute__(thing, name)  # raises the error that it raised before


class Elsewhere:
    """An attribute that the library's classes do not have, and that a script may not set in vain either.

    Parameters
    ----------
    hints : says by its name what to write instead. A class of somebody else's may set it.
    """

    def __init__(self, hints: Mapping[str, str]) -> None:
        self.hints = hints

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, thing: Any, owner: Any = None) -> Any:
        if thing is not None and self.name in vars(thing):
            return vars(thing)[self.name]
        raise AttributeError(f"{(owner or type(thing)).__name__} has no {self.name}; {self.hints[self.name]}")

    def __set__(self, thing: Any, value: Any) -> None:
        if type(thing).__module__.split(".")[0] == "modnet":
            raise AttributeError(f"{type(thing).__name__} has no {self.name}; {self.hints[self.name]}")
        vars(thing)[self.name] = value


def such_as(value: Any, package: str, arguments: str, otherwise: str) -> str:
    """An example of an object for someone who gave text or a class: of the class that is meant, if the package has it."""
    text = value.__name__ if isinstance(value, type) else value
    if not isinstance(text, str):
        return otherwise
    plain = text.lower().replace("_", "").replace(" ", "").removesuffix("loss")
    names = {name.lower(): name for name in sys.modules[package].__all__}
    found = names.get(plain) or names.get(TEXTS.get(plain, TEXTS.get(f"{plain}loss", "")).lower())
    return f"{found}({arguments})" if found else otherwise
