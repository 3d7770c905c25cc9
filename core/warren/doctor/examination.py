"""The whole examination: every dependency that a variable names, all at once, within a bounded time.

Forbidden here: judging; the modules by dependency do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

from pydantic import Field

from warren.broker.depths import depths
from warren.broker.inspection import ask_amqp, ask_management
from warren.client.readiness import readiness
from warren.doctor import broker, environment, producer, storage, store
from warren.doctor.finding import Finding, Findings
from warren.errors import WarrenError
from warren.objects.s3 import S3Objects
from warren.records.inspection import ask_store
from warren.settings import PREFIX, PoolsSettings, Settings, StorageSettings, load
from warren.topology import topology

SECONDS: Final = 9.0
"""How long one dependency may take; all are asked at once."""

LOOK_AGAIN_SECONDS: Final = 2.0
STORAGE_SECONDS: Final = 2.0
"""How long object storage may be silent: its client tries twice, and then its thread has to end."""

_STORAGE_VARIABLES: Final = ("WARREN_STORAGE_BUCKET", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID")

Examination = Callable[[], Awaitable[list[Finding]]]


class DoctorSettings(Settings, StorageSettings, PoolsSettings):
    """Where everything is; what is not said is not looked at."""

    broker_url: str | None = Field(None, pattern="^amqps?://")
    broker_management_url: str | None = Field(None, pattern="^https?://")
    records_url: str | None = Field(None, pattern="^(rediss?|unix)://")
    url: str | None = Field(None, pattern="^https?://")


async def examine(environ: Mapping[str, str]) -> list[Finding]:
    """Look at everything that the environment names; findings come by dependency.

    Raises:
        SettingsError: a variable that names a dependency is malformed.

    """
    ours = {f"{PREFIX}{name.upper()}" for name in DoctorSettings.model_fields}
    settings = load(DoctorSettings, {name: value for name, value in environ.items() if name in ours})
    found = [*environment.judge_environment(environ, environment.known_variables() | ours)]
    storage_named = any(environ.get(name) for name in _STORAGE_VARIABLES)
    examinations = (
        _named(producer.ABOUT, "WARREN_URL", settings.url, _producer),
        _named(broker.ABOUT, "WARREN_BROKER_URL", settings.broker_url, lambda _: _broker(settings)),
        _named(
            Findings("management"), "WARREN_BROKER_MANAGEMENT_URL",
            settings.broker_url and settings.broker_management_url, lambda _: _management(settings),
        ),
        _named(store.ABOUT, "WARREN_RECORDS_URL", settings.records_url, _store),
        _named(storage.ABOUT, _STORAGE_VARIABLES[0], settings.storage_bucket if storage_named else None, _storage),
    )  # fmt: skip
    return [*found, *(finding for findings in await asyncio.gather(*examinations) for finding in findings)]


async def _named(
    about: Findings, variable: str, value: str | None, look: Callable[[str], AsyncIterator[Finding]]
) -> list[Finding]:
    """Look at what a variable names; a fault of the looking is a finding, too."""
    if not value:
        return [about.skipped("reachable", f"{variable} is not set")]
    found: list[Finding] = []
    try:
        async with asyncio.timeout(SECONDS):
            found += [finding async for finding in look(str(value))]
    except WarrenError as error:
        found.append(about.problem("reachable", error.detail, f"is it running, and is {variable} right?"))
    except TimeoutError:
        found.append(about.problem("reachable", f"no answer within {SECONDS:g} s", "is it overloaded, or frozen?"))
    return found


async def _producer(url: str) -> AsyncIterator[Finding]:
    for finding in producer.judge_readiness(await readiness(url)):
        yield finding


async def _broker(settings: DoctorSettings) -> AsyncIterator[Finding]:
    url = settings.broker_url or ""
    facts = await ask_amqp(url, topology(settings.pools))
    for finding in broker.judge_amqp(facts):
        yield finding
    if broker.has_dead(facts.depths):
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        again = {queue: depth for queue, depth in (await depths(url, facts.depths)).items() if depth is not None}
        for finding in broker.judge_dead(facts.depths, again):
            yield finding


async def _management(settings: DoctorSettings) -> AsyncIterator[Finding]:
    wanted = topology(settings.pools)
    facts = await ask_management(settings.broker_management_url or "", settings.broker_url or "", wanted)
    for finding in broker.judge_management(facts, wanted):
        yield finding


async def _store(url: str) -> AsyncIterator[Finding]:
    for finding in store.judge_store(await ask_store(url)):
        yield finding


async def _storage(bucket: str) -> AsyncIterator[Finding]:
    for finding in await storage.examine_storage(S3Objects(read_seconds=STORAGE_SECONDS), bucket):
        yield finding
