"""Versitygw: an S3 server that keeps a bucket as a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.stack import web
from tools.stack.process import PROGRAM_PATH, Command
from tools.stack.server import LOOPBACK, NotReadyError

_HEALTH = "/health"


@dataclass(frozen=True)
class ObjectStore:
    """An S3 server with one account. Its binary is the one that `tools.gobuild` makes."""

    state: Path
    port: int
    binary: Path
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    name: str = "versitygw"
    start_seconds: float = 30
    stop_seconds: float = 5

    @property
    def ports(self) -> Sequence[int]:
        """Its one port."""
        return (self.port,)

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """The AWS SDKs' own variables for it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            # boto3 reads this name, the other SDKs the one above.
            "AWS_DEFAULT_REGION": self.region,
        }

    def prepare(self) -> Command:
        """Make the folder that holds the buckets."""
        data = self.state / "data"
        data.mkdir(exist_ok=True)
        gateway = [str(self.binary), "--port", f"{LOOPBACK}:{self.port}", "--region", self.region]
        options = ["--health", _HEALTH, "--keep-alive", "--quiet"]
        secrets = {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
        return Command([*gateway, *options, "posix", str(data)], {"PATH": PROGRAM_PATH} | secrets, self.state)

    def check(self) -> None:
        """Ask for its health."""
        status = web.call("GET", f"{self.url}{_HEALTH}").status
        if status != web.OK:
            message = f"{_HEALTH} answers {status}"
            raise NotReadyError(message)
