"""What to write instead, for people who come from scikit-learn, Keras or PyTorch."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

#: Arguments that other libraries' fit has.
FIT = {
    "learning_rate": "the rate belongs to the optimizer: optimizer=Adam(lr=0.01)",
    "lr": "the rate belongs to the optimizer: optimizer=Adam(lr=0.01)",
    "learning_rate_init": "the rate belongs to the optimizer: optimizer=Adam(lr=0.01)",
    "momentum": "momentum belongs to the optimizer: optimizer=SGD(0.01, momentum=0.9)",
    "weight_decay": "it belongs to the optimizer: optimizer=AdamW(weight_decay=0.01)",
    "alpha": "the penalty on weights belongs to the optimizer: optimizer=AdamW(weight_decay=0.01)",
    "verbose": "progress=True draws a bar, progress=False none",
    "validation_split": "write validation=0.2",
    "validation_fraction": "write validation=0.2",
    "validation_data": "write validation=(X_validation, y_validation)",
    "early_stopping": "write validation=0.2, patience=10",
    "n_iter_no_change": "write patience=10, with validation=0.2",
    "max_iter": "write epochs=100",
    "n_epochs": "write epochs=100",
    "num_epochs": "write epochs=100",
    "nb_epoch": "write epochs=100",
    "max_epochs": "write epochs=100",
    "batchsize": "write batch_size=32",
    "class_weight": "write sample_weight=modnet.balanced_weights(y), or sample_weight=np.array([1.0, 5.0])[y]",
    "random_state": "write rng=0",
    "seed": "write rng=0",
    "criterion": "write loss=CrossEntropy()",
    "loss_fn": "write loss=CrossEntropy()",
    "optim": "write optimizer=Adam()",
    "scheduler": "a schedule is the optimizer's lr: optimizer=SGD(CosineDecay(0.1, over=100))",
    "callback": "write callbacks=[callback]",
    "initial_epoch": "write checkpoint=path, resume=True",
    "steps_per_epoch": "an epoch is one pass over the data; leave it out",
    "device": "everything runs on the processor; leave it out",
    "workers": "leave it out; X may be an iterable that reads ahead",
}  # fmt: skip

#: Methods that other libraries' networks have.
MODULE = {
    "fit": "train with modnet.fit(net, X, y, loss=..., optimizer=...)",
    "predict": "write modnet.predict(net, X)",
    "predict_proba": "write Softmax().forward(modnet.predict(net, X)), or use modnet.estimators.NetClassifier",
    "score": "write modnet.evaluate(net, X, y, loss=..., metrics=['accuracy'])",
    "evaluate": "write modnet.evaluate(net, X, y, loss=..., metrics=['accuracy'])",
    "compile": "there is nothing to compile; give the loss and the optimizer to modnet.fit",
    "save": "write modnet.save(net, path)",
    "save_weights": "write modnet.save(net, path)",
    "load_weights": "write net = modnet.load(path)",
    "get_weights": "net.state_dict() has the arrays by name",
    "set_weights": "write net.load_state_dict(arrays), or net[0].weight[:] = array",
    "add": "write net.append(module)",
    "to": "everything runs on the processor; net.astype('float32') converts the parameters",
    "cuda": "everything runs on the processor; leave it out",
    "cpu": "everything runs on the processor already; leave it out",
    "double": "write net.astype('float64')",
    "half": "float32 is the smallest type: net.astype('float32')",
    "layers": "the modules are the network's items: net[0], list(net)",
    "trainable": "freeze a module through the optimizer: optimizer.attach(net, rates={0: 0.0})",
    "requires_grad": "freeze a module through the optimizer: optimizer.attach(net, rates={0: 0.0})",
}  # fmt: skip

#: Methods that other libraries' optimizers have.
OPTIMIZER = {
    "zero_grad": "gradients belong to the network: net.zero_grad()",
    "minimize": "write modnet.optim.minimize(net, loss, X, y)",
    "param_groups": "write optimizer.lr = 0.01; rates of single modules go to optimizer.attach(net, rates={0: 0.1})",
    "learning_rate": "write optimizer.lr",
}  # fmt: skip

#: Names of other libraries, and what has the same meaning here.
NAMES = {
    "MSELoss": "MSE", "L1Loss": "MAE", "HuberLoss": "Huber", "SmoothL1Loss": "Huber", "BCELoss": "BCE",
    "BCEWithLogitsLoss": "BCEWithLogits", "CrossEntropyLoss": "CrossEntropy", "NLLLoss": "NLL", "KLDivLoss": "KLDivergence",
    "MultiMarginLoss": "MultiMargin", "HingeEmbeddingLoss": "Hinge", "Dense": "Linear", "Conv1d": "Conv1D", "Conv2d": "Conv2D",
    "ConvTranspose1d": "ConvTranspose1D", "ConvTranspose2d": "ConvTranspose2D", "MaxPool1d": "MaxPool1D",
    "MaxPool2d": "MaxPool2D", "AvgPool1d": "AvgPool1D", "AvgPool2d": "AvgPool2D", "BatchNorm1d": "BatchNorm",
    "BatchNorm2d": "BatchNorm", "BatchNormalization": "BatchNorm", "LayerNormalization": "LayerNorm",
    "Adam": "optim.Adam", "AdamW": "optim.AdamW", "SGD": "optim.SGD", "RMSprop": "optim.RMSprop", "minimize": "optim.minimize",
}  # fmt: skip


def refuse_arguments(given: Mapping[str, Any], function: Callable[..., Any], hints: Mapping[str, str]) -> None:
    """TypeError about the first argument that a function does not have, with what to write instead."""
    for name in given:
        who = function.__name__
        if name in hints:
            raise TypeError(f"{who}: got {name}, which it does not have; {hints[name]}")
        own = [n for n, p in inspect.signature(function).parameters.items() if p.kind != p.VAR_KEYWORD]
        near = difflib.get_close_matches(name, own, 1)
        advice = f"; do you mean {near[0]}?" if near else f"; it has {', '.join(own)}"
        raise TypeError(f"{who}: got {name}, which it does not have{advice}")


def missing_attribute(thing: Any, name: str, hints: Mapping[str, str]) -> Any:
    """AttributeError with what to write instead; the usual one if there is nothing to say."""
    if name in hints:
        raise AttributeError(f"{type(thing).__name__} has no {name}; {hints[name]}", name=name, obj=thing)
    return object.__getattribute__(thing, name)  # raises the error that it raised before
