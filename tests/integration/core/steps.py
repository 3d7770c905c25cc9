"""What the tests of records begin with: a task, its claim, how it stands and how it ends."""

from __future__ import annotations

from warren.record import Lease, Outcome, State, Verdict
from warren.records import Records
from warren.tasks import Payload, Task, TaskOptions

DONE = Outcome(State.SUCCEEDED, result=b"42", result_type="application/json")


def a_task(**options: object) -> Task:
    return Task("echo", "cpu", Payload(b'{"text": "hello"}'), TaskOptions.model_validate(options))


async def claimed(
    records: Records, task: Task, consumer: str = "c1", *, alone: bool = False, seconds: float = 30.0
) -> Lease:
    claim = await records.claim(task, consumer, alone=alone, seconds=seconds)
    assert claim.verdict is Verdict.CLAIMED, claim
    assert claim.lease is not None
    [stored] = await records.read([task.id])
    assert stored
    assert claim.record.model_copy(update={"now": stored.now}) == stored
    return claim.lease


async def state_of(records: Records, task: Task) -> State | None:
    [record] = await records.read([task.id])
    return record.state if record else None
