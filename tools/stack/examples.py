"""The task packages of examples/, as an embedded run serves them: `make run ARGS=--examples`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from warren.pool import Pool

FOLDER: Final = Path(__file__).resolve().parents[2] / "examples"
SITE: Final = "http://127.0.0.1:8765"
"""Where the examples' own sample files are, once a person serves them (`SERVE`)."""
SERVE: Final = "python3 -m http.server 8765 --bind 127.0.0.1 --directory examples"


@dataclass(frozen=True, eq=False)
class Example:
    """A task package and the pool that is its own, worked on one task at a time."""

    package: str
    pool: Pool
    environment: Mapping[str, str]
    """What its consumers are told unless this process' environment says it."""
    call: str
    """What to try."""

    @property
    def settings(self) -> dict[str, str]:
        """What its consumers are told."""
        return {name: os.environ.get(name, value) for name, value in self.environment.items()}

    @property
    def source(self) -> Path:
        """Where it is in the checkout."""
        return FOLDER / self.package


EXAMPLES: Final = (
    Example(
        "audio_length",
        Pool(name="audio-length"),
        {"AUDIO_LENGTH_ALLOW": "127.0.0.0/8 ::1"},
        f"audio_length url={SITE}/audio_length/tests/files/tone.ogg --wait",
    ),
    Example(
        "lottery_results",
        Pool(name="lottery-results"),
        {"LOTTERY_RESULTS_URL": f"{SITE}/lottery_results/tests/pages/results.html"},
        "lottery_results most=1 --wait",
    ),
)
