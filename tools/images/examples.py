"""The images of examples/: Warren's consumer with a task package each, and a worker in Node.js without Warren."""

from pathlib import Path
from typing import Final

from tools.gobuild import CHECKOUT
from tools.images import components
from tools.images.standins import ensure_node
from tools.node import install

PACKAGES: Final = {"audio-length": "audio_length", "lottery-results": "lottery_results"}
"""Components that are no part of Warren, each with the folder of its package."""

NODE: Final = "node-worker"
"""The component of the worker in Node.js."""

COMPONENTS: Final = (*PACKAGES, NODE)


def build(component: str, image: str, base: str) -> None:
    """Build the image of an example; that of a package on `base`, an image of Warren's consumer.

    Raises `ImageError`, and `NodeError` where npm cannot install what the worker in Node.js needs.
    """
    if component == NODE:
        _build_node(image)
        return
    folder = CHECKOUT / "examples" / PACKAGES[component]
    components.build_in(folder, image, {"WARREN": base}, lambda: components.key_of(base, folder, _sources(folder)))


def _sources(folder: Path) -> list[Path]:
    """Return what the Dockerfile copies, and the Dockerfile."""
    names = ("Dockerfile", "requirements.txt", "pyproject.toml", "README.md")
    return [*(folder / name for name in names), *sorted((folder / "src").rglob("*"))]


def _build_node(image: str) -> None:
    folder = install(CHECKOUT / "examples" / "node")
    sources = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    components.build_in(folder, image, {}, lambda: components.key_of(ensure_node(), folder, sources))
