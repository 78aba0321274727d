"""Habits of other libraries meet a sentence that says what to write; and what it says works."""

import copy
import gc
import importlib
import importlib.util
import inspect
import pickle
import pkgutil
import re
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
from helpers import message

import modnet
from modnet import CrossEntropy, Linear, Module, Sequential, fit, handout, hints, optim
from modnet.estimators import NetClassifier
from modnet.optim import SGD, Adam

X, Y = np.ones((4, 2)), np.array([0, 1, 0, 1])


@pytest.mark.parametrize("name", hints.FIT)
def test_an_argument_of_another_library(name):
    text = message(TypeError, fit, Linear(2, 2), X, Y, CrossEntropy(), Adam(), **{name: 1})
    assert text == f"fit: got {name}, which it does not have; {hints.FIT[name]}"


def test_an_argument_with_a_slip_of_the_pen():
    assert message(TypeError, fit, Linear(2, 2), X, Y, CrossEntropy(), Adam(), batchs_size=3) == (
        "fit: got batchs_size, which it does not have; do you mean batch_size?"
    )
    assert message(TypeError, fit, Linear(2, 2), X, Y, CrossEntropy(), Adam(), zzz=3).startswith(
        "fit: got zzz, which it does not have; it has net, X, y, loss, optimizer, epochs"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("Softmax(1)", "Softmax: got 1 argument, expected none"),
        ("MSE('mean')", "MSE: got 1 argument, expected none"),
        ("ELU(1, True)", "ELU: got 2 arguments, expected at most 1 by place: alpha"),
        ("StepDecay(0.1, 2, 0.5, 'epoch', 3)", "StepDecay: got 5 arguments, expected at most 4 by place: lr, every, factor, per"),
        ("fit(net, X, Y, MSE(), Adam(), 5)",
         "fit: got 6 arguments, expected at most 5 by place: net, X, y, loss, optimizer; what follows goes by its name: epochs=..."),
        ("NetClassifier().fit(X, Y, 1, 2)", "NetClassifier.fit: got 4 arguments, expected at most 3 by place: X, y, sample_weight"),
    ],
)  # fmt: skip
def test_more_arguments_than_there_are_places(wrong, said):
    names = {**vars(modnet), **vars(optim), "NetClassifier": NetClassifier, "net": Sequential(Linear(2, 2)), "X": X, "Y": Y}
    assert message(TypeError, eval, wrong, names) == said
    assert handout.Linear(2, 3, True).forward(X).shape == (4, 3)  # a decorated constructor takes all that it shows


def _public_classes():
    """The classes that a package of modnet names as its own, by name; not those whose arguments are Python's own affair."""
    packages = [modnet, *(importlib.import_module(f"modnet.{info.name}") for info in pkgutil.iter_modules(modnet.__path__) if info.ispkg)]
    found = {getattr(package, name) for package in packages for name in getattr(package, "__all__", ())}
    kinds = {kind for kind in found if isinstance(kind, type) and not issubclass(kind, BaseException | list)}
    return sorted(kinds - {modnet.kernels.Parameter}, key=lambda kind: (kind.__module__, kind.__name__))


@pytest.mark.parametrize("kind", _public_classes(), ids=lambda kind: f"{kind.__module__.split('.')[1]}-{kind.__name__}")
def test_a_wrong_call_of_a_constructor_names_the_class_that_was_called(kind):
    parameters = inspect.signature(kind).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    name = re.escape(kind.__name__)
    for left_out in required:
        for given in ({}, dict.fromkeys(required, 1)):
            given.pop(left_out, None)
            with pytest.raises(TypeError, match=rf"^{name}\b.* missing .*'{left_out}'"):
                kind(**given)
    if all(p.kind is not p.VAR_POSITIONAL for p in parameters):
        with pytest.raises(TypeError, match=rf"^{name}\b"):
            kind(*[1] * (len(parameters) + 1))
    if kind is not optim.Optimizer:  # what an optimizer of somebody's hands on goes by any name
        with pytest.raises(TypeError, match=rf"^{name}\b.*(qqq|takes no arguments)"):
            kind(**dict.fromkeys(required, 1), qqq=1)


