"""Couriers in histories of tasks: they take webhooks, die with them, are slow, and note what came of them.

It is watched that a webhook is listed exactly if its task's end is one that was asked for, that no two couriers hold it
at once, that an outcome under an older claim decides nothing, and, at the end, that every receiver was told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.unit.core.worlds import World
from warren.record import State
from warren.records.webhooks import CLAIM_SECONDS
from warren.tasks import Task
from warren.webhook import Delivery, DueWebhook, WebhookState

AT_ONCE = 2
AGAIN_SECONDS = 300.0
PUT_OFF_SECONDS = 10.0
SLACK_SECONDS = 5.0
"""By how much a store's clock, which does not stand, may be ahead of the world's."""
TAKEN = Delivery(at=1.5, milliseconds=20, status=200)
REFUSED = Delivery(at=2.5, milliseconds=30, status=500, error="it answered 500")


@dataclass
class Expected:
    """What is known of a webhook that is to be sent, or was."""

    state: WebhookState = WebhookState.PENDING
    tries: int = 0
    claim: int = 0
    due: float = 0.0
    """No courier may have it before; while one does, when its claim ends."""


class Couriers:
    """All couriers of a world, and what they must find there."""

    def __init__(self, do: Callable[[Awaitable[Any]], Any], world: World) -> None:
        self._do = do
        self._world = world
        self._expected: dict[str, Expected] = {}
        self._hands: list[DueWebhook] = []

    def ended(self, task: Task, state: State) -> None:
        """Note that a task has ended."""
        options = task.options
        if options.callback_url and state.value in options.callback_events:
            self._expected.setdefault(task.id, Expected())

    def take(self) -> bool:
        """Take what is due; tell whether anything was."""
        due = self._do(self._world.records.webhooks.take(limit=AT_ONCE))
        now = self._world.now()
        assert due.pending == sum(known.state is WebhookState.PENDING for known in self._expected.values())
        assert len(due.taken) <= AT_ONCE
        for webhook in due.taken:
            known = self._expected[webhook.task_id]
            assert known.state is WebhookState.PENDING
            assert known.due <= now + SLACK_SECONDS, "two couriers have it at once, or it was sent before its time"
            assert webhook.tries == known.tries
            assert webhook.claim > known.claim
            known.claim, known.due = webhook.claim, now + CLAIM_SECONDS
            self._hands.append(webhook)
        return bool(due.taken)

    def overtake(self) -> None:
        """A courier freezes over what it has taken, and another takes it."""
        self.take()
        self._world.advance(CLAIM_SECONDS + 1)
        self.take()

    def send(self, which: int, outcome: str) -> None:
        """A courier is done with a webhook, whose claim may be over by now."""
        if not self._hands:
            return
        webhook = self._hands.pop(which % len(self._hands))
        known = self._expected[webhook.task_id]
        holds = webhook.claim == known.claim
        if outcome == "put off":
            self._do(self._world.records.webhooks.put_off([webhook], after_seconds=PUT_OFF_SECONDS))
            if holds:
                known.due, known.claim = self._world.now() + PUT_OFF_SECONDS, webhook.claim + 1
            return
        taken, gives_up = outcome == "taken", outcome == "given up"
        state = WebhookState.DELIVERED if taken else WebhookState.FAILED if gives_up else WebhookState.PENDING
        self._do(
            self._world.records.webhooks.note(
                webhook,
                TAKEN if taken else REFUSED,
                again_seconds=AGAIN_SECONDS if state is WebhookState.PENDING else None,
                state=state,
            )
        )
        if holds:
            known.state, known.claim = state, webhook.claim + 1
            known.tries, known.due = known.tries + 1, self._world.now() + AGAIN_SECONDS

    def ask(self, task: Task) -> None:
        """Somebody wants a webhook to be sent once more."""
        webhook = self._do(self._world.records.webhooks.again(task.id))
        known = self._expected.get(task.id)
        if webhook is None or not webhook.ended.terminal:
            assert known is None
            return
        known = self._expected.setdefault(task.id, Expected())
        known.state, known.tries, known.claim, known.due = WebhookState.PENDING, 0, known.claim + 1, 0.0
        self.check(task, webhook.ended)

    def check(self, task: Task, state: State) -> None:
        """Compare what is told of a task's webhook with what it must be."""
        webhook = self._do(self._world.records.webhooks.read(task.id))
        if task.options.callback_url is None:
            assert webhook is None
            return
        known = self._expected.get(task.id)
        unlisted = WebhookState.SKIPPED if state.terminal else WebhookState.WAITING
        assert (webhook.ended, webhook.state) == (state, known.state if known else unlisted)
        assert (webhook.next_at is not None) is (webhook.state is WebhookState.PENDING)

    def deliver_all(self) -> None:
        """Let the last courier work off everything."""
        self._world.advance(CLAIM_SECONDS + AGAIN_SECONDS)
        while self.take():
            while self._hands:
                self.send(-1, "taken")
        left = [task_id for task_id, known in self._expected.items() if known.state is WebhookState.PENDING]
        assert not left, "receivers were never told"
