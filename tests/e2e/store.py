"""The release's store, as its own command line sees it."""

from collections.abc import Iterable

from tests.e2e.namespace import Namespace
from warren.records.redis import PREFIX

POD = "pod/warren-valkey-0"
COMMAND = 'REDISCLI_AUTH=$(cat /run/credentials/valkey) valkey-cli "$@"'
FOR_EVER = -1
"""What the store answers of a key without an end."""


class Store:
    """How much of each kind it holds, and for how long."""

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

    def life(self, task_id: str) -> int | None:
        """Return for how many seconds yet a task's record is kept; None if it is not to go at all."""
        seconds = self._ask("ttl", f"{PREFIX}{task_id}")
        return None if seconds == FOR_EVER else seconds

    def have_looked_at(self, task_ids: Iterable[str]) -> None:
        """Have the sweep look at open tasks now; by itself it does not before five minutes have passed."""
        places = [word for task_id in task_ids for word in ("0", task_id)]
        self._ask("zadd", "warren:open", "XX", *places)

    def _count(self, key: str) -> int:
        return self._ask("zcard", key)

    def _ask(self, *command: str) -> int:
        done = self._namespace.execute(POD, "sh", "-c", COMMAND, "sh", *command)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)
