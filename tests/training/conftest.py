"""The two ways that `fit` may go."""

import pytest
from fit_cases import WatchesBatches


@pytest.fixture(params=["compiled", "python"])
def path(request):
    """The callbacks that make fit take one path or the other."""
    return [WatchesBatches()] if request.param == "python" else []
