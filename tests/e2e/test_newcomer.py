"""The pages as they stand: a package with one function, from nothing to its result in the cluster; images by Docker."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import docker, registry
from tests.e2e.diary import Diary
from tests.e2e.release import Release
from tests.e2e.shell import OWN
from tests.pages import block, put, typed
from tools.images.buildah import identity
from tools.images.components import version
from tools.images.docker import usable
from tools.node import install

pytestmark = pytest.mark.timeout(300)

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "first-task.md").read_text()
BLOCKS = re.findall(r"```(sh|console)\n(.*?)```", PAGE, re.DOTALL)
PROMISED_SECONDS = 600
"""From nothing, for a person who has to read and type besides."""


@pytest.fixture(name="folder")
def _folder(release: Release, tmp_path: Path) -> Iterator[Path]:
    """A checkout with an empty folder around it; later upgrades have the page's pool, too, or its queue had none."""
    checkout = tmp_path / "warren"
    checkout.mkdir()
    for entry in CHECKOUT.iterdir():
        (checkout / entry.name).symlink_to(entry)
    yield checkout
    if (values := tmp_path / "tally" / "values.yaml").exists():
        release.keep(values)


def test_a_task_from_nothing_to_its_result(folder: Path, diary: Diary) -> None:
    began, shown = time.monotonic(), ""
    for kind, text in BLOCKS:
        if kind == "console":
            assert shown.endswith(text), text
            continue
        # The environment is the one that these tests run in.
        commands = text.removeprefix("make venv\n")
        with diary.stage(commands.splitlines()[0]):
            done = typed(commands, OWN, folder)
        assert done.returncode == 0, done.stdout + done.stderr
        shown = done.stdout
    assert time.monotonic() - began < PROMISED_SECONDS


def test_the_commands_for_those_who_have_docker(folder: Path, tmp_path: Path) -> None:
    if usable():
        pytest.skip("Docker's daemon answers, and has built the images of this cluster")
    assert typed(BLOCKS[0][1], OWN, folder).returncode == 0
    node = ("cd examples/node && npm ci", f"cd {install(CHECKOUT / 'examples' / 'node')}")
    pages: dict[str, list[tuple[str, str]]] = {
        "docs/first-task.md": [], "examples/audio_length/README.md": [], "examples/lottery_results/README.md": [],
        "examples/node/README.md": [node],
    }  # fmt: skip
    built = block("docs/functions.md", "docker build").partition("helm ")[0]
    assert block("examples/audio_length/README.md", "docker build").startswith(built), "so it is run once"
    names = ["tally:1", *(f"warren-{name}:{version()}" for name in ("audio-length", "lottery-results", "node-worker"))]
    with (
        registry.serving() as there,
        docker.standing_in(tmp_path, team := f"{there.address}/team") as programs,
    ):
        environment = OWN | {"PATH": f"{programs}:{OWN['PATH']}"}
        for page, changes in pages.items():
            commands = put(block(page, "docker build"), ("registry.example.com/team", team), *changes)
            done = typed(commands.partition("helm ")[0], environment, folder)
            assert done.returncode == 0, f"{page}: {done.stdout}{done.stderr}"
        images = [f"{team}/{name}" for name in names]
        assert there.images() == {image: identity(image) for image in images}