@pytest.mark.parametrize(
    ("wrong", "said", "right"),
    [
        ("Adam(learning_rate=0.1)", "Adam: got learning_rate, which it does not have; write lr=...", "Adam(lr=0.1)"),
        ("Adam(betas=(0.9, 0.99))", "write beta1=0.9, beta2=0.999", "Adam(beta1=0.9, beta2=0.999)"),
        ("SGD(net.parameters, lr=0.1)", "SGD: got lr twice", "SGD(lr=0.1).attach(net)"),
        ("SGD(net.parameters, lr=0.1)", "optimizer.attach(net)", "SGD(lr=0.1).attach(net)"),
        ("optimizer.zero_grad()", "net.zero_grad()", "net.zero_grad()"),
        ("setattr(optimizer, 'learning_rate', 0.1)", "write optimizer.lr", "setattr(optimizer, 'lr', 0.1)"),
        ("setattr(net[0], 'trainable', False)", "optimizer.attach(net, rates={0: 0.0})", "optimizer.attach(net, rates={0: 0.0})"),
        ("setattr(net, 'requires_grad', False)", "optimizer.attach(net, rates={0: 0.0})", "optimizer.attach(net, rates={0: 0.0})"),
        ("fit(net, X, Y, 'mse', Adam())", "loss is 'mse', expected a loss object such as MSE()", "MSE()"),
        ("fit(net, X, Y, 'sparse_categorical_crossentropy', Adam())", "such as CrossEntropy()", "CrossEntropy()"),
        ("fit(net, X, Y, MAE, Adam())", "loss is MAE, expected a loss object such as MAE()", "MAE()"),
        ("fit(net, X, Y, MSE(), 'rmsprop')", "such as RMSprop(lr=1e-3)", "RMSprop(lr=1e-3)"),
        ("fit(model=net, x=X, y=Y)", "the network comes first: fit(net, X, y, ", "fit(net, X, Y, CrossEntropy(), Adam(), epochs=1)"),
        ("fit(net, X, Y, CrossEntropy(), Adam(), metrics=['acc'])", "do you mean 'accuracy'?",
         "fit(net, X, Y, CrossEntropy(), Adam(), epochs=1, metrics=['balanced_accuracy'])"),
        ("predict(net, X, verbose=0)", "predict: got verbose, which it does not have; leave it out", "predict(net, X)"),
        ("evaluate(net, X, Y, loss=CrossEntropy(), verbose=0)", "leave it out", "evaluate(net, X, Y, loss=CrossEntropy())"),
        ("Linear(4, 8, activation='relu')", "Sequential(Linear(4, 8), ReLU())", "Sequential(Linear(4, 8), ReLU())"),
        ("Linear(4, 8, use_bias=False)", "write bias=...", "Linear(4, 8, bias=False)"),
        ("Linear(2, 2, axis=1)", "it is the last axis; leave it out", "Linear(2, 2)"),
        ("Softmax(dim=1)", "it is the last axis; leave it out", "Softmax()"),
        ("Conv2D(kernel_size=3, chan_in=1, chan_out=2)", "write k_size=...", "Conv2D(k_size=3, chan_in=1, chan_out=2)"),
        ("BatchNorm(num_features=3)", "write features=...", "BatchNorm(features=3)"),
        ("MSE(reduction='sum')", "loss.forward gives the loss of each example", "MSE().forward([[1.0]], [[2.0]]).sum()"),
        ("CrossEntropy(wieght=1)", "it has label_smoothing, ignore_index", "CrossEntropy(ignore_index=0)"),
        ("CrossEntropy()(net(X), Y)", "y comes first: loss(y, yhat)", "CrossEntropy()(Y, net(X))"),
        ("StepDecay(0.1, step_size=3, gamma=0.1)", "write every=...", "StepDecay(0.1, every=3, factor=0.1)"),
        ("Sequential(Linear(2, 3), 'relu')", "backward_delta, such as ReLU()", "Sequential(Linear(2, 3), ReLU())"),
        ("history.history['loss']", "history.validation_loss", "history.loss, history.validation_loss"),
        ("history['loss']", "write history.loss", "history.loss"),
        ("history.val_accuracy", "history.metrics['validation_accuracy']", "history.metrics['accuracy']"),
        ("modnet.save(net.state_dict(), 'x')", "expected a network; modnet.save(net, path)", "net.state_dict()"),
        ("NetClassifier(epochs=3)", "NetClassifier: got epochs, which it does not have; write max_iter=...", "NetClassifier(max_iter=3)"),
        ("NetClassifier(optimizer='rmsprop').fit(X, Y)", "such as RMSprop(lr=1e-3)", "NetClassifier(optimizer=RMSprop(lr=1e-3))"),
        ("net.train(3)", "train's mode is 3, expected True or False", "net.train(False)"),
        ("net(X, training=True)", "the mode is the network's: net.train() or net.eval()", "net.train()(X)"),
        ("net[0](X, training=False)", "Linear.forward: got training, which it does not have; the mode is", "net[0].eval()(X)"),
        ("net.forward(X, mask=X)", "leave it out", "net.forward(X)"),
        ("net.zero_grad(set_to_none=True)", "Sequential.zero_grad: got set_to_none, which it does not have; leave it out", "net.zero_grad()"),
        ("net[0].update_parameters(lr=0.1)", "write gradient_step=0.01", "net[0].update_parameters(gradient_step=0.1)"),
        ("net.load_state_dict(net.state_dict(), strict=False)", "all arrays are taken, or none", "net.load_state_dict(net.state_dict())"),
        ("CrossEntropy()(Y, net(X), sample_weight=X)", "CrossEntropy: got sample_weight, which it does not have; weights belong to fit(",
         "evaluate(net, X, Y, loss=CrossEntropy(), sample_weight=np.ones(4))"),
        ("predict(net, X, training=False)", "leave it out: the network is in evaluation mode", "predict(net, X)"),
        ("modnet.load('x', map_location='cpu')", "leave it out", "modnet.load"),
        ("Sequential(input_shape=(2,))", "leave it out: the sizes of a module are its own arguments", "Sequential(Linear(2, 2))"),
        ("Adam(net.parameters, 0.1)", "the network comes later: fit(net, X, y, loss, optimizer), or optimizer.attach(net)", "Adam(0.1).attach(net)"),
        ("StepDecay(optimizer, 10)", "SGD(StepDecay(0.1, every=10, factor=0.5))", "SGD(StepDecay(0.1, every=10, factor=0.5))"),
        ("NetClassifier().fit(X, Y, epochs=3)", "it belongs to the constructor: max_iter=100", "NetClassifier(max_iter=100)"),
        ("NetClassifier().predict(X, batch_size=3)", "NetClassifier.predict: got batch_size, which it does not have; leave it out", "NetClassifier()"),
        ("net.modules()", "net[0], list(net)", "net[0], list(net)"),
        ("net.to('cpu')", "net.astype('float32')", "net.astype('float32')"),
    ],
)  # fmt: skip
def test_a_habit_meets_a_hint_that_works(wrong, said, right):
    names = {**vars(modnet), **vars(optim), "NetClassifier": NetClassifier, "X": X, "Y": Y, "modnet": modnet}
    names |= {"np": np, "net": Sequential(Linear(2, 2, rng=0)), "optimizer": Adam(), "history": modnet.History()}
    names["history"].metrics["accuracy"] = []
    with pytest.raises((TypeError, AttributeError, ValueError)) as raised:
        eval(wrong, names)
    assert "\n" not in str(raised.value)
    assert said in str(raised.value)
    eval(right, names)


