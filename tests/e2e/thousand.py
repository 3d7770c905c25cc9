"""A thousand tasks under way, and what must have become of them."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from tests.e2e.diary import Diary
from tests.e2e.patience import until
from tests.e2e.workshop import Rows, Workshop
from warren.client import Client, Job
from warren.client.batch import BatchRefusedError
from warren.client.documents import TaskDocument
from warren.record import State

TASKS = 1000


def accepted(client: Client, workshop: Workshop, name: str, seconds: float) -> list[Job[Any]]:
    """Have a thousand tasks accepted under this name, each of that length, and the first of them ended."""
    jobs = until("all tasks are accepted", lambda: _submitted(client, workshop.pool, name, seconds), seconds=30)
    until("work is under way", lambda: count_ended(workshop, jobs), seconds=20)
    return jobs


def _submitted(client: Client, pool: str, name: str, seconds: float) -> list[Job[Any]] | None:
    """Submit the tasks; None where some were refused. Those that were not are not submitted twice."""
    work = {"task": "carve", "args": {"seconds": seconds}, "options": {"pool": pool}}
    with suppress(BatchRefusedError):
        return client.submit_many([work] * TASKS, idempotency_key=name)
    return None


def count_ended(workshop: Workshop, jobs: Iterable[Job[Any]]) -> int:
    """Return how many runs of the tasks have come to their end."""
    ended = workshop.rows().ended
    return sum(ended[job.id] for job in jobs)


def ended(client: Client, jobs: Iterable[Job[Any]]) -> list[TaskDocument]:
    """Return the records of the tasks when all have ended; `client` may be another than theirs."""
    with ThreadPoolExecutor(16) as several:
        return list(several.map(lambda job: client.job(job.id).wait(60), jobs))


def judge(records: list[TaskDocument], rows: Rows, diary: Diary) -> int:
    """Hold the records against what the tasks themselves have written; return how many were done again."""
    attempts = Counter(record.attempt for record in records)
    diary.say(f"attempts of the {len(records)} tasks: {dict(attempts)}")
    assert Counter((record.status, record.failures) for record in records) == {(State.SUCCEEDED, 0): len(records)}
    assert [record.id for record in records if record.result != record.attempt] == [], "a fenced-out result"
    once = [record.id for record in records if record.attempt == 1]
    assert [task_id for task_id in once if (rows.started[task_id], rows.ended[task_id]) != (1, 1)] == []
    again = [record for record in records if record.attempt > 1]
    assert [record.id for record in again if not 1 <= rows.ended[record.id] <= record.attempt] == []
    return len(again)
