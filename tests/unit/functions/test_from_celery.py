"""Warren's side of docs/from-celery.md, in eager mode."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.unit.functions import page
from warren.testing import eager


def test_no_block_of_the_page_is_left_out() -> None:
    assert page.ALL == page.COUNT


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "shop.py"
    file.write_text(page.TASKS)
    spec = importlib.util.spec_from_file_location("shop", file)
    assert spec is not None
    assert spec.loader is not None
    shop = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "shop", shop)
    spec.loader.exec_module(shop)
    with eager():
        exec(compile(page.PROGRAM, str(page.PAGE), "exec"), {})  # noqa: S102 - the page, as it stands there
