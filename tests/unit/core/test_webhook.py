"""The words of webhooks: identities, secrets, signatures."""

from __future__ import annotations

import base64

import pytest

from warren.record import State
from warren.webhook import new_secret, secret_key, signature, webhook_id

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_signature_is_that_of_standard_webhooks() -> None:
    """The example is the specification's own libraries'."""
    said = signature([secret_key(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_of_two_secrets_both_sign() -> None:
    old, new = secret_key(new_secret()), secret_key(new_secret())
    both = signature([new, old], "id", 7, b"x").split()
    assert both == [signature([new], "id", 7, b"x"), signature([old], "id", 7, b"x")]
    assert len({*both}) == 2


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
        secret_key(secret)
    assert not secret or secret == "whsec_" or secret not in str(refusal.value)


def test_an_event_of_a_task_has_one_identity() -> None:
    assert webhook_id("7", State.FAILED) == "7_failed"
    assert "." not in webhook_id("0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21", State.SUCCEEDED)
