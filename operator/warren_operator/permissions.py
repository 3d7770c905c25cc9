"""What the operator's Role has to allow: no more and no less than the calls that are made.

The chart's Role is compared with this list, and this list with the calls of the adapters.

Forbidden here: anything else.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from warren.resources import GROUP


class Call(NamedTuple):
    """One call that a Role can allow."""

    group: str
    resource: str
    """The plural, with the subresource after a slash."""
    verb: str


def _calls(group: str, resource: str, *verbs: str) -> frozenset[Call]:
    return frozenset(Call(group, resource, verb) for verb in verbs)


PERMISSIONS: Final = (
    _calls(GROUP, "mljobs", "get", "list", "watch", "patch", "delete")
    | _calls(GROUP, "mljobs/status", "patch")
    | _calls(GROUP, "consumerpools", "get", "list", "watch")
    | _calls(GROUP, "consumerpools/status", "patch")
    | _calls("apps", "deployments/scale", "get", "patch")
    | _calls("", "pods", "list", "patch")
    | _calls("", "events", "create")
)
"""`patch` of mljobs is for finalizers, `delete` for ttlSecondsAfterFinished, `watch` is kopf's. Pods are listed for
those that no node takes, and patched with their deletion cost."""
