"""The training behind the playground: what is shown is what is done."""

import numpy as np
import pytest

from modnet.playground import views
from modnet.playground.mistakes import MISTAKES
from modnet.playground.session import CHUNK, DATA, LOSSES, Session, Settings, optimizers


def test_the_loss_falls_and_the_code_does_the_same_to_the_bit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    session = Session(Settings(noise=0.1, dropout=0.1, weight_decay=0.01))
    for _ in range(8):
        session.advance()
    assert session.epochs == 8 * CHUNK == len(session.validation) == len(session.accuracy)
    assert session.losses[-1] < 0.8 * session.losses[0]
    space = {}
    exec(compile(session.code(), "copied", "exec"), space)
    np.testing.assert_array_equal(space["net"].parameters, session.net.parameters)
    assert space["history"].loss == session.losses[-CHUNK:]
    assert (tmp_path / "playground.png").stat().st_size > 1000
    assert f"{session.share_right()}" in capsys.readouterr().out


@pytest.mark.parametrize("settings", [
    *(Settings(data=name) for name in DATA),
    *(Settings(loss=name, data="spiral") for name in LOSSES),
    *(Settings(optimizer=name, weight_decay=0.01) for name in optimizers()),
    *(Settings(mistake=name) for name in MISTAKES),
    Settings(layers=()),
    Settings(layers=(), noise=0.2, dropout=0.3),
    Settings(layers=(3,) * 6, activation="Sigmoid"),
], ids=str)  # fmt: skip
def test_every_choice_trains_and_can_be_drawn(settings):
    session = Session(settings)
    session.advance()
    assert session.epochs or session.stopped
    grid, _ = views.plane(session.X, 8)
    assert views.frontier_image(session.net, grid, 8).shape == (8, 8)
    image, rows = views.unit_images(session.net, grid, 8)
    assert image.shape[0] == len(rows) * 12
    sizes, norms = views.delta_images(session.net, session.loss, session.X, session.target)
    assert len(sizes) == len(norms) == len(list(session.net.leaves()))


@pytest.mark.parametrize("name", MISTAKES)
def test_the_checker_finds_every_mistake_that_is_made_on_purpose(name):
    assert "1 finding" in Session(Settings(mistake=name)).check_gradients()


def test_right_gradients_have_no_finding_and_why_answers():
    session = Session(Settings())
    assert "all right" in session.check_gradients()
    said = session.ask_why()
    assert "200 examples" in said
    assert "WrongSign" not in said
    assert "WrongSign.backward_delta" in Session(Settings(mistake="Linear: delta with the wrong sign")).ask_why()


def test_a_training_that_diverges_stops_and_says_so():
    session = Session(Settings(optimizer="SGD", lr=1e9, loss="MSE", activation="Identity"))
    for _ in range(20):
        session.advance()
    assert session.stopped.startswith("diverged")


def test_the_deltas_drawn_are_those_of_the_loss():
    session = Session(Settings(layers=()))
    sizes, norms = views.delta_images(session.net, session.loss, session.X, session.target)
    delta = session.loss.backward(session.target, session.net.forward(session.X)) / len(session.X)
    np.testing.assert_allclose(10 ** sizes[0], np.sqrt(np.mean(delta**2, axis=0)))
    assert norms[0][1] == pytest.approx(np.linalg.norm(delta))
