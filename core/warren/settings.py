"""Settings: `WARREN_*` environment variables, derived from the field names of one typed class per component.

A component's class is put together from the parts below. An unknown or malformed variable stops the process at start
with a message that names it. Credentials and endpoint of object storage are the AWS SDK's own variables. Packages of
tasks read their own variables, of another prefix, in the same way.

Forbidden here: defaults that only fit one deployment, reading the environment at import.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from warren.address import checked
from warren.errors import SettingsError
from warren.objects import ObjectUri
from warren.pool import DEFAULT_POOLS, Pool, parse_pools
from warren.records import LEAST_RESULT_TTL_SECONDS, MOST_RESULT_TTL_SECONDS, RESULT_TTL_SECONDS
from warren.tasks import MAX_DELAY_SECONDS

PREFIX = "WARREN_"

MOST_SECONDS = MAX_DELAY_SECONDS
"""The longest time that a setting may give to anything but results: 30 days, as a task's own."""


def words(value: object) -> object:
    """Return the words of a text, by spaces or commas; anything else as it is."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(words)]
"""Words, by spaces or commas."""


Url = Annotated[str, AfterValidator(checked)]
"""The URL of a server, maybe with credentials."""


def _all_checked(urls: str) -> str:
    return " ".join(map(checked, urls.split()))


HttpUrls = Annotated[str, Field(pattern=r"^https?://\S+( +https?://\S+)*$"), AfterValidator(_all_checked)]
"""URLs of servers that speak HTTP, by spaces."""


def _pools(value: object) -> object:
    return parse_pools(value) if isinstance(value, str) else value


class Settings(BaseModel):
    """What every component has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"


class BrokerSettings(BaseModel):
    """Where RabbitMQ is."""

    broker_url: Url = Field(pattern="^amqps?://")
    """`amqp://user:password@host:5672/vhost`"""


class ManagementSettings(BaseModel):
    """Where RabbitMQ's management API is, for policies."""

    broker_management_url: Url = Field(pattern="^https?://")
    """`http://user:password@host:15672`"""


class RecordsSettings(BaseModel):
    """Where the store of the task records is."""

    records_url: Url = Field(pattern="^(rediss?|unix)://")
    """`redis://user:password@host:6379/0`"""
    result_ttl_seconds: float = Field(RESULT_TTL_SECONDS, ge=LEAST_RESULT_TTL_SECONDS, le=MOST_RESULT_TTL_SECONDS)
    """How long an ended record is kept after the ack of its message. Five minutes at least: a duplicate of the message
    may still be on its way, and without the record it would be executed again."""


class StorageSettings(BaseModel):
    """Which bucket holds models and large payloads, and which prefixes tasks may touch."""

    storage_bucket: str = Field("warren", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    storage_read_prefixes: Words = ()
    """Prefixes (`s3://bucket/path/`) that data sets may come from; none given: the whole bucket of Warren."""

    def may_read(self, uri: ObjectUri) -> bool:
        """Tell whether a task may read from the URI."""
        prefixes = self.storage_read_prefixes or (f"s3://{self.storage_bucket}/",)
        return str(uri).startswith(prefixes)


class PoolsSettings(BaseModel):
    """Which pools there are."""

    pools: Annotated[tuple[Pool, ...], BeforeValidator(_pools)] = DEFAULT_POOLS
    """`cpu train-cpu:train`: names, each with its kind where it is not `serve`."""


SettingsT = TypeVar("SettingsT", bound=BaseModel)


def load(
    kind: type[SettingsT], environ: Mapping[str, str] | None = None, *, prefix: str = PREFIX, **overrides: object
) -> SettingsT:
    """Read settings from the environment; `overrides` (command-line flags) come first.

    A package of tasks has a class and a `prefix` of its own: `MINE_`, all of whose variables are its.

    Raises:
        SettingsError: a variable is unknown, missing or malformed; the detail names each of them.

    """
    environ = os.environ if environ is None else environ
    known = {f"{prefix}{name.upper()}": name for name in kind.model_fields}
    ours = {name: value for name, value in environ.items() if name.startswith(prefix)}
    problems = [f"{name}: unknown; {kind.__name__} knows {', '.join(sorted(known))}" for name in ours.keys() - known]
    values = {known[name]: value for name, value in ours.items() if name in known} | overrides
    try:
        settings = kind.model_validate(values)
    except ValidationError as error:
        problems += [_problem(prefix, item["loc"], item["msg"]) for item in error.errors()]
        raise SettingsError("; ".join(sorted(problems))) from error
    if problems:
        raise SettingsError("; ".join(sorted(problems)))
    return settings


def _problem(prefix: str, location: tuple[int | str, ...], message: str) -> str:
    said = "required, but not set" if message == "Field required" else message
    return f"{prefix}{str(location[0]).upper()}: {said}"
