"""The valid keys: read from a folder, and read anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from warren import keyring as module
from warren.keyring import Keyring
from warren.keys import KeyEntry, Scope, new_key


def put(folder: Path, name: str = "ci", *scopes: Scope) -> tuple[str, KeyEntry]:
    """Make a key valid."""
    key, entry = new_key(name, scopes or (Scope.READ,))
    (folder / entry.file).write_text(entry.text())
    return key, entry


async def until(true: Callable[[], bool]) -> None:
    """Return when it is true."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what happens here is told to nobody
            await asyncio.sleep(0.01)


async def test_two_keys_of_one_name_are_valid_while_one_takes_the_others_place(tmp_path: Path) -> None:
    old, old_entry = put(tmp_path)
    keyring = Keyring(tmp_path)
    await keyring.read()
    new, new_entry = put(tmp_path)
    assert keyring.find(new) is None
    await keyring.read()
    assert (keyring.find(old), keyring.find(new)) == (old_entry, new_entry)
    (tmp_path / old_entry.file).unlink()
    await keyring.read()
    assert (keyring.find(old), keyring.find(new)) == (None, new_entry)
    assert not keyring.holds(old_entry)


async def test_changes_are_seen_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.01)
    async with Keyring(tmp_path) as keyring:
        key, entry = put(tmp_path)
        await until(lambda: keyring.find(key) == entry)
        (tmp_path / entry.file).unlink()
        await until(lambda: keyring.find(key) is None)


async def test_an_entry_that_is_changed_counts_as_it_stands_now(tmp_path: Path) -> None:
    key, entry = put(tmp_path)
    keyring = Keyring(tmp_path)
    await keyring.read()
    (tmp_path / entry.file).write_text(entry.model_copy(update={"scopes": (Scope.ADMIN,)}).text())
    await keyring.read()
    found = keyring.find(key)
    assert found is not None
    assert found.may(Scope.ADMIN)
    assert not keyring.holds(entry)


async def test_a_secret_as_kubernetes_mounts_it(tmp_path: Path) -> None:
    def switch(version: str, *entries: KeyEntry) -> None:
        (tmp_path / version).mkdir()
        for entry in entries:
            (tmp_path / version / entry.file).write_text(entry.text())
            if not (tmp_path / entry.file).is_symlink():
                (tmp_path / entry.file).symlink_to(Path("..data") / entry.file)
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        for link in tmp_path.iterdir():
            if link.is_symlink() and not link.exists():
                link.unlink()

    (old, old_entry), (new, new_entry) = new_key("ci", (Scope.READ,)), new_key("ci", (Scope.READ,))
    switch("..2026_1", old_entry)
    keyring = Keyring(tmp_path)
    await keyring.read()
    assert keyring.find(old) == old_entry
    switch("..2026_2", old_entry, new_entry)
    await keyring.read()
    assert (keyring.find(old), keyring.find(new)) == (old_entry, new_entry)
    switch("..2026_3", new_entry)
    await keyring.read()
    assert (keyring.find(old), keyring.find(new)) == (None, new_entry)


async def test_what_is_no_entry_is_named_without_its_contents_and_keeps_nobody_out(tmp_path: Path) -> None:
    key, entry = put(tmp_path)
    (tmp_path / "pasted").write_text(key)
    (tmp_path / "wrong").write_text(entry.text().replace(entry.sha256, key))
    (tmp_path / "zz-twice").write_text(entry.model_copy(update={"name": "eve"}).text())
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    keyring = Keyring(tmp_path)
    with capture_logs() as logs:
        await keyring.read()
        await keyring.read()
    assert keyring.find(key) == entry
    assert [line["file"] for line in logs if line["log_level"] == "error"] == ["binary", "pasted", "wrong", "zz-twice"]
    assert key.split("_", 2)[2] not in str(logs)


async def test_a_webhook_secret_that_is_none_is_named_without_telling_it(tmp_path: Path) -> None:
    key, entry = put(tmp_path)
    (tmp_path / entry.file).write_text(entry.model_copy(update={"webhook_secrets": ("hush-hush",)}).text())
    keyring = Keyring(tmp_path)
    with capture_logs() as logs:
        await keyring.read()
    assert keyring.find(key) is None
    [said] = [line for line in logs if line["log_level"] == "error"]
    assert said["why"].startswith("webhook_secrets.0: Value error, a webhook secret is whsec_ and 24 to 64 bytes")
    assert "hush" not in str(logs)


async def test_a_folder_that_is_gone_holds_no_keys_and_one_that_is_unreadable_those_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    key, entry = put(folder)
    keyring = Keyring(folder)
    await keyring.read()

    def no_descriptors(_: Path) -> dict[str, bytes]:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(module, "_files", no_descriptors)
        await keyring.read()
    assert keyring.find(key) == entry
    folder.rename(tmp_path / "elsewhere")
    await keyring.read()
    assert keyring.find(key) is None
