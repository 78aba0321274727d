"""What arguments mean by their names, in English and French, among the meanings that are asked for."""

from __future__ import annotations

import pytest

from modnet.check.networks.wiring import own_method, role
from modnet.check.reading.arguments import NotBuilt, fill, method_given, needs, required
from modnet.check.reading.vocabulary import MEANINGS, first_method, is_rate, meaning_of

TRAINING = ("x val", "y val", "none", "quiet", "epochs", "batch", "X", "y", "loss", "optimizer", "rate", "net", "modules")


@pytest.mark.parametrize(
    ("names", "meaning"),
    [
        ("X x X_train datax batch_x inputs training_inputs features entrées x_data", "X"),
        ("y Y y_train datay targets target_data labels y_true training_outputs t expected", "y"),
        ("x_val X_test", "x val"),
        ("validation_data val_loss_every test_size callbacks eval", "none"),
        ("verbose print_every log_every plot_loss", "quiet"),
        ("epochs nb_epochs n_iter max_iter iterations num_steps n_times", "epochs"),
        ("batch_size batch minibatch_size taille_batch bs b_size batch_num", "batch"),
        ("n_batches nb_batch num_batch", ""),
        ("loss criterion loss_fn floss cost_function critere fct_loss", "loss"),
        ("optimizer optim optimiseur update_rule", "optimizer"),
        ("lr learning_rate eta alpha lr0 init_lr step_size", "rate"),
        ("net model reseau réseau network", "net"),
        ("layers modules couches liste_modules", "modules"),
        ("gamma foo dropout seed", ""),
    ],
)
def test_what_a_training_is_given(names, meaning):
    assert {name: meaning_of(name, TRAINING) for name in names.split()} == dict.fromkeys(names.split(), meaning)


@pytest.mark.parametrize(
    ("names", "meaning"),
    [
        ("delta dout grad_output errors loss_delta", "delta"),
        ("yhat y_pred output outputs predictions", "yhat"),
        ("eps epsilon gradient_step pas lr", "rate"),
        ("loss_gradient dloss", ""),
    ],
)
def test_what_a_network_of_the_contract_is_given(names, meaning):
    assert {name: role(name) for name in names.split()} == dict.fromkeys(names.split(), meaning)


def test_the_first_of_several_meanings_that_are_asked_for_is_meant():
    assert meaning_of("alpha", MEANINGS) == "rate"
    assert meaning_of("alpha", ("slope", "drop")) == "slope"
    assert meaning_of("outputs", ("outputs", "y")) == "outputs"
    assert meaning_of("outputs", ("y",)) == "y"
    assert is_rate("learning_rate")
    assert not is_rate("step")  # how many were taken


def test_arguments_are_filled_by_meaning_and_what_means_nothing_known_is_said():
    def train(self, X, labels, *, n_epochs, lr=0.5, verbose=True, X_val=None):
        raise NotImplementedError

    given, told = fill(train, {"X": 1, "y": 2, "epochs": 3, "rate": 4}, leave=("rate",))
    assert given == {"X": 1, "labels": 2, "n_epochs": 3, "verbose": False}
    assert told == {"X", "y", "epochs"}
    with pytest.raises(NotBuilt, match="what labels of train means"):
        fill(train, {"X": 1, "epochs": 3})


class Base:
    def update_parameters(self):
        raise NotImplementedError


class Net(Base):
    def fit(self, X, y, epochs=3):
        raise NotImplementedError

    def train(this, data):
        raise NotImplementedError

    def updateParameters(self):
        raise NotImplementedError


def test_methods_are_found_by_name_by_what_they_are_given_and_in_any_spelling():
    assert first_method(Net, ("predict", "train", "fit")) == "train"
    assert first_method(Net(), ("__call__",)) == ""  # which every object has on its type
    assert method_given(Net, ("train", "fit"), ("X", "y")) == "fit"
    assert required(Net, "train") == ["data"]
    assert needs(Net.fit) == ["X", "y"]
    assert own_method(Net(), ("update_parameters",), [Base()]) == "updateParameters"
    assert own_method(type("Bare", (Base,), {})(), ("update_parameters",), [Base()]) == ""
    assert own_method(type("Bare", (Base,), {})(), ("update_parameters",), []) == "update_parameters"
