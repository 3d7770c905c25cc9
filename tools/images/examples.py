"""The images of the example task packages: Warren's consumer, each with one package of examples/."""

from pathlib import Path
from typing import Final

from tools.gobuild import CHECKOUT
from tools.images import components

PACKAGES: Final = {"audio-length": "audio_length", "lottery-results": "lottery_results"}
"""Components that are no part of Warren, each with the folder of its package."""


def build(component: str, image: str, base: str) -> None:
    """Build the image of an example on `base`, an image of Warren's consumer. Raises `ImageError`."""
    folder = CHECKOUT / "examples" / PACKAGES[component]
    components.build_in(folder, image, {"WARREN": base}, lambda: components.key_of(base, folder, _sources(folder)))


def _sources(folder: Path) -> list[Path]:
    """Return what the Dockerfile copies, and the Dockerfile."""
    names = ("Dockerfile", "requirements.txt", "pyproject.toml", "README.md")
    return [*(folder / name for name in names), *sorted((folder / "src").rglob("*"))]
