"""``python -m modnet playground``: the page in a browser."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from modnet.cli.errors import UsageError


def playground(options: argparse.Namespace) -> int:
    """Serve the playground on this machine until Ctrl-C. The status is 0."""
    if find_spec("panel") is None:
        raise UsageError('the playground needs Panel, which is not installed: pip install "modnet[playground]"')
    from modnet.playground.page import serve

    serve(options.port, not options.no_browser)
    return 0
