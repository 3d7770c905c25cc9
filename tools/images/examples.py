"""The images of examples/: Warren's consumer with a task package each, and a worker in Node.js without Warren."""

from pathlib import Path
from typing import Final

from tools.gobuild import CHECKOUT
from tools.images import components
from tools.images.buildah import ImageError
from tools.images.standins import ensure_node
from tools.node import install

PACKAGES: Final = {"audio-length": "audio_length", "lottery-results": "lottery_results"}
"""Components that are no part of Warren, each with the folder of its package."""

NODE: Final = "node-worker"
"""The component of the worker in Node.js."""

COMPONENTS: Final = (*PACKAGES, NODE)

FILES: Final = ("Dockerfile", "requirements.txt", "pyproject.toml", "README.md")
"""What a package's folder holds besides `src`."""


def build(component: str, image: str, base: str) -> None:
    """Build the image of an example; that of a package on `base`, an image of Warren's consumer.

    Raises `ImageError`, and `NodeError` where npm cannot install what the worker in Node.js needs.
    """
    if component == NODE:
        _build_node(image)
        return
    build_package(CHECKOUT / "examples" / PACKAGES[component], image, base)


def build_package(folder: Path, image: str, base: str) -> None:
    """Build the image of a package of tasks, laid out as those of examples/ are, on `base`. Raises `ImageError`."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        message = f"{folder} is no package of tasks: it has no {', '.join(missing)}; examples/audio_length shows one"
        raise ImageError(message)
    components.build_in(folder, image, {"WARREN": base}, lambda: components.key_of(base, folder, _sources(folder)))


def component_of(folder: Path) -> str:
    """Return what the image of a package is named by: its folder, in the letters of an image's name."""
    return folder.resolve().name.lower().replace("_", "-")


def _sources(folder: Path) -> list[Path]:
    """Return what the Dockerfile copies, and the Dockerfile."""
    return [*(folder / name for name in FILES), *sorted((folder / "src").rglob("*"))]


def _build_node(image: str) -> None:
    folder = install(CHECKOUT / "examples" / "node")
    sources = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    components.build_in(folder, image, {}, lambda: components.key_of(ensure_node(), folder, sources))
