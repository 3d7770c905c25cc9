"""The broker: is it there, does it take messages, and does its topology stand as it should?

Forbidden here: I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from warren.broker.plan import Verdict
from warren.doctor.clock import judge_clock
from warren.doctor.finding import Finding, Findings
from warren.topology import DEAD, TASKS, Topology

if TYPE_CHECKING:
    from warren.broker import Depth
    from warren.broker.inspection import AmqpFacts, Disk, ManagementFacts

ABOUT: Final = Findings("broker")
ENOUGH_TIMES: Final = 3
"""How many times its alarm's limit a disk should have free."""

_SHOWN: Final = 3


def judge_amqp(facts: AmqpFacts) -> list[Finding]:
    """Return what there is to say after a look over AMQP."""
    return [_version(facts), _publishing(facts), _standing(facts), *_backlog(facts.depths)]


def judge_management(facts: ManagementFacts, wanted: Topology) -> list[Finding]:
    """Return what there is to say after a look over the management API."""
    skew = () if facts.skew_seconds is None else (judge_clock(ABOUT, facts.skew_seconds),)
    return [
        _alarms(facts),
        *_disks(facts.disks),
        _topology(facts),
        *_orphans(facts),
        _policies(facts.policies, wanted),
        *skew,
    ]


def judge_dead(before: Mapping[str, Depth], after: Mapping[str, Depth]) -> Iterator[Finding]:
    """Say of each dead-letter queue whether the system pool takes from it; there is a while between the two looks."""
    for queue, depth in sorted(after.items()):
        if not queue.startswith(f"{DEAD}.") or not depth.ready:
            continue
        detail = f"{queue} holds {depth.ready}"
        if not depth.consumers:
            yield ABOUT.problem(
                "dead letters", f"{detail}, and nobody takes them", "is the system pool running? See its log"
            )
        elif depth.ready >= before[queue].ready:
            yield ABOUT.warning("dead letters", f"{detail}, and they do not get less", "look at the system pool's log")


def has_dead(depths: Mapping[str, Depth]) -> bool:
    """Tell whether a second look at the dead letters is worth its while."""
    return any(queue.startswith(f"{DEAD}.") and depth.ready for queue, depth in depths.items())


def _version(facts: AmqpFacts) -> Finding:
    detail = f"RabbitMQ {facts.version}"
    major = facts.version.partition(".")[0]
    if not major.isdecimal() or int(major) >= 4:  # noqa: PLR2004 - a line of RabbitMQ
        return ABOUT.ok("reachable", detail)
    return ABOUT.warning("reachable", f"{detail}: priorities are ignored", "RabbitMQ 4.0 or newer obeys them")


def _publishing(facts: AmqpFacts) -> Finding:
    if facts.refusal is None:
        return ABOUT.ok("publishing", "a message was confirmed")
    return ABOUT.problem("publishing", facts.refusal, "look for an alarm below, and at the account's permissions")


def _standing(facts: AmqpFacts) -> Finding:
    if not facts.missing:
        return ABOUT.ok("queues", "all exchanges and queues of WARREN_POOLS exist")
    more = f" and {len(facts.missing) - _SHOWN} more" if len(facts.missing) > _SHOWN else ""
    detail = f"missing: {', '.join(facts.missing[:_SHOWN])}{more}"
    return ABOUT.problem("queues", detail, "warren topology apply (in the chart: the Job named topology)")


def _backlog(depths: Mapping[str, Depth]) -> Iterator[Finding]:
    for queue, depth in sorted(depths.items()):
        if queue.startswith(f"{TASKS}.") and depth.ready and not depth.consumers:
            pool = queue.removeprefix(f"{TASKS}.")
            detail = f"{depth.ready} tasks wait in {pool}, and nobody takes them"
            advice = f"start a consumer (warren-consumer --pool {pool}), or ask the operator: kubectl get consumerpools"
            yield ABOUT.warning("backlog", detail, advice)


def _alarms(facts: ManagementFacts) -> Finding:
    if not facts.alarms:
        return ABOUT.ok("alarms", "none")
    return ABOUT.problem(
        "alarms", f"{', '.join(facts.alarms)}: it takes no messages", "free memory or disk of the broker's nodes"
    )


def _disks(disks: tuple[Disk, ...] | None) -> Iterator[Finding]:
    if disks is None:
        yield ABOUT.skipped("disk", "the account may not see it; one with the tag monitoring may (warren-monitor)")
        return
    for disk in disks:
        detail = f"{disk.free / 2**30:.1f} GiB free on {disk.node}, the alarm comes at {disk.limit / 2**30:.2f} GiB"
        if disk.free < ENOUGH_TIMES * disk.limit:
            yield ABOUT.warning("disk", detail, "make room: below the limit the broker takes no messages")
        else:
            yield ABOUT.ok("disk", detail)


def _topology(facts: ManagementFacts) -> Finding:
    plan = facts.plan
    if plan.complete:
        return ABOUT.ok("topology", "stands as this version wants it")
    counted = {verdict: len(plan.of(verdict)) for verdict in (Verdict.MISSING, Verdict.DIFFERS, Verdict.MISROUTES)}
    said = [f"{verdict}: {count}" for verdict, count in counted.items() if count]
    said += [str(step) for step in plan.conflicts[:_SHOWN]]
    advice = "warren topology check says what to do" if plan.conflicts else "warren topology apply"
    return ABOUT.problem("topology", "; ".join(said), advice)


def _orphans(facts: ManagementFacts) -> Iterator[Finding]:
    for step in facts.plan.of(Verdict.ORPHANED):
        yield ABOUT.warning("orphaned pool", f"{step.name}: {step.detail}", step.advice[0])


def _policies(found: Mapping[str, str | None], wanted: Topology) -> Finding:
    due = {queue.name: policy.name for queue in wanted.queues if (policy := wanted.policy_of(queue.name))}
    others = [
        f"{queue}: {found[queue] or 'none'}" for queue, policy in due.items() if found.get(queue, policy) != policy
    ]
    names = ", ".join(sorted(set(due.values())))
    if not others:
        return ABOUT.ok("policies", f"{names} in force")
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    detail = f"{names} not in force: {', '.join(others[:_SHOWN])}{more}"
    advice = "apply the topology, and take other policies off these queues or merge them: only one counts per queue"
    return ABOUT.problem("policies", detail, advice)
