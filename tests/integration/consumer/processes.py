"""Processes under test: what they import, and whether they live."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path


def install(folder: Path, module: str, source: str, group: str, entries: Mapping[str, str]) -> None:
    """Install a distribution of one module with entry points, for processes that have the folder on their path."""
    (folder / f"{module}.py").write_text(source)
    metadata = folder / f"{module}-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    lines = "\n".join(f"{name} = {target}" for name, target in entries.items())
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{lines}\n")


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def of_group(group: int) -> Iterator[int]:
    """Yield the pids of a process group's living members."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(int(entry.name)) == group and alive(int(entry.name)):
                yield int(entry.name)


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - processes tell nobody here when they end
            await asyncio.sleep(0.02)
