"""Passwords: one Secret, generated once, or one of one's own."""

from __future__ import annotations

import base64

from tests.contract.chart import CHART, release
from warren.topology import users
from warren.webhook import checked_secret

SECRET = "warren-credentials"


def test_every_password_is_there_long_and_of_its_own() -> None:
    data = dict(release().one("Secret", SECRET)["data"])
    webhooks = base64.b64decode(data.pop("webhooks")).decode()
    assert checked_secret(webhooks)
    assert data.keys() == {user.name for user in users()} | {"valkey", "s3-access-key", "s3-secret-key"}
    passwords = [base64.b64decode(value).decode() for value in data.values()]
    assert len(set(passwords)) == len(passwords)
    # They become part of URLs.
    assert all(len(password) == 32 and password.isalnum() for password in passwords)


def test_an_upgrade_keeps_what_is_there() -> None:
    template = (CHART / "templates" / "credentials" / "secret.yaml").read_text()
    assert 'lookup "v1" "Secret" .Release.Namespace' in template


def test_with_a_secret_of_ones_own_none_is_made_and_all_take_that() -> None:
    rendering = release("credentials.existingSecret=mine")
    assert not rendering.all("Secret")
    taken = {name for pod in rendering.pods for kind, name, _ in pod.references() if kind == "Secret"}
    assert taken == {"mine"}
