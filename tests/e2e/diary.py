"""What a person sees while the suite runs: each stage as it happens, and all there is to know about a failure."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.namespace import Namespace
from tools.cluster.stages import ClusterError

_LINES = 60
_TAIL = 25


class Diary:
    """Lines on the terminal, past pytest's capture, each with the seconds since the suite began."""

    def __init__(self, config: pytest.Config) -> None:
        self._capture = config.pluginmanager.getplugin("capturemanager")
        self._terminal: pytest.TerminalReporter = config.pluginmanager.getplugin("terminalreporter")
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print the text, line by line."""
        passed = time.monotonic() - self._began
        with self._capture.global_and_fixture_disabled():
            for line in text.splitlines():
                self._terminal.write(f"  {passed:6.1f} s  {line}\n", flush=True)

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Say that the block begins, and how long it took when it has ended well."""
        began = time.monotonic()
        self.say(f"{title} ...")
        yield
        self.say(f"{title}: {time.monotonic() - began:.1f} s")

    def investigate(self, namespace: Namespace) -> None:
        """Print what a failure is explained by: resources, events, the ends of all logs."""
        try:
            for arguments in (
                ("get", "all,pvc,mljobs,consumerpools", "-o", "wide"),
                ("get", "events", "--sort-by=.lastTimestamp"),
            ):
                lines = namespace.tried(*arguments).splitlines()[-_LINES:]
                self.say("\n".join([f"--- kubectl {' '.join(arguments)}", *lines]))
            for pod in namespace.names("pods"):
                for past in ((), ("--previous",)):
                    if said := namespace.tried("logs", pod, "--all-containers", f"--tail={_TAIL}", *past):
                        self.say(f"--- the end of the log of {pod} {''.join(past)}\n{said}")
        except ClusterError as error:
            self.say(f"the cluster itself does not answer: {error}")
