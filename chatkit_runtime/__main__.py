"""The entry point of `python -m chatkit_runtime`."""

from __future__ import annotations

import sys

from chatkit_runtime import main

if __name__ == "__main__":
    sys.exit(main())
