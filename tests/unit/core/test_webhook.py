"""The words of webhooks: identities, secrets."""

from __future__ import annotations

import base64

import pytest

from warren.record import State
from warren.webhook import checked_secret, new_secret, webhook_id

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_short",
        "hush-hush",
        SECRET.removeprefix("whsec_"),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_***",
    ],
)
def test_what_is_no_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as refusal:
        checked_secret(secret)
    assert not secret or secret == "whsec_" or secret not in str(refusal.value)


def test_a_secret_is_of_its_form_and_no_other() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {checked_secret(secret) for secret in made | {SECRET}} == made | {SECRET}


def test_an_event_of_a_task_has_one_identity() -> None:
    assert webhook_id("7", State.FAILED) == "7_failed"
    assert "." not in webhook_id("0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21", State.SUCCEEDED)
