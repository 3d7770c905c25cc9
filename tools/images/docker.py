"""Builds and pushes with Docker, where its daemon answers: base images then come from their registries."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.images.buildah import ImageError


def usable() -> bool:
    """Tell whether a Docker daemon answers: its client alone is no help."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def build(image: str, context: Path, arguments: Mapping[str, str]) -> None:
    """Build the context's Dockerfile as `image`. Raises `ImageError`."""
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    docker("build", f"--tag={image}", *options, str(context))


def docker(*arguments: str) -> None:
    """Run docker. Raises `ImageError` with the end of what it said."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"docker {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-4000:]}"
        raise ImageError(message)
