"""API keys: what a key is, and what is kept of it."""

from __future__ import annotations

import hashlib

import pytest
from pydantic import ValidationError

from warren.keys import KeyEntry, Scope, key_id, new_key


def test_of_a_key_only_its_hash_is_kept() -> None:
    key, entry = new_key("ci", (Scope.SUBMIT,), max_body_bytes=4096)
    secret = key.split("_", 2)[2]
    assert len(secret) == 43  # 32 bytes in base64
    assert entry.sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert secret not in entry.text()
    assert KeyEntry.model_validate_json(entry.text()) == entry
    assert (entry.file, entry.max_body_bytes) == (f"ci.{key_id(key)}", 4096)


def test_keys_are_never_the_same_twice() -> None:
    assert len({new_key("ci", (Scope.READ,))[0] for _ in range(100)}) == 100


def test_an_entry_fits_its_own_key_alone() -> None:
    key, entry = new_key("ci", (Scope.READ,))
    assert entry.fits(key)
    assert not entry.fits(new_key("ci", (Scope.READ,))[0])
    assert not entry.fits(key[:-1] + ("a" if key[-1] != "a" else "b"))
    assert not entry.fits("\udcff".encode(errors="replace").decode())


@pytest.mark.parametrize("text", ["", "warren_", "warren_1f2e3d4c_x", "Bearer warren_1f2e3d4c_" + "x" * 43, "x" * 9999])
def test_what_is_no_key_has_no_id(text: str) -> None:
    assert key_id(text) is None


@pytest.mark.parametrize(
    ("scopes", "may"),
    [("read", "read"), ("submit", "submit"), ("read submit", "read submit"), ("admin", "read submit admin")],
)
def test_a_key_is_good_for_its_scopes_and_admin_for_all(scopes: str, may: str) -> None:
    _, entry = new_key("ci", tuple(map(Scope, scopes.split())))
    assert {scope for scope in Scope if entry.may(scope)} == set(map(Scope, may.split()))


@pytest.mark.parametrize(
    ("name", "scopes", "limits"),
    [
        ("CI", (Scope.READ,), {}),
        ("a.b", (Scope.READ,), {}),
        ("", (Scope.READ,), {}),
        ("ci", (), {}),
        ("ci", (Scope.READ,), {"requests_per_second": 0}),
        ("ci", (Scope.READ,), {"requests_per_second": float("inf")}),
        ("ci", (Scope.READ,), {"requests_per_second": 1e308}),
        ("ci", (Scope.READ,), {"requests_per_second": 5e-324}),
        ("ci", (Scope.READ,), {"max_body_bytes": 1}),
        ("ci", (Scope.READ,), {"max_body": 4096}),
    ],
)
def test_what_an_entry_cannot_be(name: str, scopes: tuple[Scope, ...], limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        new_key(name, scopes, **limits)
