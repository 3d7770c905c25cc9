"""Histories of tasks: submitters, consumers, an operator and the system pool, interleaved in any order.

The machine plays everybody's part as the worker does (the record first, then the message, then the ack) and lets each
of them die, freeze and thaw, or miss an answer, between any two steps. It watches that a task ends once, that nothing
is written by an older fence, that no two leases live at once, that nobody is blamed for a lapse whose consumer came
back, and, at the end, that every accepted task can still end, even one whose message the broker lost, and that every
receiver was told of an end that it asked for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.unit.core.couriers import Couriers
from tests.unit.core.worlds import World
from warren.record import (
    Claim,
    End,
    Lease,
    Note,
    Outcome,
    Progress,
    Record,
    Renewal,
    State,
    Submission,
    TaskError,
    Verdict,
)
from warren.records import LEASE_SECONDS, MAX_LAPSES
from warren.tasks import Task, TaskOptions

T = TypeVar("T")
CONSUMERS = ("c1", "c2", "c3")
FATES = ("works", "works", "freezes", "freezes", "is overtaken", "is overtaken", "dies", "dies", "misses the answer")
STEPS = ("finish", "finish", "retry", "renew", "release")
SENT = ("taken", "taken", "refused", "given up", "put off")
CALLBACKS: tuple[dict[str, object], ...] = (
    {},
    {"callback_url": "https://receiver.example/hook"},
    {"callback_url": "https://receiver.example/hook", "callback_events": ["failed", "canceled"]},
)
DEATHS = ("after all", "after all", "before publish", "before accept", "before create")
SWEPT_AFTER = 300.0
SWEPT_AT_ONCE = 2
STALE_AFTER = 600.0
GONE = TaskError(code="lost", message="no message and no lease stands behind it")
FAULT = TaskError(code="exception", message="no luck")
TASK = st.sampled_from([0, 0, 0, 1, 1, 2])
WORK = st.integers(0, 3)
LIFE_SECONDS = 10_000_000.0
"""Longer than any history: how long a record lives is not what is tried here."""


@dataclass(eq=False)
class Work:
    """A claimed task in the hands of a consumer."""

    task: Task
    consumer: str
    lease: Lease
    has_message: bool = True
    """Whether the un-acknowledged message is still this consumer's; the broker takes it from one that seems dead."""
    released: bool = False


@dataclass
class Told:
    """What the machine knows of a task beyond the records."""

    task: Task
    created: float
    accepted: bool = False
    messages: int = 0
    end: tuple[State, float, bytes | None] | None = None
    attempts: int = 0
    newest: int = 0
    leased_until: float = 0.0
    alone: bool = False
    lapsed: dict[int, bool] = field(default_factory=dict)
    """The fences that lapsed and did not come back, and whether they held nothing else."""
    retries: int = 0
    held: bool = False
    changes: int = 0
    discarded: bool = False

    @property
    def lapses(self) -> int:
        """How many lapses are charged."""
        return sum(self.lapsed.values())


