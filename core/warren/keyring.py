"""The keys that are valid: a folder with one file for each, which is read anew every two seconds.

In a cluster the folder is a Secret. A key that is added or taken away there is valid, or refused, from the next reading
on. What cannot be read as an entry is no key, and keeps nobody else out.

Forbidden here: what a key is good for, and what its webhooks are signed with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import structlog
from pydantic import ValidationError

from warren.errors import SettingsError
from warren.keys import KeyEntry, key_id

if TYPE_CHECKING:
    from pathlib import Path

READ_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


class Keyring:
    """The valid keys. Use it as an asynchronous context manager, which has read them when it is entered."""

    def __init__(self, folder: Path) -> None:
        """Take the folder.

        Raises:
            SettingsError: there is no such folder.

        """
        if not folder.is_dir():
            raise SettingsError(f"WARREN_KEYS_DIR: there is no folder {folder}")
        self._folder = folder
        self._files: Mapping[str, bytes] = {}
        self._entries: Mapping[str, KeyEntry] = {}
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Read the keys, and go on reading them."""
        await self.read()
        if not self._entries:
            log.warning("there is no API key", folder=str(self._folder))
        self._reading = asyncio.create_task(self._go_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def find(self, key: str) -> KeyEntry | None:
        """Return the entry of a key; None if the key is not valid."""
        entry = self._entries.get(key_id(key) or "")
        return entry if entry is not None and entry.fits(key) else None

    def of(self, name: str) -> list[KeyEntry]:
        """Return the entries of a name's keys."""
        return [entry for entry in self._entries.values() if entry.name == name]

    def holds(self, entry: KeyEntry) -> bool:
        """Tell whether the entry is still there as it was."""
        return self._entries.get(entry.id) == entry

    async def read(self) -> None:
        """Read the folder, and take what stands there. While it cannot be read, what was known stays."""
        try:
            files = await asyncio.to_thread(_files, self._folder)
        except OSError as error:
            log.error("the API keys cannot be read; those known before stay valid", why=str(error))  # noqa: TRY400
            return
        if files != self._files:
            self._files = files
            self._take(_entries(files))

    def _take(self, entries: Mapping[str, KeyEntry]) -> None:
        added, removed = entries.keys() - self._entries.keys(), self._entries.keys() - entries.keys()
        known = {**self._entries, **entries}
        log.info(
            "API keys were read",
            valid=len(entries),
            added=sorted(known[one].file for one in added),
            removed=sorted(known[one].file for one in removed),
        )
        self._entries = entries

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(READ_SECONDS)
            try:
                await self.read()
            except Exception:
                log.exception("the API keys could not be read")


def _files(folder: Path) -> dict[str, bytes]:
    """Return the contents by name; a folder that is gone holds nothing, and neither does a file that just went.

    Names with a dot before them are Kubernetes' own: a Secret's files are links into such a folder.
    """
    found: dict[str, bytes] = {}
    with suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            with suppress(FileNotFoundError):
                if not path.name.startswith(".") and path.is_file():
                    found[path.name] = _content(path)
    return found


def _content(path: Path) -> bytes:
    """Return what stands in the file: nothing where that may not be read, so that the others are all the same."""
    try:
        return path.read_bytes()
    except PermissionError:
        return b""


def _entries(files: Mapping[str, bytes]) -> dict[str, KeyEntry]:
    entries: dict[str, KeyEntry] = {}
    for name, text in files.items():
        try:
            entry = KeyEntry.model_validate_json(text)
        except ValidationError as error:
            # Not what stands there: somebody may have put a key itself into the file.
            why = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors())
            log.error("this is no API key's entry; it is left out", file=name, why=why)  # noqa: TRY400
            continue
        if entry.id in entries:
            log.error("two API keys have one id; the second is left out", file=name, id=entry.id)
            continue
        entries[entry.id] = entry
    return entries
