"""Trainers: plugins that turn a dataset and parameters into a model, found through an entry-point group.

The consumer only lists their names; a trainer is imported in the training child.

Forbidden here: any trainer's library.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from warren_consumer.training.job import Job, Product

GROUP: Final = "warren.trainers"
"""The entry-point group under which a distribution offers its trainers."""


class Trainer(Protocol):
    """Turns a dataset and parameters into an ONNX file."""

    def train(self, job: Job, report: Callable[[float, str], None]) -> Product:
        """Train, write `job.output` and return what is known about it.

        `report` takes the fraction that is done and a few words.

        Raises:
            TaskFault: the run failed for a reason that has a name.

        """


def names() -> list[str]:
    """Return the names of the installed trainers, sorted."""
    return sorted(entry_points(group=GROUP).names)


def load(name: str) -> Trainer:
    """Import a trainer.

    Raises:
        KeyError: none of that name is installed.

    """
    return cast("Trainer", entry_points(group=GROUP)[name].load())
