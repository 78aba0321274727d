"""``python -m modnet``, and the command ``modnet``: see `modnet.cli`."""

import sys

from modnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