class Histories(RuleBasedStateMachine):
    """The machine; a subclass says in which world."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = self.do(self.begin())
        self.couriers = Couriers(self.do, self.world)
        self.told: dict[str, Told] = {}
        self.tasks: list[Task] = []
        self.hands: list[Work] = []
        self.stale: list[tuple[Record, int]] = []
        """What a sweep found forgotten, and how often it had changed by then."""
        self.started = 0
        self.reports = 0

    async def begin(self) -> World:
        """Return a new world."""
        raise NotImplementedError

    def do(self, step: Awaitable[T]) -> T:
        """Carry out a step."""
        return self.loop.run_until_complete(_awaited(step))

    @initialize(
        delay=st.sampled_from([0, 20]), expires=st.sampled_from([None, 50]), callback=st.sampled_from(CALLBACKS)
    )
    def conceive(self, delay: float, expires: float | None, callback: dict[str, object]) -> None:
        """Somebody submits a plain task and one with options, and has a third in mind."""
        told = TaskOptions.model_validate(callback)
        options = told.model_copy(update={"delay_seconds": delay, "expires_seconds": expires})
        self.tasks = [
            Task("echo", "cpu", options=told, reply_to="warren.reply.test"),
            Task("echo", "cpu", options=options),
            Task("echo", "cpu"),
        ]
        self.submit(0, "after all")
        self.submit(1, "after all")

    @rule(task=TASK, dies=st.sampled_from(DEATHS))
    def submit(self, task: int, dies: str) -> None:
        """Submit it, for the first time or again; once it has ended, another in its place."""
        known = self.told.get(self.tasks[task].id)
        if known and known.end:
            self.tasks[task] = Task("echo", "cpu", reply_to="warren.reply.test")
        if dies == "before create":
            self.publish(self.tasks[task])
            return
        self._submit(self.tasks[task], dies)

    def publish(self, task: Task) -> None:
        """Publish a message and write no record, as clients of others do."""
        told = self.told.setdefault(task.id, Told(task, self.world.now()))
        told.messages += 1

    def _submit(self, task: Task, dies: str) -> None:
        submission, record = self.do(self.world.records.create(task))
        told = self.told.get(task.id)
        if told is None:
            assert submission is Submission.CREATED
            told = self.told[task.id] = Told(task, self.world.now())
        else:
            assert submission is not Submission.CREATED or not told.accepted
            told.created = self.world.now() if submission is not Submission.ACCEPTED else told.created
            told.changes += submission is not Submission.ACCEPTED
        self.see(record)
        if submission is Submission.ACCEPTED or dies == "before publish":
            return
        told.messages += not record.state.terminal
        if dies == "after all":
            self.do(self.world.records.accept(task.id))
            told.accepted = True

    @precondition(lambda self: any(told.messages for told in self.told.values()))
    @rule(
        which=TASK,
        consumer=st.sampled_from(CONSUMERS),
        alone=st.booleans(),
        fate=st.sampled_from(FATES),
        step=st.sampled_from(STEPS),
    )
    def deliver(self, which: int, consumer: str, fate: str, step: str, *, alone: bool) -> None:
        """The broker hands a message to a consumer, which may miss its claim's answer, or be out of luck after it."""
        waiting = [told for told in self.told.values() if told.messages]
        told = waiting[which % len(waiting)]
        self._deliver(told, consumer, fate, alone=alone)
        if fate == "is overtaken" and self.frozen():
            self.overtake(step)

    def _deliver(self, told: Told, consumer: str, fate: str, *, alone: bool) -> None:
        claim = self.claim(told, consumer, alone=alone)
        if fate == "misses the answer":
            return
        if claim.lease is not None:
            told.messages -= 1
            known = [work for work in self.hands if work.lease == claim.lease]
            self.hands = [work for work in self.hands if work not in known]  # the newer delivery stands for both
            self.hands.append(Work(told.task, consumer, claim.lease))
            if fate != "works":
                self.freeze(0, LEASE_SECONDS + 1, thaws=fate != "dies")
        told.messages -= claim.verdict in (Verdict.ENDED, Verdict.HELD, Verdict.POISON, Verdict.EXPIRED)

    @precondition(lambda self: self.frozen())
    @rule(step=st.sampled_from(STEPS))
    def overtake(self, step: str) -> None:
        """Another consumer claims what a frozen one takes for its own; then that one thaws and writes."""
        work = self.frozen()[-1]
        another = next(consumer for consumer in CONSUMERS if consumer != work.consumer)
        self._deliver(self.told[work.task.id], another, "works", alone=True)
        match step:
            case "finish":
                self._finish(work, State.FAILED, 1, dies=False)
            case "retry":
                self._retry(work, 1, 1)
            case "renew":
                self._renew(work)
            case "release":
                self.hand_back(work)

    def frozen(self) -> list[Work]:
        """Return the works whose messages the broker has put back, and which others may claim."""
        known = ((work, self.told[work.task.id]) for work in self.hands if not work.has_message)
        return [work for work, told in known if told.messages and not told.end]

    def claim(self, told: Told, consumer: str, *, alone: bool) -> Claim:
        """Claim, and check what may be answered."""
        live = told.leased_until > self.world.now()
        claim = self.do(self.world.records.claim(told.task, consumer, alone=alone))
        told.accepted = True
        if told.leased_until and not live and claim.verdict is not Verdict.ENDED and not told.held:
            told.lapsed[told.newest] = told.alone
            told.leased_until = 0
        told.changes += claim.verdict in (Verdict.CLAIMED, Verdict.ALONE)
        if claim.verdict is Verdict.POISON:
            assert told.lapses >= MAX_LAPSES
        if claim.verdict is Verdict.CLAIMED:
            assert not live, "two leases live at once"
            assert told.lapses < MAX_LAPSES
            assert claim.record.fence > told.newest
            assert claim.record.failures == told.retries
            self.started += 1
            told.attempts += 1
            assert claim.lease is not None
            assert claim.lease.attempt == told.attempts
            told.newest, told.alone = claim.record.fence, alone
            told.leased_until = self.world.now() + LEASE_SECONDS
        if claim.verdict is Verdict.HELD:
            assert told.held
        self.see(claim.record)
        return claim

    @precondition(lambda self: self.hands)
    @rule(which=WORK)
    def renew(self, which: int) -> None:
        """A heartbeat."""
        self._renew(self.hand(which))

    def _renew(self, work: Work) -> None:
        answer = self.do(self.world.records.renew(work.lease, work.task, work.consumer))
        self.came_back(work)
        if answer is Renewal.LOST:
            self.let_go(work)
            return
        told = self.written(work)
        told.leased_until = self.world.now() + LEASE_SECONDS
        assert told.held is (answer is Renewal.HAND_BACK)
        if told.held:
            self.hand_back(work)

    @precondition(lambda self: self.hands)
    @rule(which=WORK, end=st.sampled_from([State.SUCCEEDED, State.FAILED]), asked=st.integers(1, 2), dies=st.booleans())
    def finish(self, which: int, end: State, asked: int, *, dies: bool) -> None:
        """The work is done; the answer may get lost, and the consumer may die before the ack."""
        self._finish(self.hand(which), end, asked, dies=dies)

    def _finish(self, work: Work, end: State, asked: int, *, dies: bool) -> None:
        outcome = Outcome(end, result=str(work.lease.fence).encode())
        said = [
            self.do(self.world.records.finish(work.lease, work.task, outcome, ttl_seconds=LIFE_SECONDS))
            for _ in range(asked)
        ]
        self.came_back(work)
        assert len(set(said)) == 1
        if said[0] is None:
            self.let_go(work)
            return
        self.written(work).leased_until = 0
        record = self.read(work.task)
        assert record is not None
        assert (record.state, record.result) == (outcome.state, outcome.result), "another's end was taken for ours"
        assert record.finished_at == said[0]
        self.done_with(work, put_back=dies)

    @precondition(lambda self: self.hands)
    @rule(which=WORK, after=st.sampled_from([1, 40]), asked=st.integers(1, 2))
    def retry(self, which: int, after: float, asked: int) -> None:
        """The attempt failed."""
        self._retry(self.hand(which), after, asked)

    def _retry(self, work: Work, after: float, asked: int) -> None:
        records = self.world.records
        said = [self.do(records.retry(work.lease, work.task, FAULT, after_seconds=after)) for _ in range(asked)]
        self.came_back(work)
        assert len(set(said)) == 1
        if said[0]:
            told = self.written(work)
            told.leased_until, told.lapsed = 0, {}
            told.retries += 1
        self.done_with(work, put_back=True)

    @precondition(lambda self: self.hands)
    @rule(which=WORK, goes_on=st.booleans())
    def release(self, which: int, *, goes_on: bool) -> None:
        """The consumer stops and hands back; a confused one goes on all the same."""
        work = self.hand(which)
        self.hand_back(work)
        if goes_on:
            self.hands.append(work)

    @precondition(lambda self: self.hands)
    @rule(which=WORK, thaws=st.booleans(), seconds=st.sampled_from([0, 15, LEASE_SECONDS + 1, LEASE_SECONDS + 1]))
    def freeze(self, which: int, seconds: float, *, thaws: bool) -> None:
        """The broker takes the message from a consumer that is dead, or frozen: then it goes on unaware one day."""
        self.world.advance(seconds)
        work = self.hand(which)
        self.done_with(work, put_back=True)
        if thaws:
            self.hands.append(work)

    @rule(seconds=st.sampled_from([0, 1, 15, LEASE_SECONDS + 1, LEASE_SECONDS + 1, SWEPT_AFTER + 1, STALE_AFTER + 1]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.world.advance(seconds)

    @rule(which=TASK, way=st.sampled_from(["suspend", "resume", "cancel"]))
    def meddle(self, which: int, way: str) -> None:
        """Somebody cancels the task, or the operator suspends or resumes it."""
        if way != "cancel":
            self._hold(self.tasks[which], held=way == "suspend")
            return
        record = self.do(self.world.records.cancel(self.tasks[which].id))
        if record is not None:
            assert record.state.terminal
            self.see(record)

    def _hold(self, task: Task, *, held: bool) -> None:
        """Suspend or resume; a resumption publishes the message again."""
        record = self.do(self.world.records.hold(task.id, held=held))
        if record is None or record.state.terminal:
            return
        told = self.told[task.id]
        told.held = held
        told.changes += 1
        told.messages += not held

    @precondition(lambda self: any(told.messages for told in self.told.values()))
    @rule(which=TASK, how=st.sampled_from([State.SUCCEEDED, State.FAILED, None]))
    def leave_to_others(self, which: int, how: State | None) -> None:
        """A worker that knows no records takes a message and publishes a result; or the broker loses the message."""
        waiting = [told for told in self.told.values() if told.messages]
        told = waiting[which % len(waiting)]
        if how is None:
            told.messages -= 1
            return
        said = self.do(self.world.records.end(told.task, Outcome(how, result=b"another's")))
        assert (said is End.LEASED) is (told.end is None and told.leased_until > self.world.now())
        assert (said is End.ALREADY) is (told.end is not None)
        told.messages -= said is not End.LEASED
        if said is End.ENDED:
            told.accepted = True
            self.read(told.task)

    @precondition(lambda self: any(told.messages for told in self.told.values()))
    @rule(which=TASK, progress=st.sampled_from([None, Progress(fraction=0.5)]), asked=st.integers(1, 2))
    def hear_from_others(self, which: int, progress: Progress | None, asked: int) -> None:
        """A worker that knows no records begins with a message that it holds, or says how far it is."""
        waiting = [told for told in self.told.values() if told.messages]
        told = waiting[which % len(waiting)]
        self.reports += 1
        name = f"report-{self.reports}"
        [said] = {self.do(self.world.records.note(told.task, progress, report=name)) for _ in range(asked)}
        told.attempts += said is Note.BEGUN
        assert (said is Note.LEASED) is (told.end is None and told.leased_until > self.world.now())
        assert (said is Note.ALREADY) is (told.end is not None)
        if said in (Note.BEGUN, Note.NOTED):
            told.accepted = True
            told.changes += 1
            record = self.read(told.task)
            assert record is not None
            assert record.state is State.STARTED
            assert progress is None or record.progress == progress

    @rule(which=TASK, duty=st.sampled_from(["look", "sweep", "abandon", "tell", "settle", "bury"]))
    def see_to(self, which: int, duty: str) -> None:
        """Somebody reads the record; the system pool sweeps, and tells what is due."""
        if duty == "look":
            self.read(self.tasks[which])
        elif duty == "sweep":
            self._sweep()
        elif duty == "abandon":
            self._abandon()
        elif duty == "bury":
            self._bury(which)
        else:
            self._tell(settled=duty == "settle")

    @rule(which=WORK, duty=st.sampled_from(["take", "overtake", "send", "send", "ask"]), outcome=st.sampled_from(SENT))
    def tell_receivers(self, which: int, duty: str, outcome: str) -> None:
        """Couriers are at work, or somebody wants a webhook to be sent once more."""
        ends = {task.id: self.read(task) for task in self.tasks}
        if duty == "take":
            self.couriers.take()
        elif duty == "overtake":
            self.couriers.overtake()
        elif duty == "send":
            self.couriers.send(which, outcome)
        elif ends[(task := self.tasks[which % 2]).id]:
            self.couriers.ask(task)
        for task in self.tasks:
            if record := ends[task.id]:
                self.couriers.check(task, record.state)

    def _sweep(self) -> int:
        swept = self.do(
            self.world.records.sweep(unaccepted_seconds=SWEPT_AFTER, stale_seconds=STALE_AFTER, limit=SWEPT_AT_ONCE)
        )
        for task_id in swept.deleted:
            told = self.told[task_id]
            assert not told.accepted, "an accepted task was swept"
            assert told.end is None
            assert self.world.now() - told.created >= SWEPT_AFTER
            told.held = False
        for task_id in swept.expired:
            self.told[task_id].accepted = True
            record = self.read(self.told[task_id].task)
            assert record is not None
            assert record.state is State.EXPIRED
        for record in swept.stale:
            told = self.told[record.id]
            assert told.accepted
            assert not told.held
            assert told.leased_until <= self.world.now() - STALE_AFTER + 1
            self.see(record)
            self.stale.append((record, told.changes))
        return swept.looked

    def _abandon(self) -> None:
        """End what a sweep found forgotten, unless something has happened to it; it may have a message all the same."""
        for record, changes in self.stale:
            told = self.told[record.id]
            if self.do(self.world.records.abandon(record, GONE)):
                assert told.end is None
                assert told.changes == changes, "a task was abandoned that somebody had seen to"
                self.read(told.task)
        self.stale.clear()

    def _bury(self, which: int) -> None:
        """Look through the dead letters, page by page, and discard one."""
        buried = self.dead_letters(which + 1)
        failed = {
            told.task.id
            for told in self.told.values()
            if told.end and told.end[0] is State.FAILED and not told.discarded
        }
        assert len(buried) == len(set(buried))
        assert set(buried) == failed
        for task_id in buried[:1]:
            assert self.do(self.world.records.discard(task_id)) is not None
            assert self.do(self.world.records.discard(task_id)) is None
            self.told[task_id].discarded = True

    def dead_letters(self, at_once: int) -> list[str]:
        """Return the ids of all dead letters, the newest end first."""
        page = self.do(self.world.records.dead(limit=at_once))
        found = page.records
        while page.next is not None:
            page = self.do(self.world.records.dead(after=page.next, limit=at_once))
            found += page.records
        ends = [(record.finished_at or 0.0) for record in found]
        assert ends == sorted(ends, reverse=True)
        return [record.id for record in found]

    def came_back(self, work: Work) -> None:
        """The bearer of a fence has spoken: if its lease had lapsed, it did not die of the task."""
        told = self.told[work.task.id]
        told.changes += 1
        told.lapsed.pop(work.lease.fence, None)

    def _tell(self, *, settled: bool) -> None:
        for record in self.do(self.world.records.due(older_than_seconds=10)):
            assert record.state.terminal
            self.see(record)
            if settled:
                self.do(self.world.records.settle(record.id, ttl_seconds=LIFE_SECONDS))

    def hand(self, which: int) -> Work:
        """Return one of the works at hand, the newest first."""
        return self.hands[-1 - which % len(self.hands)]

    def let_go(self, work: Work) -> None:
        """Leave a task that is another's: its message goes back unless it has ended."""
        record = self.read(work.task)
        self.done_with(work, put_back=record is None or not record.state.terminal)

    def hand_back(self, work: Work) -> None:
        """Release the lease, then put the message back."""
        released = self.do(self.world.records.release(work.lease))
        self.came_back(work)
        if released and not work.released:
            self.written(work).leased_until = 0
            work.released = True
        self.done_with(work, put_back=True)

    def done_with(self, work: Work, *, put_back: bool) -> None:
        """Put the message back, or ack it; the work is at hand no more."""
        self.told[work.task.id].messages += put_back and work.has_message
        work.has_message = False
        if work in self.hands:
            self.hands.remove(work)

    def written(self, work: Work) -> Told:
        """Check a write that was let through."""
        told = self.told[work.task.id]
        assert work.lease.fence == told.newest, "a fenced-out write"
        return told

    def read(self, task: Task) -> Record | None:
        """Read the record, if there is one."""
        [record] = self.do(self.world.records.read([task.id]))
        if record is not None:
            self.see(record)
        return record

    def see(self, record: Record) -> None:
        """Check that an end stays as it is."""
        told = self.told[record.id]
        if not record.state.terminal:
            assert told.end is None, "an end was taken back"
            assert (record.lapses, record.suspect) == (told.lapses, bool(told.lapsed))
            assert (record.attempt, record.failures) == (told.attempts, told.retries), "an attempt or failure too many"
            return
        end = (record.state, self.world.moment(record.finished_at or 0.0), record.result)
        if told.end is None:
            told.end, told.leased_until = end, 0
            self.couriers.ended(told.task, record.state)
        assert told.end[0::2] == end[0::2], "a second end"
        assert abs(told.end[1] - end[1]) < 0.01, "an end at another time"

    def teardown(self) -> None:
        """Let one consumer work off all messages: every accepted task must have ended then."""
        try:
            self.work_off()
            self.find_forgotten()
            ends = {told.task.id: self.read(told.task) for told in self.told.values() if told.accepted}
            lost = [task_id for task_id, record in ends.items() if record is None or not record.state.terminal]
            assert not lost, f"lost tasks, of {Counter(str(record and record.state) for record in ends.values())}"
            self.couriers.deliver_all()
            assert self.do(self.world.records.claims(["cpu", "gpu"])) == {"cpu": self.started, "gpu": 0}
        finally:
            self.do(self.world.close())
            self.loop.close()

    def work_off(self) -> None:
        """Let all die, resume, wait until nothing is leased or delayed, then finish whatever has a message."""
        for work in tuple(self.hands):
            self.done_with(work, put_back=True)
        for told in self.told.values():
            if told.held:
                self._hold(told.task, held=False)
        self.world.advance(100)
        for told in self.told.values():
            while told.messages:
                claim = self.claim(told, "last", alone=True)
                if claim.lease is not None:
                    self._finish(
                        Work(told.task, "last", claim.lease, has_message=False), State.SUCCEEDED, 1, dies=False
                    )
                else:
                    assert claim.verdict in (Verdict.ENDED, Verdict.POISON, Verdict.EXPIRED), claim
                told.messages -= 1

    def find_forgotten(self) -> None:
        """Let the system pool end what lost its message; then nothing is open."""
        for _ in range(2):
            self.world.advance(STALE_AFTER + 1)
            while self._sweep():
                pass
            self._abandon()
        self.world.advance(STALE_AFTER + 1)
        assert self._sweep() == 0, "a record that has ended is looked at for ever"


async def _awaited(step: Awaitable[T]) -> T:
    return await step
