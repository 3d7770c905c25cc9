"""Waiting for tasks and following them: by word of mouth at once, by reading in bulk in any case."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from warren.broker.memory import MemoryBroker, MemorySubscription
from warren.client.caller import Caller
from warren.client.view import View, mark
from warren.client.watch import Watch
from warren.errors import RateLimitedError, TaskNotFoundError, UnavailableError
from warren.event import encode_event, event_key
from warren.message import encode_reply
from warren.pool import DEFAULT_POOLS
from warren.record import Lease, Outcome, Progress, Record, State
from warren.records.memory import MemoryRecords
from warren.tasks import Task
from warren.topology import EVENTS, LISTEN_PREFIX, topology

pytestmark = pytest.mark.usefixtures("hurry")

SOON = 1.0
NEVER = 1e6


@pytest.fixture(name="broker")
def _broker() -> MemoryBroker:
    return MemoryBroker(topology(DEFAULT_POOLS))


@pytest.fixture(name="records")
def _records() -> MemoryRecords:
    return MemoryRecords()


@pytest.fixture(name="watch")
async def _watch(broker: MemoryBroker, records: MemoryRecords) -> AsyncIterator[Watch]:
    async with Watch(broker, records, limit=3) as watch:
        await until(lambda: watch.queue is not None)
        yield watch


@pytest.fixture
def deaf_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read unless there is word of it."""
    monkeypatch.setattr("warren.client.watch.SWEEP_SECONDS", NEVER)


async def until(check: Callable[[], bool]) -> None:
    """Wait until the check holds."""
    async with asyncio.timeout(SOON):
        while not check():  # noqa: ASYNC110 - whatever it is, it happens by itself
            await asyncio.sleep(0.005)


def listening(broker: MemoryBroker) -> list[str]:
    return [name for name in broker.queues if name.startswith(LISTEN_PREFIX)]


async def submitted(records: MemoryRecords, name: str = "echo", reply_to: str | None = None) -> Task:
    task = Task(name, "cpu", reply_to=reply_to)
    await records.create(task)
    return task


async def started(records: MemoryRecords, task: Task) -> Lease:
    lease = (await records.claim(task, "test", alone=True)).lease
    assert lease is not None
    return lease


async def ended(records: MemoryRecords, task: Task) -> Record:
    await records.finish(await started(records, task), task, Outcome(State.SUCCEEDED, result=b"1"))
    [record] = await records.read([task.id])
    assert record is not None
    return record


async def tell(broker: MemoryBroker, record: Record) -> None:
    await broker.publish(encode_event(record), exchange=EVENTS, routing_key=event_key(record), mandatory=False)


@pytest.mark.usefixtures("deaf_reader")
async def test_a_reply_ends_a_wait_at_once(watch: Watch, broker: MemoryBroker, records: MemoryRecords) -> None:
    task = await submitted(records, reply_to=watch.queue)
    waiting = asyncio.create_task(watch.wait(task.id, NEVER))
    await until(lambda: watch.viewers == 1)
    assert watch.queue is not None
    await broker.publish(encode_reply(await ended(records, task)), exchange="", routing_key=watch.queue)
    assert (await asyncio.wait_for(waiting, SOON)).result == b"1"
    assert not listening(broker), "events were listened to for a task that is answered by a reply"


class FarBroker(MemoryBroker):
    """Takes a while to make a reply queue."""

    @asynccontextmanager
    async def replies(self) -> AsyncIterator[tuple[str, MemorySubscription]]:
        await asyncio.sleep(0.05)
        async with super().replies() as made:
            yield made


async def test_it_is_ready_with_a_reply_queue_or_where_none_can_be_had(records: MemoryRecords) -> None:
    broker = FarBroker(topology(DEFAULT_POOLS))
    async with Watch(broker, records) as watch:
        await asyncio.wait_for(watch.ready(), SOON)
        assert watch.queue is not None
    broker.available = False
    async with Watch(broker, records) as watch:
        await asyncio.wait_for(watch.ready(), SOON)
        assert watch.queue is None


