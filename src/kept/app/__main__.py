"""Where `kept` and `python -m kept.app` begin: before anything else, it can be stopped."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Entry point of `kept`. Status 130 where it is stopped while it reads its own code.

    An exception would end in whatever is being imported just then, as a traceback; so the process
    ends at once. Nothing has begun that would have to be undone.
    """
    heeds = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeds:
        signal.signal(signal.SIGINT, _stop)
    # What is read in stays: looking through it for what does not would take a quarter of the time
    # until a command begins. `run` turns that on.
    gc.disable()
    from kept.app.cli import main as run

    if heeds:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(130)


def _stop(number: int, frame: FrameType | None) -> None:
    os._exit(130)


if __name__ == "__main__":
    main()
