"""Part 5: the auto-encoder. A network learns to give its input back through a bottleneck: what passes is a code.

    python examples/handout/part5_autoencoder.py [--usps FILE [FILE]]
"""

import numpy as np
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE
from tools import digits, finish, options, page, save, scaled

from modnet import Tied, fit, predict
from modnet.handout import AutoEncodeur, BCELoss, CrossEntropieLoss, Linear, MSELoss, Sequentiel, Sigmoide, TanH
from modnet.optim import Adam

args = options(__doc__, digits=True)
X, y, X_test, y_test = digits(args)
epochs = 2 if args.quick else 60


def layer(n, m):
    return scaled(Linear(n, m, bias=True))


def autoencoder(code=10):
    """The statement's: 256 -> 100 -> code -> 100 -> 256."""
    np.random.seed(1)
    encoder = Sequentiel(layer(256, 100), TanH(), layer(100, code), TanH())
    decoder = Sequentiel(layer(code, 100), TanH(), layer(100, 256), Sigmoide())
    return AutoEncodeur(encoder, decoder)


def trained(net, inputs=X, target=X, loss=None, epochs=epochs):
    """Adam rather than SGD: in these networks gradients of the first layers are small, and it gives each weight its step."""
    fit(net, inputs, target, loss=loss or BCELoss(), optimizer=Adam(lr=3e-3), epochs=epochs, rng=1, progress=False)
    return net


def error(net, inputs=X_test, target=X_test):
    """The mean squared error of a pixel."""
    return ((predict(net, inputs) - target) ** 2).mean()


# Compression: how few numbers can a digit of 256 pixels be told in? The network has not seen those of the test.
print("numbers in the code   error of a pixel")
print(f"{'none (the mean digit)':21} {((X.mean(axis=0) - X_test) ** 2).mean():.4f}")
nets = {code: trained(autoencoder(code)) for code in (2, 5, 10, 30)}
for code, net in nets.items():
    print(f"{code:<21} {error(net):.4f}")
ten = nets[10]
squared = trained(autoencoder(10), loss=MSELoss())
print(f"{'10, trained by MSE':21} {error(squared):.4f}")
shown = np.array([np.flatnonzero(y_test == c)[0] for c in range(10)])
rows = {"digits": X_test[shown]} | {f"{code} numbers": predict(net, X_test[shown]) for code, net in nets.items()}
page(rows, args.out / "part5_reconstructions.png", "Digits it has not seen, through narrower and wider codes")

# Weights shared, transposed: the decoder uses the encoder's matrices. Half of the parameters, and gradients from two places.
np.random.seed(1)
down, narrow = layer(256, 100), layer(100, 10)
tied = AutoEncodeur([down, TanH(), narrow, TanH()], [Tied(narrow), TanH(), Tied(down), Sigmoide()])
trained(tied)
sizes = f"{ten.parameters.size} parameters, tied {tied.parameters.size}"
print(f"weights of its own: error {error(ten):.4f}; tied {error(tied):.4f}; {sizes}")


# Groups: k-means on codes. Purity is the share of digits that are of their group's most frequent class.
def purity(Z):
    groups = KMeans(10, n_init=4, random_state=0).fit_predict(Z)
    return sum(np.bincount(y[groups == g]).max() for g in np.unique(groups)) / len(y)


codes, codes_test = ten.code(X), ten.code(X_test)
print(f"purity of k-means with 10 groups: on pixels {purity(X):.3f}, on codes of 10 {purity(codes):.3f}")


# Classes from codes. The auto-encoder has seen all images, but none of their labels.
def classify(Z, Z_test, count):
    np.random.seed(1)
    net = Sequentiel(layer(Z.shape[1], 10))
    settings = {"optimizer": Adam(lr=0.02), "epochs": 2 if args.quick else 150, "batch_size": 32, "rng": 1, "progress": False}
    fit(net, Z[:count], y[:count], loss=CrossEntropieLoss(), **settings)
    return (predict(net, Z_test).argmax(axis=1) == y_test).mean()


wide, wide_test = nets[30].code(X), nets[30].code(X_test)
print("a Linear that classifies   256 pixels   code of 30   code of 10")
for count in (50, len(X)):
    scores = [classify(*pair, count) for pair in ((X, X_test), (wide, wide_test), (codes, codes_test))]
    print(f"from {count:4} labels            {scores[0]:10.3f}   {scores[1]:10.3f}   {scores[2]:10.3f}")

# Denoising: the input is spoilt, the target is not. It learns what digits look like in order to put back what is gone.
rng = np.random.default_rng(2)


def spoilt(X):
    """Noise on every pixel, and half of the pixels gone."""
    return np.clip(X + rng.normal(0, 0.2, X.shape), 0, 1) * (rng.random(X.shape) < 0.5)


many = np.concatenate([spoilt(X) for _ in range(4)])
denoiser = trained(autoencoder(30), many, np.tile(X, (4, 1)), epochs=max(1, epochs // 3))
noisy = spoilt(X_test)
plain, denoised = error(nets[30], noisy), error(denoiser, noisy)
print(f"spoilt: error {((noisy - X_test) ** 2).mean():.4f}, by the code of 30 {plain:.4f}, by the denoiser {denoised:.4f}")
rows = {"digits": X_test[shown], "spoilt": noisy[shown], "code of 30": predict(nets[30], noisy[shown])}
page(rows | {"denoiser": predict(denoiser, noisy[shown])}, args.out / "part5_denoising.png", "Putting back what is gone")

# Views: the code of two numbers is a map; the code of ten is laid out by t-SNE, which keeps neighbours together.
few = slice(0, 60 if args.quick else 450)
flat = TSNE(perplexity=15, random_state=0, init="pca").fit_transform(codes_test[few])
figure = Figure(figsize=(11, 5), layout="constrained")
views = (("The code of two numbers", nets[2].code(X_test[few])), ("The code of ten, by t-SNE", flat))
for axes, (title, points) in zip(figure.subplots(1, 2), views, strict=True):
    for c in range(10):
        axes.scatter(*points[y_test[few] == c].T, s=0, color=f"C{c}")
    for (a, b), label in zip(points, y_test[few], strict=True):
        axes.text(a, b, str(label), color=f"C{label}", fontsize=9, ha="center", va="center")
    axes.set(title=title, xticks=[], yticks=[])
save(figure, args.out / "part5_codes.png")

# The decoder alone, on a grid of codes of two numbers: what lies between the digits.
side = np.linspace(-0.95, 0.95, 12)
drawn = predict(nets[2].decoder, np.array([[a, b] for b in side[::-1] for a in side])).reshape(12, 12, 256)
title, labels = "What the decoder makes of every code of two numbers", [f"{a:.2f}" for a in side]
page({f"{b:.2f}": line for b, line in zip(side[::-1], drawn, strict=True)}, args.out / "part5_decoded_plane.png", title, labels)
finish()
