"""What Helm's hooks run at the two ends of a release: `python -m warren_operator.installation END`.

`established`, after an install that brought the CRDs: wait until the API server serves their kinds, so that Helm can
make the ConsumerPools. `retired`, before `helm uninstall` deletes anything: a consumer that is busy does not get its
whole grace, which may be hours. `released`, after it: no operator is left to answer to finalizers, so they are taken
away.

Forbidden here: the operator's own work.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from warren.errors import UnavailableError
from warren_operator.cluster import ConflictError, Kind, ResourceNotFoundError
from warren_operator.cluster.remains import ApiRemains, Remains
from warren_operator.mljob.decision import FINALIZER

INSTANCE: Final = "app.kubernetes.io/instance"
COMPONENT: Final = "app.kubernetes.io/component"
PATIENCE_SECONDS: Final = 60.0
"""How long to wait for a kind to be served, and for the operator's pod to be gone."""
GRACE_SECONDS: Final = 10
"""What a consumer gets to end its work; what it has not finished by then is in its queue again, on the volume."""

_POLL_SECONDS: Final = 0.5


async def established(cluster: Remains, *, poll_seconds: float = _POLL_SECONDS) -> None:
    """Return when the API server serves all of Warren's kinds.

    Raises:
        UnavailableError: it does not within a minute.

    """

    async def are_served() -> bool:
        return await cluster.served() == frozenset(Kind)

    detail = f"the API server does not serve {', '.join(Kind)}: are the CRDs there (crds.install)?"
    await _until(are_served, poll_seconds, detail)


async def retired(cluster: Remains, instance: str) -> None:
    """Let the consumers of the release `instance` end soon.

    Raises:
        UnavailableError: the API server does not answer.

    """
    await cluster.retire({INSTANCE: instance, COMPONENT: "consumer"}, GRACE_SECONDS)


async def released(cluster: Remains, instance: str, *, poll_seconds: float = _POLL_SECONDS) -> None:
    """Leave nothing of the release `instance` behind that would wait for its operator.

    Raises:
        UnavailableError: the API server does not answer, or the operator does not end.

    """

    async def operator_is_gone() -> bool:
        return not await cluster.pods({INSTANCE: instance, COMPONENT: "operator"})

    # One that still runs would put its finalizers back.
    await _until(operator_is_gone, poll_seconds, "the operator's pod is still there")
    with contextlib.suppress(ResourceNotFoundError):
        await _free_jobs(cluster)
        await _delete_pools(cluster, instance)


async def _until(condition: Callable[[], Awaitable[bool]], poll_seconds: float, otherwise: str) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        if time.monotonic() > give_up:
            raise UnavailableError(otherwise)
        await asyncio.sleep(poll_seconds)


async def _free_jobs(cluster: Remains) -> None:
    for job in (await cluster.list(Kind.MLJOB)).items:
        finalizers = tuple(job["metadata"].get("finalizers", ()))
        if FINALIZER in finalizers:
            with contextlib.suppress(ResourceNotFoundError):
                others = tuple(name for name in finalizers if name != FINALIZER)
                await cluster.write_finalizers(Kind.MLJOB, job, others)


async def _delete_pools(cluster: Remains, instance: str) -> None:
    """Delete the pools of a release that was never upgraded: Helm made them by a hook and does not own them yet."""
    for pool in (await cluster.list(Kind.CONSUMER_POOL)).items:
        if pool["metadata"].get("labels", {}).get(INSTANCE) == instance:
            with contextlib.suppress(ResourceNotFoundError):
                await cluster.delete(Kind.CONSUMER_POOL, pool)


async def _run(arguments: argparse.Namespace) -> None:
    cluster = await ApiRemains.connect(arguments.namespace)
    try:
        match arguments.end:
            case "established":
                await established(cluster)
            case "retired":
                await retired(cluster, arguments.instance)
            case "released":
                await released(cluster, arguments.instance)
    finally:
        await cluster.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what Helm's hooks are for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m warren_operator.installation", description=main.__doc__)
    parser.add_argument("end", choices=["established", "retired", "released"])
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--instance", required=True, help="the release's name")
    try:
        asyncio.run(_run(parser.parse_args(arguments)))
    except (UnavailableError, ConflictError) as error:
        print(f"warren-operator: {error.detail}", file=sys.stderr)  # noqa: T201 - the exit message
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
