"""Warren's own images, one per component, from the one Dockerfile of the checkout."""

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.debian import ensure_packages
from tools.gobuild import CHECKOUT
from tools.images import buildah, docker
from tools.images.standins import ensure_base

DEFAULT: Final = ("producer", "consumer", "training", "operator")
COMPONENTS: Final = (*DEFAULT, "consumer-gpu")
LOCAL_REGISTRY: Final = "localhost"

_CERTIFICATES = "/etc/ssl/certs"
# Settings of this machine's package clients that a build needs as well; the Dockerfile keeps none of them.
_INDEX_SETTINGS = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")


def version() -> str:
    """Return the project's version, which is the tag of its images."""
    return str(tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"])


def name(component: str, registry: str = LOCAL_REGISTRY, tag: str | None = None) -> str:
    """Return the full name of the image of `component`."""
    return f"{registry.rstrip('/')}/warren-{component}:{tag or version()}"


def build(component: str, image: str) -> None:
    """Build the image of `component` under the name `image`: with Docker where it answers, else with buildah."""
    arguments = {"COMPONENT": component} | {key: os.environ[key] for key in _INDEX_SETTINGS if key in os.environ}
    if docker.usable():
        docker.build(image, CHECKOUT, arguments)
        return
    ensure_packages(["buildah"])
    ensure_base()
    volumes = [f"{_CERTIFICATES}:{_CERTIFICATES}:ro"] if Path(_CERTIFICATES).is_dir() else []
    buildah.build(image, CHECKOUT, CHECKOUT / "Dockerfile", arguments=arguments, volumes=volumes)


def push(images: Sequence[str]) -> None:
    """Push `images` to their registry, with the credentials that Docker or buildah keeps. Raises `ImageError`."""
    for image in images:
        if docker.usable():
            docker.docker("push", image)
        else:
            buildah.buildah("push", image)
