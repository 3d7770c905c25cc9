"""The page that leads from Celery to Warren, taken apart into its blocks."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "from-celery.md"
_BLOCKS = re.findall(r"```python\n# ([^\n]+)\n(.*?)```", PAGE.read_text(), re.DOTALL)


def blocks(mark: str) -> list[str]:
    """Return the blocks whose first line is this comment."""
    return [text for found, text in _BLOCKS if found == mark]


TASKS = "\n".join(blocks("shop.py"))
PROGRAM = "\n".join(blocks("warren"))
CELERY_TASKS = "\n".join(blocks("celery: shop.py"))
CELERY_PROGRAM = "\n".join(blocks("celery"))
COUNT = len(re.findall(r"```python\n", PAGE.read_text()))
ALL = sum(len(blocks(mark)) for mark in ("shop.py", "warren", "celery: shop.py", "celery"))
