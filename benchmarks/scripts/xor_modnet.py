import numpy as np

from modnet import MSE, Linear, Sequential, Tanh, fit
from modnet.optim import Adam

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
y = np.array([[0], [1], [1], [0]], np.float32)
net = Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 1, rng=1)).astype("float32")
history = fit(net, X, y, loss=MSE(), optimizer=Adam(lr=1e-2), epochs=2000, batch_size=4, shuffle=False, rng=0)
print(history.loss[-1])
