"""``python -m persado``."""

import sys

from persado.cli import main

if __name__ == "__main__":
    sys.exit(main())
