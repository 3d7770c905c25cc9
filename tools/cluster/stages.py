"""What the user sees while the cluster comes up: each stage with its time, and errors that show why.

Waiting is always bounded, and ends early when the process that is waited for has died.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ClusterError(Exception):
    """The cluster cannot be had; the message says what failed, with the end of its log, and what to do."""


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Print `title` and, when the block ends, the seconds that it took."""
    started = time.monotonic()
    print(f"  {title} ...", flush=True)
    yield
    print(f"  {title}: {time.monotonic() - started:.1f} s", flush=True)


def wait_until(what: str, probe: Callable[[], bool], *, seconds: float, failure: Callable[[], str | None]) -> None:
    """Call `probe` until it is true.

    Raises `ClusterError` after `seconds`, or as soon as `failure` says why it never will be.
    """
    deadline = time.monotonic() + seconds
    while not probe():
        reason = failure()
        if reason is not None:
            message = f"{what}: {reason}"
            raise ClusterError(message)
        if time.monotonic() > deadline:
            message = f"{what}: not within {seconds:.0f} s"
            raise ClusterError(message)
        time.sleep(0.1)
