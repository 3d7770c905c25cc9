"""The blocks of docs/clients.md, run as they stand there, in eager mode."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.functions.api import Api
from warren.testing import eager

DOCS = Path(__file__).parents[3] / "docs"
FUNCTIONS = re.findall(r"```python\n(.*?)```", (DOCS / "functions.md").read_text(), re.DOTALL)
PAGE = "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / "clients.md").read_text(), re.DOTALL))


def test_the_page_runs(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_package.tasks")
    monkeypatch.setitem(sys.modules, "my_package", ModuleType("my_package"))
    monkeypatch.setitem(sys.modules, "my_package.tasks", module)
    exec(compile(FUNCTIONS[0], "functions.md", "exec"), vars(module))  # noqa: S102 - the page, as it stands there
    with eager():
        exec(compile(PAGE, "clients.md", "exec"), {"__name__": "page"})  # noqa: S102 - see above
    assert not api.submitted
