"""RabbitMQ's management API: what stands on one virtual host, as plain JSON.

Only what is the same on all lines of RabbitMQ is asked for, and nothing that needs the management plugin's collector of
figures, which may be switched off.

Forbidden elsewhere: calling the management API. Forbidden here: what should stand.
"""

from __future__ import annotations

import html
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

import httpx2

from warren.errors import BrokerUnavailableError

ANSWER_SECONDS: Final = 5.0
PAGE: Final = 500


class ManagementRefusedError(BrokerUnavailableError):
    """The management API answered, but would not do it: the account's tags or permissions do not allow it."""


class Management:
    """The management API at `url` (`http://user:password@host:15672`), for the virtual host of the broker's URL."""

    def __init__(self, url: str, broker_url: str, *, seconds: float = ANSWER_SECONDS) -> None:
        parts = urlsplit(url)
        self.where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.vhost = unquote(urlsplit(broker_url).path[1:]) or "/"
        self.user = unquote(parts.username or "")
        self._scope = quote(self.vhost, safe="")
        auth = (self.user, unquote(parts.password or ""))
        self._http = httpx2.AsyncClient(base_url=self.where, auth=auth, timeout=seconds)

    async def __aenter__(self) -> Self:
        """Return itself; connections are made when they are needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def nodes(self) -> list[dict[str, Any]]:
        """Return memory and disk of the nodes; the account needs the tag `monitoring`."""
        columns = "name,mem_alarm,mem_used,mem_limit,disk_free_alarm,disk_free,disk_free_limit"
        found: list[dict[str, Any]] = (await self._ask("GET", "/api/nodes", params={"columns": columns})).json()
        return found

    async def alarms(self) -> list[str]:
        """Return the alarms in force, as the broker words them."""
        answer = await self._send("GET", "/api/health/checks/alarms")
        if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            document = answer.json()
            return [f"{alarm.get('resource', alarm)}" for alarm in document.get("alarms", [document.get("reason", "")])]
        self._expect(answer)
        return []

    async def date(self) -> str | None:
        """Return the `Date` that the broker's clock puts under an answer."""
        answer = await self._ask("GET", "/api/whoami")
        date: str | None = answer.headers.get("Date")
        return date

    async def exchanges(self) -> list[dict[str, Any]]:
        """Return the exchanges."""
        return await self._list("exchanges")

    async def bindings(self) -> list[dict[str, Any]]:
        """Return the bindings."""
        return await self._list("bindings")

    async def policies(self) -> list[dict[str, Any]]:
        """Return the policies; the account needs the tag `policymaker`, or sees none."""
        return await self._list("policies")

    async def queues(self, pattern: str) -> list[dict[str, Any]]:
        """Return the queues whose name matches, with their arguments, policy and messages."""
        found: list[dict[str, Any]] = []
        page, pages = 1, 1
        while page <= pages:
            params = {
                "page": page,
                "page_size": PAGE,
                "name": pattern,
                "use_regex": "true",
                # Without these the counts come from figures that are seconds old, and from nowhere where none are kept.
                "disable_stats": "true",
                "enable_queue_totals": "true",
            }
            document = (await self._ask("GET", f"/api/queues/{self._scope}", params=params)).json()
            found += document["items"]
            page, pages = page + 1, document["page_count"]
        return found

    async def set_policy(self, name: str, body: dict[str, Any]) -> None:
        """Make or change a policy; the account needs the tag `policymaker`."""
        await self._ask("PUT", f"/api/policies/{self._scope}/{quote(name, safe='')}", json=body)

    async def _list(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._ask("GET", f"/api/{kind}/{self._scope}")).json()
        return found

    async def _ask(self, method: str, path: str, **parts: Any) -> httpx2.Response:  # noqa: ANN401 - the client's own
        answer = await self._send(method, path, **parts)
        self._expect(answer)
        return answer

    async def _send(self, method: str, path: str, **parts: Any) -> httpx2.Response:  # noqa: ANN401 - the client's own
        try:
            return await self._http.request(method, path, **parts)
        except httpx2.HTTPError as error:
            what = str(error) or type(error).__name__
            raise BrokerUnavailableError(f"the management API at {self.where} does not answer: {what}") from error

    def _expect(self, answer: httpx2.Response) -> None:
        if answer.is_success:
            return
        what = f"{answer.request.method} {unquote(answer.request.url.path)}"
        detail = f"the management API at {self.where} refuses {what} to {self.user!r}: {_reason(answer)}"
        if answer.status_code in {httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN}:
            raise ManagementRefusedError(detail, retry_after=None)
        raise BrokerUnavailableError(detail)


def _reason(answer: httpx2.Response) -> str:
    try:
        document = answer.json()
    except ValueError:
        return f"{answer.status_code} {answer.reason_phrase}"
    # It is meant for a browser.
    said = html.unescape(f"{document.get('reason') or document.get('error')}")
    return f"{answer.status_code} {' '.join(said.split())}"
