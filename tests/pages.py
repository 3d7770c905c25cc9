"""The commands of the docs, for tests that run them as they stand there: a page that changes is a test that changes."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.debian import ensure_packages

CHECKOUT = Path(__file__).parents[1]
_PROGRAMS = ("curl", "jq", "openssl")
"""What the pages take for granted, or name; each a package of Debian."""
_BLOCK = re.compile(r"^```\w*\n(?P<fenced>[\s\S]*?)^```|^\n(?P<indented>(?: {4}.*\n|\n(?= {4}))+)", re.MULTILINE)

_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def block(page: str, holds: str) -> str:
    """Return the one block of a page, fenced or indented, that holds a text. `page` is a path in the checkout."""
    text = (CHECKOUT / page).read_text()
    found = [match["fenced"] or re.sub(r"(?m)^ {4}", "", match["indented"]) for match in _BLOCK.finditer(text)]
    (only,) = [each for each in found if holds in each]
    return str(only)


def commands(page: str, holds: str) -> list[str]:
    """Return the commands of such a block of which each begins with `$ `, without what is shown of their output."""
    return [command for command, _ in transcript(page, holds)]


def transcript(page: str, holds: str) -> list[tuple[str, str]]:
    """Return the same, each with what is shown of its output."""
    return _COMMAND.findall(block(page, holds))


def put(text: str, *changes: tuple[str, str]) -> str:
    """Return a command with what it says for example changed to what is there. Each must be in it."""
    for said, there in changes:
        assert said in text, f"{said} is not in:\n{text}"
        text = text.replace(said, there)
    return text


def typed(
    text: str, environment: Mapping[str, str], folder: Path = CHECKOUT, *, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run commands as a person types them into bash, up to the first that fails; `given` is what they read."""
    ensure_packages(_PROGRAMS)
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", text],
        cwd=folder, env=environment, input=given, capture_output=True, text=True, check=False,
    )  # fmt: skip
