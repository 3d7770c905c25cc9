"""The task.

Forbidden here: how a file is had and what is in it.
"""

from __future__ import annotations

import asyncio
import io
from typing import Annotated

from pydantic import Field

from audio_length import settings
from audio_length.formats import seconds_of
from audio_length.remote import FIRST_BYTES, RemoteFile
from audio_length.web import Web, Whole
from warren import task
from warren.errors import UnreachableError


@task(
    pool="audio-length",
    max_attempts=4,
    timeout_seconds=120,
    retry_on=(UnreachableError,),
    retry_backoff_seconds=5,
    # A file is a stranger's: whatever its reading leads to ends with the time limit.
    process=True,
)
def audio_length(url: Annotated[str, Field(max_length=2048)]) -> float:
    """Return how many seconds the wav, mp3, flac or ogg file at a URL plays."""
    terms = settings.load()
    web = Web(url, terms.allowed, terms.most_bytes)
    first = asyncio.run(web.begin(FIRST_BYTES))
    if isinstance(first, Whole):
        with first.file as whole:
            return seconds_of(whole, first.media_type)
    remote = RemoteFile(first, lambda start, count: asyncio.run(web.part(start, count, of=first)), terms.most_bytes)
    with io.BufferedReader(remote) as file:
        return seconds_of(file, first.media_type)
