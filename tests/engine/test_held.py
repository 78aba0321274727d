"""What an object holds, as a tree that can be written to a file and compared."""

import numpy as np
import pytest

from modnet.engine.held import differences, give_back, held


class Thing:
    def __init__(self, value):
        self.value, self.same = value, np.arange(3)


PAIRS = [
    ([1, 2], [1]),
    ([1, 2], [1, 3]),
    ((1, 2), [1, 2]),
    ({"a": 1}, {"b": 1}),
    (1, 1.0),
    (True, 1),
    (np.zeros(2), np.zeros(3)),
    (np.zeros(2), np.zeros(2, np.float32)),
    (0.0, -1.0),
    ("a", "b"),
    (np.random.default_rng(0), np.random.default_rng(1)),
]


@pytest.mark.parametrize(("one", "two"), PAIRS, ids=range(len(PAIRS)))
def test_a_difference_is_named_by_its_attribute(one, two):
    assert list(differences(held(Thing(one))[0], held(Thing(two))[0])) == ["value"]
    for value in (one, two, float("nan")):
        assert list(differences(held(Thing(value))[0], held(Thing(value))[0])) == []


def test_attributes_come_and_go_with_what_is_given_back():
    one, two = Thing(1), Thing(2)
    one.later, two.own = [1, np.arange(2)], 3
    give_back(two, held(one)[0], "Thing")
    assert list(differences(held(one)[0], held(two)[0])) == []
    assert vars(two).keys() == vars(one).keys()
    assert two.later[1] is not one.later[1]


def generators():
    return [np.random.default_rng(1), np.random.Generator(np.random.MT19937(2)), np.random.RandomState(3)]


@pytest.mark.parametrize("mine", range(3))
@pytest.mark.parametrize("kept", range(3))
def test_a_generator_draws_on_as_it_would_have_and_stays_the_object_that_it_is(mine, kept):
    thing, source = Thing(generators()[mine]), Thing(generators()[kept])
    before, tree = thing.value, held(source)[0]
    give_back(thing, tree, "Thing")
    assert type(thing.value) is type(source.value)
    np.testing.assert_array_equal(thing.value.uniform(size=3), source.value.uniform(size=3))
    assert (thing.value is before) == (mine == kept)


@pytest.mark.parametrize("copies", [True, False])
def test_arrays_are_copies_if_asked(copies):
    thing = Thing(np.arange(3.0))
    tree, _ = held(thing, copies=copies)
    thing.value += 1
    np.testing.assert_array_equal(tree["attributes"]["value"]["array"], [0, 1, 2] if copies else [1, 2, 3])