PACKAGES = ["modnet", "modnet.losses", "modnet.modules", "modnet.optim", "modnet.estimators"]


@pytest.mark.parametrize(
    ("package", "name"), [(p, n) for p in PACKAGES for n in hints.ADVICE if importlib.util.find_spec(f"{p}.{n}") is None]
)
def test_a_name_without_the_like_here(package, name):
    with pytest.raises(ImportError, match=f"^{package} has no {name}; ") as raised:
        exec(f"from {package} import {name}")
    assert str(raised.value).endswith(hints.ADVICE[name])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("import modnet.nn", f"modnet has no nn; {hints.ADVICE['nn']}"),
        ("import modnet.nn as nn", f"modnet has no nn; {hints.ADVICE['nn']}"),
        ("import modnet.nn.functional as F", f"modnet has no nn; {hints.ADVICE['nn']}"),
        ("from modnet.layers import Dense", f"modnet has no layers; {hints.ADVICE['layers']}"),
        ("from modnet.optim.lr_scheduler import StepLR", f"modnet.optim has no lr_scheduler; {hints.ADVICE['lr_scheduler']}"),
        ("import modnet.Dense", "modnet has no Dense; the same is modnet.Linear"),
        ("import modnet.Linear", "modnet.Linear is no module; write from modnet import Linear"),
        ("import modnet.no_such", "No module named 'modnet.no_such'"),
        ("import modnet_no_such.nn", "No module named 'modnet_no_such'"),
    ],
)
def test_a_module_of_another_library_is_imported(wrong, said):
    with pytest.raises(ModuleNotFoundError) as raised:
        exec(wrong, {})
    assert str(raised.value) == said
    assert wrong.split()[1].startswith(raised.value.name)


@pytest.mark.parametrize("name", ["nn", "layers", "Linear"])
def test_who_only_asks_for_a_module_is_told_no(name):
    assert importlib.util.find_spec(f"modnet.{name}") is None
    assert name not in {found.name for found in pkgutil.iter_modules(modnet.__path__)}
    assert hasattr(modnet, name) == (name == "Linear")


def test_a_class_of_ones_own_may_have_a_forward_with_more_arguments():
    class Mine(Module):
        def forward(self, X, training=False):
            return X * (2 if training else 1)

    assert Mine()(X, training=True).sum() == 2 * Mine()(X).sum()


def test_capitals_do_not_matter():
    for wrong, right in (("relu", "ReLU"), ("mse", "MSE"), ("TANH", "Tanh"), ("layernorm", "LayerNorm")):
        with pytest.raises(ImportError, match=f"modnet has no {wrong}; the same is modnet.{right}$"):
            exec(f"from modnet import {wrong}", {})
    assert not hasattr(modnet, "no_such_name")


