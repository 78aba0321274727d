"""``python -m modnet``, and the command ``modnet``: see `modnet.cli`."""

import gc
import sys

from modnet import cli


def main() -> int:
    """Run the process's command line; the process ends after it."""
    status = cli.main()
    gc.freeze()  # nobody needs what Python would look for at its end, among all that a compiler has made: 0.3 s
    return status


if __name__ == "__main__":
    sys.exit(main())
