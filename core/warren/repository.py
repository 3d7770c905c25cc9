"""The model repository: versions, manifests and aliases as objects (`warren.model` says how they lie).

A version is visible once its `model.json` exists, which is created last and only once; an alias is an append-only
sequence of entries, so that a swap is one object and nothing is ever overwritten.

Forbidden here: S3, model files' contents.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn

from pydantic import ValidationError

from warren.errors import (
    InvalidRequestError,
    ModelNotFoundError,
    ObjectExistsError,
    ObjectNotFoundError,
    StorageUnavailableError,
)
from warren.model import PRODUCTION, RESERVED_VERSION, AliasEntry, Manifest
from warren.objects import ObjectUri
from warren.pool import DEFAULT_POOLS
from warren.tasks import JSON
from warren.training import MODEL_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from warren.objects import ObjectStore

_ROOT: Final = "models"
_MANIFEST: Final = "model.json"
_ENTRY: Final = re.compile(r"(\d+)\.json")
_RACES: Final = 20


class Repository:
    """Models in one bucket.

    Every method raises `StorageUnavailableError` when object storage does not answer.
    """

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket

    def uri(self, name: str, version: str, file: str = "") -> ObjectUri:
        """Return where a version's file lies; without `file`, its folder."""
        return ObjectUri(self._bucket, f"{_ROOT}/{name}/{version}/{file}")

    async def publish(self, manifest: Manifest, file: Path) -> Manifest:
        """Make a version visible, and return its manifest: this one, or that of another attempt that was first.

        Raises:
            InvalidRequestError: the name or the version is not valid.

        """
        check_name(manifest.name)
        check_version(manifest.version)
        await self._objects.upload(file, self.uri(manifest.name, manifest.version, manifest.file))
        document = manifest.model_dump_json(indent=2).encode()
        try:
            await self._objects.put(
                self.uri(manifest.name, manifest.version, _MANIFEST), document, content_type=JSON, only_if_absent=True
            )
        except ObjectExistsError:
            return await self.manifest(manifest.name, manifest.version)
        return manifest

    async def manifest(self, name: str, version: str) -> Manifest:
        """Return a version's manifest.

        Raises:
            ModelNotFoundError: there is no such version.

        """
        uri = self.uri(name, version, _MANIFEST)
        try:
            return Manifest.read(await self._objects.get(uri))
        except ObjectNotFoundError as error:
            raise ModelNotFoundError(f"there is no version {version!r} of a model {name!r}") from error
        except ValidationError as error:
            raise ModelNotFoundError(f"{uri} is not a manifest that this release reads: {error}") from error

    async def download(self, manifest: Manifest, path: Path) -> None:
        """Write a version's model file to `path`, its SHA-256 checked.

        Raises:
            ModelNotFoundError: the file is gone.
            StorageUnavailableError: it arrived with other bytes than its manifest says.

        """
        uri = self.uri(manifest.name, manifest.version, manifest.file)
        try:
            await self._objects.download(uri, path)
        except ObjectNotFoundError as error:
            raise ModelNotFoundError(f"the file of model {manifest.name!r} is gone: {uri}") from error
        if await asyncio.to_thread(sha256, path) != manifest.sha256:
            raise StorageUnavailableError(f"{uri} does not have the sha256 that its manifest says")

    async def models(self) -> list[str]:
        """Return the names of the models that have a version, sorted."""
        uris = await self._objects.list(ObjectUri(self._bucket, f"{_ROOT}/"))
        return sorted({parts[1] for parts in map(_parts, uris) if _is_manifest(parts)})

    async def versions(self, name: str) -> list[Manifest]:
        """Return the manifests of a model's versions, the newest first.

        Raises:
            ModelNotFoundError: it has none.

        """
        uris = await self._objects.list(ObjectUri(self._bucket, f"{_ROOT}/{name}/"))
        found = [parts[2] for parts in map(_parts, uris) if _is_manifest(parts)]
        if not found:
            raise ModelNotFoundError(f"there is no model {name!r}")
        manifests = await asyncio.gather(*(self.manifest(name, version) for version in found))
        return sorted(manifests, key=lambda manifest: manifest.created_at, reverse=True)

    async def resolve(self, name: str, version: str | None = None) -> str:
        """Return the version that `version` means: a version itself, else an alias; None is the alias `production`.

        Raises:
            ModelNotFoundError: there is no such model, version or alias; the message says what to do.

        """
        if version is None:
            entry = await self.alias(name)
            return entry.version if entry else await self._explain_unpromoted(name)
        try:
            return (await self.manifest(name, version)).version
        except ModelNotFoundError:
            entry = await self.alias(name, version)
        if entry is None:
            raise ModelNotFoundError(f"the model {name!r} has no version and no alias {version!r}")
        return entry.version

    async def alias(self, name: str, alias: str = PRODUCTION) -> AliasEntry | None:
        """Return where an alias points; None if it was never set."""
        numbers = await self._numbers(name, alias)
        return await self._entry(name, alias, numbers[-1]) if numbers else None

    async def history(self, name: str, alias: str = PRODUCTION) -> list[AliasEntry]:
        """Return every entry of an alias, the oldest first."""
        numbers = await self._numbers(name, alias)
        return list(await asyncio.gather(*(self._entry(name, alias, number) for number in numbers)))

    async def promote(  # noqa: PLR0913
        self,
        name: str,
        version: str,
        *,
        reason: str,
        alias: str = PRODUCTION,
        pool: str = DEFAULT_POOLS[0].name,
        once: bool = False,
    ) -> AliasEntry:
        """Point an alias at a version, unless it does already; return the entry that says so.

        `once` leaves an alias alone that has ever pointed at the version: an attempt that is repeated must not undo a
        rollback that came between.

        Raises:
            ModelNotFoundError: there is no such version.
            InvalidRequestError: the alias is not a valid name.

        """
        check_name(alias)
        await self.manifest(name, version)
        entry = AliasEntry(version=version, pool=pool, created_at=datetime.now(UTC), reason=reason)
        for _ in range(_RACES):
            history = await self.history(name, alias)
            present = [old for old in (history if once else history[-1:]) if old.version == version]
            if present and (once or present[-1].pool == pool):
                return present[-1]
            if await self._append(name, alias, len(history) + 1, entry):
                return entry
        raise _contested(name, alias)

    async def rollback(self, name: str, leaving: str, *, reason: str, alias: str = PRODUCTION) -> AliasEntry:
        """Point an alias that points at the version `leaving` at the one before it; return where it points then.

        One that points elsewhere stays, so that a call that is repeated does not go back to what was left.

        Raises:
            ModelNotFoundError: it never pointed there, or never at another before.
            InvalidRequestError: the alias is not a valid name.

        """
        check_name(alias)
        for _ in range(_RACES):
            history = await self.history(name, alias)
            if leaving not in {entry.version for entry in history}:
                raise ModelNotFoundError(f"the alias {alias!r} of {name!r} never pointed at a version {leaving!r}")
            if history[-1].version != leaving:
                return history[-1]
            before = [entry for entry in history if entry.version != leaving]
            if not before:
                raise ModelNotFoundError(f"the alias {alias!r} of {name!r} has no earlier version to go back to")
            await self.manifest(name, before[-1].version)
            entry = before[-1].model_copy(update={"created_at": datetime.now(UTC), "reason": reason})
            if await self._append(name, alias, len(history) + 1, entry):
                return entry
        raise _contested(name, alias)

    async def _append(self, name: str, alias: str, number: int, entry: AliasEntry) -> bool:
        document = entry.model_dump_json(indent=2).encode()
        try:
            await self._objects.put(
                self._alias_uri(name, alias, f"{number}.json"), document, content_type=JSON, only_if_absent=True
            )
        except ObjectExistsError:
            return False
        return True

    async def _entry(self, name: str, alias: str, number: int) -> AliasEntry:
        return AliasEntry.read(await self._objects.get(self._alias_uri(name, alias, f"{number}.json")))

    async def _numbers(self, name: str, alias: str) -> list[int]:
        uris = await self._objects.list(self._alias_uri(name, alias))
        found = (_ENTRY.fullmatch(uri.key.rpartition("/")[2]) for uri in uris)
        return sorted(int(match[1]) for match in found if match)

    def _alias_uri(self, name: str, alias: str, file: str = "") -> ObjectUri:
        return self.uri(name, RESERVED_VERSION, f"{alias}/{file}")

    async def _explain_unpromoted(self, name: str) -> NoReturn:
        versions = await self.versions(name)
        detail = (
            f"no version of the model {name!r} has been promoted to {PRODUCTION!r}; promote one, or name it: "
            f"{name}@{versions[0].version}"
        )
        raise ModelNotFoundError(detail)


def _contested(name: str, alias: str) -> StorageUnavailableError:
    return StorageUnavailableError(f"the alias {alias!r} of {name!r} is being changed by many at once; try again")


def check_name(name: str) -> None:
    """Return if this may be a model's or an alias' name.

    Raises:
        InvalidRequestError: it may not.

    """
    if not re.fullmatch(MODEL_NAME, name):
        raise InvalidRequestError(f"{name!r} is not a name: up to 63 of a-z, 0-9 and '-', not at its ends")


def check_version(version: str) -> None:
    """Return if this may be a version's name.

    Raises:
        InvalidRequestError: it may not.

    """
    check_name(version)
    if version == RESERVED_VERSION:
        raise InvalidRequestError(f"{version!r} cannot be a version: aliases are kept under that name")


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parts(uri: ObjectUri) -> list[str]:
    return uri.key.split("/")


def _is_manifest(parts: list[str]) -> bool:
    return len(parts) == 4 and parts[3] == _MANIFEST and parts[2] != RESERVED_VERSION  # noqa: PLR2004 - models/n/v/file
