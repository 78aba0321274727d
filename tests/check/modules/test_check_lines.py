"""The line that is quoted is the one that is wrong, and names and inputs of other kinds are met with no false finding."""

import numpy as np

from modnet.check import check_loss, check_module
from modnet.check.building.constructors import roles_of
from modnet.check.modules.contract import examine_module


class Linear:
    def __init__(self, n, m):
        self._parameters = np.ones((n, m)) * 0.1
        self._gradient = np.zeros((n, m))
        self._bias, self._grad_bias = np.zeros((1, m)), np.zeros((1, m))

    def zero_grad(self):
        self._gradient[...] = 0
        self._grad_bias[...] = 0

    def forward(self, X): return X @ self._parameters + self._bias

    def backward_delta(self, input, delta): return delta @ self._parameters.T * 3

    def backward_update_gradient(self, input, delta):
        self._gradient += input.T @ delta
        self._grad_bias += delta.sum(axis=0)

    def update_parameters(self, gradient_step=1e-3):
        self._parameters += gradient_step * self._gradient
        self._bias -= gradient_step * self._grad_bias


def test_the_line_is_that_of_the_parameter_and_of_a_def_in_one_line_what_follows_it():
    lines = {f.where.split(".")[-1]: f.line.partition(": ")[2] for f in check_module(Linear(3, 2), (4, 3)).findings}
    assert lines["update_parameters"] == "self._parameters += gradient_step * self._gradient"
    assert lines["__init__"] == "self._parameters = np.ones((n, m)) * 0.1"
    assert lines["backward_delta"] == "return delta @ self._parameters.T * 3"


class MaxPool2D:
    def __init__(self, k_size, stride):
        self.k, self.s = k_size, stride

    def places(self, X):
        rows, columns = ((n - self.k) // self.s + 1 for n in X.shape[1:3])
        return [
            (i, j, np.s_[:, i * self.s : i * self.s + self.k, j * self.s : j * self.s + self.k])
            for i in range(rows)
            for j in range(columns)
        ]

    def forward(self, X):
        places = self.places(X)
        out = np.zeros((len(X), places[-1][0] + 1, places[-1][1] + 1, X.shape[3]))
        for i, j, at in places:
            out[:, i, j] = X[at].max(axis=(1, 2))
        return out

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for i, j, at in self.places(input):
            dx[at] = (input[at] == input[at].max(axis=(1, 2), keepdims=True)) * delta[:, i, j][:, None, None]
        return dx


def test_whole_windows_written_over_each_other_are_an_overlap():
    (finding,) = check_module(MaxPool2D(3, 2), (2, 7, 7, 2)).findings
    assert finding.kind == "overlap"


class Conv2D:
    def __init__(self, k_size, chan_in, chan_out):
        self.k = k_size
        self._parameters = np.random.uniform(-1, 1, (k_size, k_size, chan_in, chan_out))
        self._gradient = np.zeros(self._parameters.shape)

    def zero_grad(self):
        self._gradient[...] = 0

    def windows(self, X):
        return np.lib.stride_tricks.sliding_window_view(X, (self.k, self.k), (1, 2))

    def forward(self, X):
        return np.einsum("nijcab,abco->nijo", self.windows(X), self._parameters)

    def backward_update_gradient(self, input, delta):
        self._gradient += np.einsum("nijcab,nijo->baco", self.windows(input), delta)


def test_a_gradient_with_the_rows_and_columns_of_the_window_swapped_is_named():
    report = check_module(Conv2D(3, 2, 2), (2, 6, 6, 2))
    assert [f.kind for f in report.findings if f.where.endswith("backward_update_gradient")] == ["transposed"]


class Sigmoide:
    def forward(self, X):
        out = np.zeros(X.shape, dtype=int)
        out[:] = 1 / (1 + np.exp(-X))
        return out


def test_a_forward_in_whole_numbers_is_named():
    finding = check_module(Sigmoide(), (4, 3)).findings[0]
    assert (finding.kind, finding.line.partition(": ")[2]) == ("integer-result", "out = np.zeros(X.shape, dtype=int)")


class Upsample1D:
    def __init__(self, facteur):
        self.f = facteur

    def forward(self, X):
        return np.repeat(X, self.f, axis=1)

    def backward_delta(self, input, delta):
        return delta.reshape(len(input), input.shape[1], self.f, -1).sum(2).reshape(input.shape)


class OfSquares:
    """Takes rows of square pictures, and refuses others."""

    def __init__(self, taille_noyau, nb_filtres):
        self.k = taille_noyau
        self._parameters = np.random.uniform(-1, 1, (taille_noyau**2, nb_filtres))
        self._gradient = np.zeros(self._parameters.shape)

    def zero_grad(self):
        self._gradient[...] = 0

    def windows(self, X):
        side = int(np.sqrt(X.shape[1]))
        assert X.ndim == 2, "no rows"
        assert side**2 == X.shape[1], "not a square"
        found = np.lib.stride_tricks.sliding_window_view(X.reshape(len(X), side, side), (self.k, self.k), (1, 2))
        return found.reshape(len(X), -1, self.k**2), side

    def forward(self, X):
        return self.windows(X)[0] @ self._parameters

    def backward_update_gradient(self, input, delta):
        self._gradient += np.einsum("npk,npf->kf", self.windows(input)[0], delta)

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient

    def backward_delta(self, input, delta):
        side, given = self.windows(input)[1], delta @ self._parameters.T
        dx, wide = np.zeros((len(input), side, side)), side - self.k + 1
        for p in range(given.shape[1]):
            dx[:, p // wide : p // wide + self.k, p % wide : p % wide + self.k] += given[:, p].reshape(-1, self.k, self.k)
        return dx.reshape(input.shape)


def test_a_factor_that_must_be_whole_and_rows_of_square_pictures_are_no_findings():
    for kind in (Upsample1D, type("Conv2D", (OfSquares,), {})):
        report = examine_module(kind)
        assert report.ok, str(report)
        assert "backward_delta" in str(report)


def test_roles_of_french_names():
    def role(*names):
        space = {}
        exec(f"class Conv1D:\n    def __init__(self, {', '.join(names)}): self.a = {names[0]}, {', '.join(names[1:])}", space)
        return roles_of(space["Conv1D"])

    assert role("nb_filtres", "taille_filtre", "nb_canaux", "pas") == {
        "chan_out": "nb_filtres",
        "k_size": "taille_filtre",
        "chan_in": "nb_canaux",
        "stride": "pas",
    }
    assert list(role("filtres", "taille", "profondeur", "pas")) == ["chan_out", "k_size", "chan_in", "stride"]
    assert list(role("largeur_noyau", "profondeur_entree", "nb_noyaux", "pas")) == ["k_size", "chan_in", "chan_out", "stride"]
    assert list(role("hauteur", "largeur", "cin", "cout", "pas")) == ["k_size", "k_size 2", "chan_in", "chan_out", "stride"]
    assert list(role("input_size", "output_size", "k_size", "stride")) == ["chan_in", "chan_out", "k_size", "stride"]
    found = role("canaux_entrants", "canaux_sortants", "taille", "foulee", "remplissage")
    assert list(found) == ["chan_in", "chan_out", "k_size", "stride", "padding"]


class MSELoss:
    def forward(self, y, yhat):
        return 0.5 * ((y - yhat) ** 2).sum(axis=1)

    def backward(self, y, yhat):
        return yhat - y


def test_another_constant_is_a_form_and_not_a_mistake():
    (finding,) = check_loss(MSELoss(), np.eye(3), np.full((3, 3), 0.3)).findings
    assert (finding.kind, finding.weight) == ("forward", "form")
