"""RabbitMQ of Debian 12 (3.10), Debian 13 (4.0) or sid (4.3), and the port mapper that Erlang wants beside it.

The packages' start script insists on a system user and their data folder; the one below it does not, and is what runs.
Long node names with an address need no name resolution at all.
"""

import json
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tools.stack import web
from tools.stack.origin import Origin
from tools.stack.process import PROGRAM_PATH, Command
from tools.stack.server import LOOPBACK, NotReadyError
from warren.definitions import definitions
from warren.topology import User

_PLUGINS = "[rabbitmq_management,rabbitmq_prometheus].\n"
_ADVANCED = "[{rabbit, [{dead_letter_worker_consumer_prefetch, 512}]}].\n"
"""How many messages each level of the delay ladder hands on at once, as in the chart; 32 by default."""
_AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


@dataclass(frozen=True)
class BrokerPorts:
    """The loopback ports of one broker."""

    amqp: int
    management: int
    metrics: int
    distribution: int
    mapper: int


@dataclass(frozen=True)
class PortMapper:
    """Erlang's epmd on a port of its own. It would otherwise be started by RabbitMQ, shared, and never end."""

    state: Path
    port: int
    origin: Origin
    name: str = "epmd"
    start_seconds: float = 10
    stop_seconds: float = 1

    @property
    def ports(self) -> Sequence[int]:
        """Its one port."""
        return (self.port,)

    def prepare(self) -> Command:
        """Return the command; there is nothing to configure."""
        arguments = ["epmd", "-port", str(self.port), "-address", LOOPBACK]
        return Command(self.origin.command(arguments, self.state), {"PATH": PROGRAM_PATH}, self.state)

    def check(self) -> None:
        """Connect."""
        socket.create_connection((LOOPBACK, self.port), timeout=1).close()


@dataclass(frozen=True)
class RabbitMQ:
    """A broker of one node on the loopback interface. Its users are those given here; `guest` does not exist.

    `consumer_timeout_ms` is for lines before 4.0, where a queue cannot have its own. The first user must be an
    administrator: readiness is asked with it. Its data is closed 20 ms after it is asked to end; 3.10 then lingers for
    6 s, hence `stop_seconds`.
    """

    state: Path
    listeners: BrokerPorts
    origin: Origin
    users: Sequence[User]
    passwords: Mapping[str, str] = field(repr=False)
    consumer_timeout_ms: int
    name: str = "rabbitmq"
    start_seconds: float = 90
    stop_seconds: float = 2

    @property
    def ports(self) -> Sequence[int]:
        """All but the mapper's, which is a server of its own."""
        own = self.listeners
        return (own.amqp, own.management, own.metrics, own.distribution)

    @property
    def management_url(self) -> str:
        """The management API, as the first user."""
        return self.url("http", self.users[0].name)

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads."""
        return f"http://{LOOPBACK}:{self.listeners.metrics}/metrics"

    def url(self, scheme: str, user: str) -> str:
        """Return the address of AMQP (`amqp`) or of the management API (`http`) for one of the users."""
        port = self.listeners.amqp if scheme == "amqp" else self.listeners.management
        return f"{scheme}://{user}:{self.passwords[user]}@{LOOPBACK}:{port}/"

    def prepare(self) -> Command:
        """Write configuration, definitions, plugins and cookie."""
        self._write("rabbitmq.conf", self._configuration())
        self._write("advanced.config", _ADVANCED)
        self._write("definitions.json", json.dumps(definitions(self.users, self.passwords), indent=1))
        self._write("enabled_plugins", _PLUGINS)
        cookie = self.state / "home" / ".erlang.cookie"
        if not cookie.exists():
            self._write("home/.erlang.cookie", secrets.token_hex(16))
            cookie.chmod(0o400)
        arguments = self.origin.command(["/usr/lib/rabbitmq/bin/rabbitmq-server"], self.state)
        return Command(arguments, self._environment(), self.state)

    def control(self, *arguments: str) -> Command:
        """Return the command that administrates the running broker."""
        program = ["/usr/lib/rabbitmq/bin/rabbitmqctl", "--quiet", *arguments]
        environment = {name: value for name, value in self._environment().items() if name != "detached"}
        return Command(self.origin.command(program, self.state), environment, self.state)

    def check(self) -> None:
        """Ask for AMQP, the management API and the metrics."""
        with socket.create_connection((LOOPBACK, self.listeners.amqp), timeout=2) as connection:
            connection.sendall(_AMQP_HEADER)
            if connection.recv(1) != _METHOD_FRAME:
                message = "no AMQP greeting yet"
                raise NotReadyError(message)
        for url in (f"{self.management_url}api/overview", self.metrics_url):
            status = web.call("GET", url).status
            if status != web.OK:
                message = f"{urlsplit(url).path} answers {status}"
                raise NotReadyError(message)

    def _environment(self) -> Mapping[str, str]:
        inside = self.origin.inside(self.state)
        return {
            "PATH": PROGRAM_PATH,
            "LANG": "C.UTF-8",
            "HOME": str(inside / "home"),
            "ERL_EPMD_PORT": str(self.listeners.mapper),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": f"warren@{LOOPBACK}",
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_DIST_PORT": str(self.listeners.distribution),
            "RABBITMQ_CONF_ENV_FILE": str(inside / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(inside / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(inside / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(inside / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(inside / "data"),
            "RABBITMQ_LOG_BASE": str(inside / "log"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The start script then becomes the broker instead of staying beside it as its parent.
            "detached": "true",
        }

    def _configuration(self) -> str:
        inside, ports = self.origin.inside(self.state), self.listeners
        return f"""\
listeners.tcp.1 = {LOOPBACK}:{ports.amqp}
management.tcp.ip = {LOOPBACK}
management.tcp.port = {ports.management}
prometheus.tcp.ip = {LOOPBACK}
prometheus.tcp.port = {ports.metrics}
load_definitions = {inside}/definitions.json
consumer_timeout = {self.consumer_timeout_ms}
log.file = false
log.console = true
"""

    def _write(self, name: str, text: str) -> None:
        path = self.state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
