"""Stand-ins for official images, made of Debian's packages where no registry can be reached.

Each keeps the official image's name, user, entrypoint and paths, so that one chart serves both.
"""

import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tools.gobuild import build as build_program
from tools.images import buildah
from tools.images.chroot import ensure_chroot

DEBIAN: Final = "docker.io/library/debian:trixie-slim"
PYTHON: Final = "docker.io/library/python:3.13.5-slim-trixie"
NODE: Final = "docker.io/library/node:20-trixie-slim"
_FOLDER = Path(__file__).parent / "standins"


@dataclass(frozen=True)
class StandIn:
    """An official image, the folder that its stand-in is built from, and the Go programs copied into it."""

    image: str
    recipe: str
    programs: tuple[str, ...] = ()


PEERS: Final = (
    StandIn("docker.io/library/rabbitmq:4.0-management", "rabbitmq"),
    StandIn("docker.io/valkey/valkey:8.1", "valkey"),
    StandIn("docker.io/prom/prometheus:v2.53.0", "prometheus"),
    StandIn("docker.io/versity/versitygw:v1.8.0", "versitygw", ("versitygw",)),
)


@cache
def ensure_base() -> str:
    """Return the name of the Python base image, making its stand-in where the store has none."""
    if buildah.identity(DEBIAN) is None:
        buildah.import_root(DEBIAN, ensure_chroot("trixie"))
    _build(StandIn(PYTHON, "python"))
    return PYTHON


@cache
def ensure_node() -> str:
    """Return the name of the Node.js base image, making its stand-in."""
    ensure_base()
    _build(StandIn(NODE, "node"))
    return NODE


def ensure_peers() -> list[str]:
    """Return the names of the images of RabbitMQ, Valkey, Prometheus and the S3 server, making their stand-ins."""
    ensure_base()
    for peer in PEERS:
        _build(peer)
    return [peer.image for peer in PEERS]


def _build(stand_in: StandIn) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        context = Path(temporary, "context")
        shutil.copytree(_FOLDER / stand_in.recipe, context)
        for program in stand_in.programs:
            shutil.copy(build_program(program), context / program)
        buildah.build(stand_in.image, context, context / "Dockerfile")
