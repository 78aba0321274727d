"""Habits of other libraries meet a sentence that says what to write; and what it says works."""

import re

import numpy as np
import pytest
from helpers import message

import modnet
from modnet import CrossEntropy, Linear, Module, Sequential, fit, hints
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


def arguments(text):
    """The arguments of fit that a hint names."""
    return re.findall(r"\b(\w+)=", text.split("optimizer=")[0])


def test_hints_name_arguments_that_there_are():
    fits = {"epochs", "batch_size", "validation", "patience", "rng", "loss", "sample_weight", "progress", "callbacks", "checkpoint",
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
        getattr(modnet, name)
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