def test_classes_that_are_made_again_and_again_are_forgotten():
    def made():
        class Own(Module):
            pass

        assert repr(Own()) == "Own()"
        return weakref.ref(Own)

    first = made()
    for _ in range(300):
        made()
    gc.collect()
    assert first() is None


def test_signatures_and_classes_of_ones_own_are_as_ever():
    """A constructor's help is its own, and a class of somebody's takes what its constructor takes."""
    assert list(inspect.signature(Linear).parameters) == ["in_features", "out_features", "bias", "init", "rng"]
    assert str(inspect.signature(modnet.Tanh)) == "(**present: 'bool') -> 'None'"
    assert list(inspect.signature(Linear(2, 2)).parameters) == ["X"]

    class Mine(Linear):
        def __init__(self, units, activation=None):
            super().__init__(units, units, rng=0)
            self.trainable, self.requires_grad = activation, False

    mine = Mine(units=2, activation="relu")
    assert (mine.trainable, mine.requires_grad) == ("relu", False)
    assert list(inspect.signature(Mine).parameters) == ["units", "activation"]
    assert copy.deepcopy(mine).trainable == "relu"
    assert repr(pickle.loads(pickle.dumps(Adam(lr=0.5)))) == repr(Adam(lr=0.5))

    @dataclass
    class Inverse(optim.Schedule):
        lr: float
        per: str = "step"

    assert Inverse(0.5) == Inverse(0.5, per="step")
    with pytest.raises(TypeError, match=r"Mine: got unit, which it does not have; do you mean units\?"):
        Mine(unit=3)


@pytest.mark.parametrize("table", ["FIT", "MODULE", "OPTIMIZER", "HISTORY", "ADVICE"])
def test_no_hint_is_about_something_that_there_is(table):
    there = {"FIT": set(inspect.signature(fit).parameters), "ADVICE": set(vars(modnet)), "MODULE": set(dir(Linear(2, 2))),
             "OPTIMIZER": set(dir(Adam())), "HISTORY": {*dir(modnet.History()), *vars(modnet.History())}}[table]  # fmt: skip
    assert not set(getattr(hints, table)) & (there - {"trainable", "requires_grad"})


def arguments(text):
    """The arguments of fit that a hint names."""
    return re.findall(r"\b(\w+)=", text.split("optimizer=")[0])


def test_hints_name_arguments_that_there_are():
    fits = {"epochs", "optimizer", "batch_size", "validation", "patience", "rng", "loss", "sample_weight", "progress", "callbacks", "checkpoint",
            "resume"}  # fmt: skip
    for text in hints.FIT.values():
        assert set(arguments(text)) <= fits, text


@pytest.mark.parametrize("name", hints.MODULE)
def test_a_method_of_another_librarys_network(name):
    for module in (Linear(2, 2), Sequential(Linear(2, 2)), Module()):
        assert not hasattr(module, name)
        with pytest.raises(AttributeError) as raised:
            getattr(module, name)
        assert str(raised.value) == f"{type(module).__name__} has no {name}; {hints.MODULE[name]}"


def test_any_other_attribute_is_missing_as_ever():
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'nothing'"):
        Linear(2, 2).nothing  # noqa: B018

    class Mine(Linear):
        @property
        def broken(self):
            return self.no_such_thing

    with pytest.raises(AttributeError, match="no_such_thing"):
        Mine(2, 2).broken  # noqa: B018


@pytest.mark.parametrize("name", hints.OPTIMIZER)
def test_a_method_of_another_librarys_optimizer(name):
    with pytest.raises(AttributeError) as raised:
        getattr(SGD(0.1), name)
    assert str(raised.value) == f"SGD has no {name}; {hints.OPTIMIZER[name]}"


@pytest.mark.parametrize("name", hints.NAMES)
def test_a_name_of_another_library(name):
    with pytest.raises(ImportError) as raised:
        exec(f"from modnet import {name}", {})
    assert str(raised.value).startswith(f"modnet has no {name}; the same is modnet.")
    with pytest.raises(AttributeError) as asked:
        getattr(modnet, name)
    assert str(asked.value) == str(raised.value)
    meant = str(raised.value).removeprefix(f"modnet has no {name}; the same is modnet.").split(".")
    found = modnet
    for part in meant:
        found = getattr(found, part)
    assert callable(found)


def test_a_class_where_an_object_is_meant():
    assert message(TypeError, fit, Linear(2, 2), X, Y, CrossEntropy(), Adam) == (
        "fit: optimizer is Adam, expected an optimizer object such as Adam(lr=1e-3)"
    )
    assert message(TypeError, fit, Linear(2, 2), X, Y, optimizer=Adam()) == (
        "fit: loss is None, expected a loss object such as CrossEntropy()"
    )
