"""``python -m modnet``, and the command ``modnet``: see `modnet.cli`."""

import gc
import sys

from modnet.cli import main


def run() -> int:
    """Run the command line of this process, which ends after it."""
    status = main()
    gc.freeze()  # nobody needs what Python would look for at its end, among all that a compiler has made: 0.3 s
    return status


if __name__ == "__main__":
    sys.exit(run())
