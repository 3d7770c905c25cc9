"""Whose secrets a webhook is signed with, as a receiver with the library of Standard Webhooks sees it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from warren.keyring import Keyring
from warren.keys import KeyEntry, Scope, new_key
from warren.webhook import new_secret
from warren_consumer.system.webhooks.signature import Signer

BOTH = (Scope.SUBMIT, Scope.READ)
BODY = '{"text": "café"}'.encode()


class Office:
    """The keys of an installation, and what signs for them."""

    def __init__(self, folder: Path, *general: str) -> None:
        self._folder = folder
        self._keyring = Keyring(folder)
        self._signer = Signer(general, self._keyring)

    async def admit(self, name: str, scopes: tuple[Scope, ...] = BOTH, **changes: object) -> KeyEntry:
        """Make a key valid; return its entry."""
        entry = new_key(name, scopes)[1].model_copy(update=changes)
        (self._folder / entry.file).write_text(entry.text())
        await self._keyring.read()
        return entry

    async def refuse(self, entry: KeyEntry) -> None:
        """Take a key away."""
        (self._folder / entry.file).unlink()
        await self._keyring.read()

    def known(self, caller: str | None, *secrets: str) -> list[bool]:
        """Tell which of receivers with these secrets take a message of the caller's tasks."""
        at = int(time.time())
        signature = self._signer.sign(caller, "7_succeeded", at, BODY)
        headers = {"webhook-id": "7_succeeded", "webhook-timestamp": str(at), "webhook-signature": signature}
        return [_takes(Webhook(secret), headers) for secret in secrets]


def _takes(receiver: Webhook, headers: dict[str, str]) -> bool:
    try:
        assert receiver.verify(BODY, headers) == {"text": "café"}
    except WebhookVerificationError:
        return False
    return True


def test_a_signature_is_that_of_standard_webhooks() -> None:
    """The example is the specification's own libraries'."""
    signer = Signer(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    said = signer.sign(None, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_without_a_secret_there_is_no_signature() -> None:
    assert not Signer([]).sign("ci", "7", 7, BODY)


def test_of_two_secrets_both_sign() -> None:
    old, new = new_secret(), new_secret()
    both = Signer([new, old]).sign(None, "7", 7, BODY).split()
    assert both == [Signer([secret]).sign(None, "7", 7, BODY) for secret in (new, old)]
    assert len({*both}) == 2


async def test_each_name_has_a_secret_of_its_own(tmp_path: Path) -> None:
    general = new_secret()
    office = Office(tmp_path, general)
    ann, bob = await office.admit("ann"), await office.admit("bob")
    everyone = (*ann.webhook_secrets, *bob.webhook_secrets, general)
    assert len(everyone) == 3
    assert office.known("ann", *everyone) == [True, False, False]
    assert office.known("bob", *everyone) == [False, True, False]
    assert office.known(None, *everyone) == [False, False, True]
    assert office.known("gone", *everyone) == [False, False, True]


async def test_while_a_key_takes_anothers_place_both_their_secrets_sign(tmp_path: Path) -> None:
    general = new_secret()
    office = Office(tmp_path, general)
    old, new = await office.admit("ci"), await office.admit("ci")
    everyone = (*old.webhook_secrets, *new.webhook_secrets, general)
    assert office.known("ci", *everyone) == [True, True, False]
    await office.refuse(old)
    assert office.known("ci", *everyone) == [False, True, False]


async def test_of_a_key_with_two_secrets_both_sign(tmp_path: Path) -> None:
    office, secrets = Office(tmp_path), (new_secret(), new_secret())
    await office.admit("ci", webhook_secrets=secrets)
    assert office.known("ci", *secrets) == [True, True]


async def test_the_first_secret_of_a_name_leaves_no_receiver_behind(tmp_path: Path) -> None:
    general = new_secret()
    office = Office(tmp_path, general)
    old, new = await office.admit("ci", webhook_secrets=()), await office.admit("ci")
    assert office.known("ci", general, *new.webhook_secrets) == [True, True]
    await office.refuse(old)
    assert office.known("ci", general, *new.webhook_secrets) == [False, True]


async def test_a_key_that_only_reads_signs_nothing(tmp_path: Path) -> None:
    general = new_secret()
    office = Office(tmp_path, general)
    reader = await office.admit("ci", (Scope.READ,))
    submitter = await office.admit("ci", (Scope.ADMIN,))
    assert reader.webhook_secrets == ()
    assert office.known("ci", general, *submitter.webhook_secrets) == [False, True]


@pytest.mark.parametrize("body", [b"", b"{}", BODY])
def test_what_was_changed_on_the_way_is_refused(body: bytes) -> None:
    secret, at = new_secret(), int(time.time())
    signature = Signer([secret]).sign(None, "7", at, body)
    headers = {"webhook-id": "7", "webhook-timestamp": str(at), "webhook-signature": signature}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
