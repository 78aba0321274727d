"""A search over settings, spread over the workers of a Dask cluster: here two processes of this machine.

    pip install "modnet[dask]"
    python examples/search_with_dask.py

scikit-learn's searches hand their fits to joblib, and joblib hands them to Dask if it is told so: the search itself does not
change. For a cluster of several machines, replace ``LocalCluster(...)`` by the address of its scheduler: ``Client("tcp://...")``.
Each worker compiles the kernels that its own cache lacks, or reads them from a folder that all can see (MODNET_CACHE_DIR).
"""

from __future__ import annotations

import time

import joblib
from dask.distributed import Client, LocalCluster
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV, train_test_split

from modnet.estimators import NetClassifier

SETTINGS = {
    "learning_rate_init": loguniform(1e-4, 1e-1),
    "alpha": loguniform(1e-5, 10),
    "hidden_layer_sizes": [(32,), (100,), (64, 32)],
    "dropout": [0.0, 0.2],
}


def main(candidates: int = 8) -> RandomizedSearchCV:
    X, y = load_digits(return_X_y=True)
    X, test_X, y, test_y = train_test_split(X, y, random_state=0, stratify=y)
    model = NetClassifier(early_stopping=True, n_iter_no_change=5, random_state=0)
    search = RandomizedSearchCV(model, SETTINGS, n_iter=candidates, cv=3, random_state=0)
    # One thread a worker: modnet gives products of this size one thread anyway.
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        began = time.perf_counter()
        with joblib.parallel_backend("dask", scatter=[X, y]):  # the data travel once, not with each fit
            search.fit(X, y)
        print(f"{candidates} candidates, 3 folds each, on 2 workers: {time.perf_counter() - began:.1f} s")
    print(f"best in the folds: {search.best_score_:.3f} with {search.best_params_}")
    print(f"on data that were set aside: {search.score(test_X, test_y):.3f}")
    return search


if __name__ == "__main__":  # the workers import this file
    main()
