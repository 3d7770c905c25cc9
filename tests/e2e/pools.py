"""Pools as their user sees them: a Deployment and its pods."""

from tests.e2e.namespace import Namespace, is_ready
from tests.e2e.patience import until

SELECTOR = "app.kubernetes.io/component=consumer,warren.dev/pool="


def deployment(pool: str) -> str:
    """Return the name of a pool's Deployment."""
    return f"warren-consumer-{pool}"


def replicas(namespace: Namespace, pool: str) -> int:
    """Return how many replicas a pool is set to."""
    return int(namespace.get("deployment", deployment(pool))["spec"]["replicas"])


def ready(namespace: Namespace, pool: str) -> list[str]:
    """Return the names of a pool's pods that are ready and not ending."""
    pods = namespace.all("pods", SELECTOR + pool)
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)]


def fall_asleep(namespace: Namespace, pool: str) -> None:
    """Return when the pool has no replica and no pod."""
    until(f"the pool {pool} sleeps", lambda: replicas(namespace, pool) == 0, seconds=60)
    # One that is told to go before its Python has begun to listen is the container's first process, to which the kernel
    # does not pass that on: it has all of its grace.
    grace = namespace.get("deployment", deployment(pool))["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    until(f"the pods of {pool} are gone", lambda: not namespace.names("pods", SELECTOR + pool), seconds=grace + 30)


def deaths(namespace: Namespace, pool: str) -> int:
    """Return how often consumers of the pool have died and were started again."""
    pods = namespace.all("pods", SELECTOR + pool)
    return sum(status["restartCount"] for pod in pods for status in pod["status"].get("containerStatuses", []))


def hold(namespace: Namespace, pool: str, count: int) -> None:
    """Let the operator only advise, and have that many replicas ready."""
    namespace.patch("consumerpool", pool, {"adviseOnly": True})
    namespace.run("scale", f"deployment/{deployment(pool)}", f"--replicas={count}")
    until(f"{pool} has {count} replicas ready", lambda: len(ready(namespace, pool)) == count, seconds=60)


def let_go(namespace: Namespace, pool: str) -> None:
    """Leave the pool to the operator again."""
    namespace.patch("consumerpool", pool, {"adviseOnly": False})


def resize(namespace: Namespace, pool: str, *, slots: int, most: int) -> None:
    """Change how many tasks a consumer works on, at both places that the chart renders it to."""
    let_go(namespace, pool)
    fall_asleep(namespace, pool)
    namespace.run("set", "env", f"deployment/{deployment(pool)}", f"WARREN_CONCURRENCY={slots}")
    namespace.patch("consumerpool", pool, {"concurrency": slots, "maxReplicas": most})
