"""`python -m tools.cluster up|down|status|env`."""

import argparse
import sys
from collections.abc import Sequence

from tools.cluster import kind, local
from tools.cluster.layout import BIN, KUBECONFIG
from tools.cluster.stages import ClusterError
from tools.debian import DebianError
from tools.gobuild import GoBuildError
from tools.images import docker
from tools.images.buildah import ImageError

_EXPORTS = f'export KUBECONFIG={KUBECONFIG}\nexport PATH={BIN}:"$PATH"'


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring the local cluster up or down, say how it is, or print what a shell needs to use it."""
    parser = argparse.ArgumentParser(prog="python -m tools.cluster", description=main.__doc__)
    parser.add_argument("action", choices=sorted(_ACTIONS))
    action = _ACTIONS[parser.parse_args(arguments).action]
    try:
        return action()
    except (ClusterError, DebianError, GoBuildError, ImageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _up() -> int:
    if docker.usable():
        kind.up()
    else:
        local.up()
    print(f"The cluster is up. To use it:\n{_EXPORTS}")
    return 0


def _down() -> int:
    if docker.usable():
        kind.down()
    local.down()
    print("The cluster is gone.")
    return 0


def _status() -> int:
    reason = kind.unhealthy() if docker.usable() else local.unhealthy()
    print(f"not healthy: {reason}" if reason else f"healthy. To use it:\n{_EXPORTS}")
    return 1 if reason else 0


def _env() -> int:
    print(_EXPORTS)
    return 0


_ACTIONS = {"up": _up, "down": _down, "status": _status, "env": _env}

if __name__ == "__main__":
    sys.exit(main())
