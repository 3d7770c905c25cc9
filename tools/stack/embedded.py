"""The whole of Warren as local processes: `make run`.

Every process is ended when this ends, however it ends.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.stack import examples, steps
from tools.stack.components import Component, Components, program
from tools.stack.console import Follower, step
from tools.stack.examples import Example
from tools.stack.installation import installed
from tools.stack.packages import own_release
from tools.stack.server import Server
from tools.stack.serverset import ADMINISTRATOR, ServerSet

API_OFFSET = 800
"""How far the API's port lies above the base of all ports."""

_LOOK_SECONDS = 0.3

_NEXT = """
Warren is up. Try, in another terminal:

  {url}/docs
      the API's pages, where every call can be tried
  curl -s {url}/v1/models/iris/predict -H 'Content-Type: application/json' \\
      -d '{{"instances": [[5.1, 3.5, 1.4, 0.2]]}}'
      a prediction
  {warren} --help
      the same from the command line

RabbitMQ's pages   http://127.0.0.1:{management}  (user {user}, password in credentials.json)
Logs and data      {state}
{examples}
Ctrl-C ends everything. What the components say follows.
"""

_EXAMPLES = """
The example tasks have pools of their own. Serve their sample files in another terminal, from here, and call them:

  {serve}
{calls}
"""


@dataclass
class Embedded:
    """Servers and components of one run: its state in one folder, the API on one port and all others around it."""

    state: Path
    port: int
    examples: Sequence[Example] = ()
    """Task packages that are served as well."""
    up: bool = False
    """The main job was done."""
    _watched: list[Server[Any]] = field(default_factory=list)

    def run(self, *, once: bool) -> None:
        """Do the main job; unless `once`, stay up until interrupted.

        Raises `StepError` when a step fails, `ServerError` when a process cannot start or ends by itself.
        """
        started = time.monotonic()
        with self._servers() as servers, self._components(servers) as components:
            self._main_job(components[0].spec.url)
            self.up = True
            print(f"The main job took {time.monotonic() - started:.1f} s.", flush=True)
            if not once:
                print(self._next(servers), flush=True)
                self._follow(components)

    @contextmanager
    def _servers(self) -> Iterator[ServerSet]:
        release = own_release()
        with step("programs"):
            servers = ServerSet.create(self.state, self.port - API_OFFSET, release)
        with servers.only_one():
            try:
                with step(f"RabbitMQ {release.rabbitmq}, {release.store.title()}, S3"):
                    servers.start()
                self._watched += servers.servers
                yield servers
            finally:
                with step("ending the servers"):
                    servers.stop()

    @contextmanager
    def _components(self, servers: ServerSet) -> Iterator[Sequence[Server[Component]]]:
        described = Components(servers, self.state / "components", self.port, self._installed())
        described.state.mkdir(exist_ok=True)
        components = [Server(spec) for spec in described.all()]
        with step("topology"):
            steps.run(described.topology())
        with step("data set") as said:
            said.append(steps.upload(servers.objects_environment))
        try:
            with step(", ".join(component.spec.name for component in components)):
                self._start(components)
            yield components
        finally:
            with step("ending the components"):
                _end(components)

    def _installed(self) -> dict[Example, Path]:
        folders: dict[Example, Path] = {}
        for example in self.examples:
            with step(f"examples/{example.package}"):
                target = self.state / "examples" / example.package
                target.parent.mkdir(exist_ok=True)
                folders[example] = installed(example.source, target)
        return folders

    def _start(self, components: Sequence[Server[Component]]) -> None:
        for component in components:
            component.start()
            self._watched.append(component)
        for component in components:
            component.wait(self._check)

    def _main_job(self, url: str) -> None:
        job = steps.MainJob(url, self._check)
        with step("training run") as said:
            result = job.train()["result"]
            said.append(f"{result['uri']} {result['metrics']}")
        with step("prediction") as said:
            said.append(", ".join(job.predict()))

    def _follow(self, components: Sequence[Server[Component]]) -> None:
        follower = Follower([component.process for component in components])
        while True:
            follower.print_new()
            self._check()
            time.sleep(_LOOK_SECONDS)

    def _check(self) -> None:
        """Raise for the first process that has ended by itself."""
        for server in self._watched:
            if not server.process.alive():
                raise server.died()

    def _next(self, servers: ServerSet) -> str:
        return _NEXT.format(
            url=f"http://127.0.0.1:{self.port}",
            warren=program("warren"),
            management=servers.rabbitmq.spec.listeners.management,
            user=ADMINISTRATOR.name,
            state=self.state,
            examples=self._calls(),
        )

    def _calls(self) -> str:
        if not self.examples:
            return ""
        calls = "\n".join(f"  {program('warren')} submit {example.call}" for example in self.examples)
        return _EXAMPLES.format(serve=examples.SERVE, calls=calls)


def _end(components: Sequence[Server[Component]]) -> None:
    for component in components:
        component.process.terminate()
    for component in components:
        component.stop()
