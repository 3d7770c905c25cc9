"""The store of task records: Redis of Debian 12 or Valkey of Debian 13, told to keep what it has confirmed."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.stack.origin import Origin
from tools.stack.process import PROGRAM_PATH, Command
from tools.stack.server import LOOPBACK, NotReadyError

_CONFIGURATION = """\
bind {loopback}
port {port}
requirepass {password}
dir {folder}
appendonly yes
appendfsync always
maxmemory-policy noeviction
save ""
daemonize no
"""


@dataclass(frozen=True)
class Store:
    """A store of one node; `flavour` is `redis` or `valkey`."""

    state: Path
    port: int
    origin: Origin
    password: str
    flavour: str
    name: str = "store"
    start_seconds: float = 30
    stop_seconds: float = 10

    @property
    def ports(self) -> Sequence[int]:
        """Its one port."""
        return (self.port,)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def prepare(self) -> Command:
        """Write the configuration, which holds the password: an argument could be read by everybody."""
        inside = self.origin.inside(self.state)
        (self.state / "data").mkdir(exist_ok=True)
        text = _CONFIGURATION.format(loopback=LOOPBACK, port=self.port, password=self.password, folder=inside / "data")
        (self.state / "store.conf").write_text(text)
        arguments = [f"/usr/bin/{self.flavour}-server", str(inside / "store.conf")]
        environment = {"LANG": "C.UTF-8", "PATH": PROGRAM_PATH}
        return Command(self.origin.command(arguments, self.state), environment, self.state)

    def check(self) -> None:
        """Ask for a PONG, which it does not give while it loads its data."""
        with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
            connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
            answers = connection.makefile("rb")
            said = (answers.readline(), answers.readline())
        if said != (b"+OK\r\n", b"+PONG\r\n"):
            message = f"it answers {b' '.join(said).decode(errors='replace').strip()}"
            raise NotReadyError(message)
