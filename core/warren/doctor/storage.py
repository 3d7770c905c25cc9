"""Object storage: can Warren write, read, create only once and delete there?

Forbidden here: touching any object but the probe's own.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from warren.doctor.finding import Finding, Findings
from warren.errors import ObjectExistsError, WarrenError
from warren.objects import ObjectUri

if TYPE_CHECKING:
    from warren.objects import ObjectStore

ABOUT: Final = Findings("storage")
PREFIX: Final = "doctor/"

_ONCE: Final = (
    "use a storage that answers If-None-Match on PutObject (Amazon S3, versitygw, Ceph): without it two runs could "
    "write one model's version"
)


async def examine_storage(objects: ObjectStore, bucket: str) -> list[Finding]:
    """Try what Warren does with its bucket on an object of the doctor's own, and take it away again."""
    try:
        await objects.ping(bucket)
    except WarrenError as error:
        return [ABOUT.problem("bucket", error.detail, "check WARREN_STORAGE_BUCKET and the AWS_* variables")]
    probe = ObjectUri(bucket, f"{PREFIX}{uuid.uuid4()}")
    return [ABOUT.ok("bucket", f"{bucket} is there"), *await _tried(objects, probe)]


async def _tried(objects: ObjectStore, probe: ObjectUri) -> list[Finding]:
    data = str(probe).encode()
    try:
        await objects.put(probe, data, only_if_absent=True)
        whole = await objects.get(probe) == data
        once = await _refuses_a_second(objects, probe)
        await objects.delete(probe)
    except WarrenError as error:
        return [ABOUT.problem("objects", error.detail, f"let Warren's keys write, read and delete in {probe.bucket}")]
    return [
        ABOUT.ok("objects", "written, read and deleted")
        if whole
        else ABOUT.problem(
            "objects", "other bytes were read than written", "look at the storage, or a cache before it"
        ),
        ABOUT.ok("create once", "If-None-Match is honoured")
        if once
        else ABOUT.problem("create once", "an object was overwritten in spite of If-None-Match", _ONCE),
    ]


async def _refuses_a_second(objects: ObjectStore, probe: ObjectUri) -> bool:
    try:
        await objects.put(probe, b"again", only_if_absent=True)
    except ObjectExistsError:
        return True
    return False
