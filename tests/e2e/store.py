"""The release's store, as its own command line sees it."""

from tests.e2e.namespace import Namespace

POD = "pod/warren-valkey-0"
COUNT = 'REDISCLI_AUTH=$(cat /run/credentials/valkey) valkey-cli zcard "$0"'


class Store:
    """How much of each kind it holds."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    @property
    def open(self) -> int:
        """The tasks that have not ended."""
        return self._count("warren:open")

    @property
    def due(self) -> int:
        """The ended tasks whose reply has not been sent."""
        return self._count("warren:due")

    @property
    def dead(self) -> int:
        """The tasks that failed and have not been replayed or discarded."""
        return self._count("warren:dead")

    def _count(self, key: str) -> int:
        done = self._namespace.execute(POD, "sh", "-c", COUNT, key)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)
