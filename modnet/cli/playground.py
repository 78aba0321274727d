"""``python -m modnet playground``: the page in a browser."""

from __future__ import annotations

from importlib.util import find_spec

from modnet.cli.errors import UsageError


def playground(port: int, show: bool) -> int:
    """Serve the playground on this machine until Ctrl-C. The status is 0."""
    if find_spec("panel") is None:
        raise UsageError('the playground needs Panel, which is not installed: pip install "modnet[playground]"')
    from modnet.playground.page import serve

    serve(port, show)
    return 0
