"""A person at `make run ARGS=--examples`, who types what the pages say."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.samples import Samples
from tests.pages import block, put, transcript, typed

PAGES_URL = "http://127.0.0.1:17800"
PAGES_SAMPLES = "http://127.0.0.1:8765"
WITHOUT = "#"
"""Where the comment behind a command begins."""


@dataclass(frozen=True)
class Person:
    """Who has a home folder and the programs of Warren; the run and the sample files are at other ports than usual."""

    home: Path
    url: str
    samples: Samples

    def types(self, text: str) -> str:
        """Type commands that must succeed, and return what they print."""
        text = text.replace(PAGES_URL, self.url).replace(PAGES_SAMPLES, self.samples.url)
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = typed(text, os.environ | {"HOME": str(self.home), "WARREN_URL": self.url, "PATH": programs}, self.home)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def tries(self, page: str, holds: str) -> None:
        """Type a page's commands one after the other, and find that each prints what is shown."""
        for command, shown in transcript(page, holds):
            assert _plain(self.types(command)) == _plain(shown), command

    def reads_functions(self) -> None:
        """Try the examples, and a wrong call of a task."""
        self.tries("docs/functions.md", '"text": 3')
        self.tries("docs/functions.md", "submit lottery_results")
        for package, holds in (("audio_length", "tone-vbr.mp3"), ("lottery_results", "since=")):
            assert self.types(put(block(f"examples/{package}/README.md", holds), (".venv/bin/warren", "warren")))

    def reads_the_api(self) -> None:
        """Submit, follow, wait for, and look at tasks."""
        [(submit, shown)] = transcript("docs/api.md", "order-17")
        assert self.types(submit).splitlines()[0].strip() == shown.splitlines()[0]
        task = self._answer(submit)
        assert (task["status"], task["result"]) == ("succeeded", "hello")
        [(follow, _)] = transcript("docs/api.md", "/events")
        assert "event: succeeded" in self.types(put(follow, ("01a1fe0b-22c4-71de-8ec0-946ea8854bce", task["id"])))
        [(batch, shown)] = transcript("docs/api.md", "import-7")
        told, known = json.loads(self.types(batch)), json.loads(shown)
        assert [sorted(item) for item in told["tasks"]] == [sorted(item) for item in known["tasks"]]
        assert (told["accepted"], told["refused"]) == (known["accepted"], known["refused"])

    def uses_the_command_line(self) -> None:
        """Do the same from a shell."""
        (self.home / "tasks.jsonl").write_text('{"task": "echo", "args": {"text": "a"}}\n' * 3)
        lines = [command for command, _ in transcript("docs/api.md", "warren submit echo text=hello --wait")]
        submit, _, _, batch, looks, piped, *_ = [line.partition(WITHOUT)[0] for line in lines]
        assert self.types(submit) == '"hello"\n'
        ids = self.types(batch).split()
        assert len(ids) == 3
        look, result, wait, cancel = put(looks, ("wait ID...", f"wait {' '.join(ids)}"), ("ID", ids[0])).split(";")
        assert "succeeded" in self.types(f"{wait}; {look}")
        assert self.types(result) == '"a"\n'
        assert self.types(cancel)
        assert self.types(piped)

    def looks_at_dead_letters(self) -> None:
        """List, replay and discard what has failed: a file that is not there."""
        failing = f"warren submit audio_length url={self.samples.url}/no-such-file --wait || true"
        self.types(failing)
        own = (("fragile", "audio_length"), ("exception", "not-found"))
        listing, replay, replay_many, discard = [
            command for command, _ in transcript("docs/api.md", "dead-letters?task=fragile")
        ]
        [letter] = json.loads(self.types(put(listing, own[0])))["dead_letters"]
        assert letter["error"]["code"] == "not-found"
        again = self._answer(put(replay, ("01a1fe07-6ca7-749b-bacc-e3bf915728e6", letter["id"])))
        assert again["replay_of"] == letter["id"]
        self.types(f"warren wait {again['id']} || true")
        [fate] = json.loads(self.types(put(replay_many, own[0])))["results"]
        assert (fate["id"], fate["fate"]) == (again["id"], "replayed")
        self.types(f"warren wait {fate['task_id']} || true")
        assert fate["task_id"] in self.types(put("warren dead-letters list --task fragile", own[0]))
        [fate] = json.loads(self.types(put(discard, own[1])))["results"]
        assert fate["fate"] == "discarded"

    def submits_with_a_webhook(self, receiver: str) -> str:
        """Submit what docs/webhooks.md submits, with a receiver that there is; return the task's id."""
        command = put(
            block("docs/webhooks.md", "receiver.example"),
            ("https://receiver.example/warren", receiver),
            ("https://example.com/a.mp3", self.samples.audio),
        )
        return str(json.loads(self.types(command))["id"])

    def webhook_secret(self) -> str:
        """Return what docs/webhooks.md says webhooks of `make run` are signed with."""
        return self.types(block("docs/webhooks.md", "# of make run").splitlines()[1]).strip()

    def _answer(self, command: str) -> Any:
        return json.loads(self.types(command).splitlines()[-1])


def _plain(text: str) -> object:
    """Return JSON as what it says, however it is broken into lines; anything else as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