@pytest.mark.usefixtures("deaf_reader")
async def test_an_event_ends_the_wait_for_a_task_that_was_submitted_elsewhere(
    watch: Watch, broker: MemoryBroker, records: MemoryRecords
) -> None:
    task = await submitted(records)
    waiting = asyncio.create_task(watch.wait(task.id, NEVER))
    await until(lambda: bool(listening(broker)))
    await tell(broker, await ended(records, task))
    assert (await asyncio.wait_for(waiting, SOON)).state is State.SUCCEEDED


async def test_without_any_word_the_records_are_read(watch: Watch, records: MemoryRecords) -> None:
    task = await submitted(records)
    waiting = asyncio.create_task(watch.wait(task.id, NEVER))
    await until(lambda: watch.viewers == 1)
    await ended(records, task)
    assert (await asyncio.wait_for(waiting, SOON)).state is State.SUCCEEDED


async def test_a_wait_that_passes_tells_how_the_task_stands(watch: Watch, records: MemoryRecords) -> None:
    task = await submitted(records)
    assert (await watch.wait(task.id, 0.05)).state is State.QUEUED


@pytest.mark.usefixtures("deaf_reader")
async def test_tasks_of_a_name_that_comes_into_view_later_are_listened_to(
    watch: Watch, broker: MemoryBroker, records: MemoryRecords
) -> None:
    tasks = [await submitted(records), await submitted(records, "train")]
    waits = []
    for task in tasks:
        waits.append(asyncio.create_task(watch.wait(task.id, NEVER)))
        await until(lambda: bool(listening(broker)))
    await asyncio.sleep(0.6)  # it listens anew
    for task in tasks:
        await tell(broker, await ended(records, task))
    for record in await asyncio.wait_for(asyncio.gather(*waits), SOON):
        assert record.state is State.SUCCEEDED


async def test_events_are_listened_to_only_while_somebody_looks(
    watch: Watch, broker: MemoryBroker, records: MemoryRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warren.client.watch.LINGER_SECONDS", 0.05)
    task = await submitted(records)
    async with watch.follow(task.id):
        await until(lambda: bool(listening(broker)))
        await asyncio.sleep(0.1)
        assert listening(broker)
    await until(lambda: not listening(broker))


@pytest.mark.usefixtures("deaf_reader")
async def test_after_a_lost_connection_word_comes_again(
    watch: Watch, broker: MemoryBroker, records: MemoryRecords
) -> None:
    task, before = await submitted(records), watch.queue
    async with watch.follow(task.id) as view:
        await until(lambda: bool(listening(broker)))
        [heard_before] = listening(broker)
        await broker.lose_connection()
        await until(lambda: bool(listening(broker)) and listening(broker) != [heard_before])
        await until(lambda: watch.queue not in {None, before})
        await view.changed(0)
        await tell(broker, await ended(records, task))
        assert await view.changed(SOON)
        assert view.record.state is State.SUCCEEDED


async def test_a_broker_that_is_away_is_asked_again(watch: Watch, broker: MemoryBroker, records: MemoryRecords) -> None:
    broker.available = False
    task = await submitted(records)
    async with watch.follow(task.id):
        await broker.lose_connection()
        await until(lambda: watch.queue is None)
        broker.available = True
        await until(lambda: watch.queue is not None and bool(listening(broker)))


@pytest.mark.usefixtures("deaf_reader")
async def test_who_follows_sees_each_change_until_the_end(
    watch: Watch, broker: MemoryBroker, records: MemoryRecords
) -> None:
    task = await submitted(records)
    async with watch.follow(task.id) as view:
        await until(lambda: bool(listening(broker)))
        assert await view.changed(0)
        assert view.record.state is State.QUEUED
        assert not await view.changed(0.02)
        lease = await started(records, task)
        await records.renew(lease, task, "test", progress=Progress(fraction=0.5))
        watch.tell(task.id)
        assert await view.changed(SOON)
        assert view.record.progress == Progress(fraction=0.5)
        watch.tell(task.id)
        assert not await view.changed(0.05), "the same again is no change"
        await records.renew(lease, task, "test", progress=Progress(fraction=0.5, message="half"))
        watch.tell(task.id)
        assert await view.changed(SOON)
        assert not view.over
        await records.cancel(task.id)
        watch.tell(task.id)
        assert await view.changed(SOON)
        assert view.over
        assert view.record.state is State.CANCELED


async def test_leaving_leaves_nothing_and_too_many_are_refused(watch: Watch, records: MemoryRecords) -> None:
    task = await submitted(records)
    waits = [asyncio.create_task(watch.wait(task.id, NEVER)) for _ in range(2)]
    async with watch.follow(task.id):
        await until(lambda: watch.viewers == 3)
        with pytest.raises(UnavailableError, match="3 requests wait"):
            await watch.wait(task.id, 1)
        with pytest.raises(UnavailableError, match="3 requests wait"):
            async with watch.follow(task.id):
                pass
        assert (await watch.wait(task.id, 0)).state is State.QUEUED
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    assert watch.viewers == 0
    assert not watch._views  # noqa: SLF001 - a leak shows nowhere else
    assert not watch._names  # noqa: SLF001
    assert not watch._following  # noqa: SLF001


async def test_a_task_that_is_not_there(watch: Watch) -> None:
    with pytest.raises(TaskNotFoundError):
        await watch.wait("nope", 1)
    with pytest.raises(TaskNotFoundError):
        async with watch.follow("nope"):
            pass
    assert watch.viewers == 0


async def test_a_record_that_vanishes_ends_the_view(watch: Watch, records: MemoryRecords) -> None:
    task = await submitted(records)
    waiting = asyncio.create_task(watch.wait(task.id, NEVER))
    async with watch.follow(task.id) as view:
        await view.changed(0)
        records.flush()
        assert await view.changed(SOON)
        assert view.over
        assert not view.record.state.terminal
    with pytest.raises(TaskNotFoundError):
        await waiting


async def test_while_the_records_are_away_views_stay_as_they_are(watch: Watch, records: MemoryRecords) -> None:
    task = await submitted(records)
    async with watch.follow(task.id) as view:
        await view.changed(0)
        records.available = False
        assert not await view.changed(0.3)
        records.available = True
        await ended(records, task)
        assert await view.changed(SOON)


class FaultyRecords(MemoryRecords):
    """Meets a fault of its own whenever it is read, for as long as it is told to."""

    faulty = False

    async def read(self, task_ids: Sequence[str]) -> list[Record | None]:
        if self.faulty:
            raise ValueError("what is this?")
        return await super().read(task_ids)


@pytest.mark.parametrize("seconds", [0.02, NEVER], ids=["the sweep", "what heeds hints"])
async def test_a_fault_does_not_end_the_reading(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seconds: float
) -> None:
    monkeypatch.setattr("warren.client.watch.SWEEP_SECONDS", seconds)
    records, said = FaultyRecords(), ""
    async with Watch(broker, records) as watch:
        task = await submitted(records)
        async with watch.follow(task.id) as view:
            await view.changed(0)
            records.faulty = True
            async with asyncio.timeout(SOON):
                while "what is this?" not in said:
                    watch.tell(task.id if seconds == NEVER else None)
                    await asyncio.sleep(0.005)
                    said += capsys.readouterr().out
            records.faulty = False
            await ended(records, task)
            watch.tell(task.id if seconds == NEVER else None)
            assert await view.changed(SOON)
            assert view.over


class FaultyBroker(MemoryBroker):
    """Meets a fault of its own the first time that it is asked for replies and for events."""

    def __init__(self) -> None:
        super().__init__(topology(DEFAULT_POOLS))
        self.sound: set[str] = set()

    @asynccontextmanager
    async def replies(self) -> AsyncIterator[tuple[str, MemorySubscription]]:
        self._fail_once("replies")
        async with super().replies() as made:
            yield made

    @asynccontextmanager
    async def listen(self, patterns: Sequence[str]) -> AsyncIterator[MemorySubscription]:
        self._fail_once("events")
        async with super().listen(patterns) as events:
            yield events

    def _fail_once(self, what: str) -> None:
        if what not in self.sound:
            self.sound.add(what)
            raise ValueError("what is this?")


async def test_a_fault_does_not_end_the_listening(
    records: MemoryRecords, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("warren.client.watch.RECONNECT_SECONDS", 0.02)
    broker = FaultyBroker()
    async with Watch(broker, records) as watch:
        task = await submitted(records)
        async with watch.follow(task.id):
            await until(lambda: watch.queue is not None and bool(listening(broker)))
    assert capsys.readouterr().out.count("watching tasks met a fault") == len(broker.sound) == 2


async def test_closing_dismisses_those_who_follow_and_not_those_who_wait(watch: Watch, records: MemoryRecords) -> None:
    task = await submitted(records)
    waiting = asyncio.create_task(watch.wait(task.id, NEVER))
    async with watch.follow(task.id) as view:
        await view.changed(0)
        watch.dismiss(NEVER)
        assert await view.changed(0)
        assert view.over
    async with watch.follow(task.id) as late:
        assert late.over
    await ended(records, task)
    assert (await asyncio.wait_for(waiting, SOON)).state is State.SUCCEEDED


async def test_those_who_wait_are_answered_before_the_process_ends(watch: Watch, records: MemoryRecords) -> None:
    task = await submitted(records)
    waiting = asyncio.create_task(watch.wait(task.id, NEVER))
    await until(lambda: watch.viewers == 1)
    watch.dismiss(0.01)
    assert (await asyncio.wait_for(waiting, SOON)).state is State.QUEUED
    assert (await asyncio.wait_for(watch.wait(task.id, NEVER), SOON)).state is State.QUEUED


def record(state: State, now: float, **more: object) -> Record:
    return Record.model_validate({"id": "1", "name": "echo", "pool": "cpu", "state": state, "now": now, **more})


def test_a_read_that_comes_late_does_not_turn_back_the_view() -> None:
    view = View()
    view.show(record(State.STARTED, 2.0, attempt=1))
    view.show(record(State.QUEUED, 1.0))
    assert view.record.state is State.STARTED


def test_marks_are_single_words_that_tell_states_apart() -> None:
    half = {"fraction": 0.5, "message": "a\nb"}
    records = [
        record(State.STARTED, 1, attempt=1),
        record(State.STARTED, 1, attempt=2),
        record(State.SUCCEEDED, 1, attempt=1),
        record(State.STARTED, 1, attempt=1, progress={"fraction": 0.5}),
        record(State.STARTED, 1, attempt=1, progress=half),
    ]
    marks = {mark(each) for each in records}
    assert len(marks) == len(records)
    assert all(len(word.split()) == 1 for word in marks)
    assert mark(records[0]) == mark(record(State.STARTED, 9, attempt=1))


async def test_no_caller_has_more_waits_than_are_left_to_others(broker: MemoryBroker, records: MemoryRecords) -> None:
    ann, bob = Caller("ann"), Caller("bob")
    async with Watch(broker, records, limit=4) as watch, asyncio.TaskGroup() as group:
        task = await submitted(records)
        async with watch.follow(task.id, ann):
            waiting = [group.create_task(watch.wait(task.id, NEVER, ann))]
            await until(lambda: watch.viewers == 2)
            with pytest.raises(RateLimitedError, match="of ann wait for tasks already"):
                await watch.wait(task.id, NEVER, ann)
            waiting.append(group.create_task(watch.wait(task.id, NEVER, bob)))
            await until(lambda: watch.viewers == 3)
            with pytest.raises(RateLimitedError):
                await watch.wait(task.id, NEVER, bob)
        waiting.append(group.create_task(watch.wait(task.id, NEVER, Caller("eve"))))
        await until(lambda: watch.viewers == 3)
        for one in waiting:
            one.cancel()
