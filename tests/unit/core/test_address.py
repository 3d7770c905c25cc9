"""The URLs of servers: what may be seen of them, and which of them every library reads the same."""

from __future__ import annotations

import pytest

from warren.address import apart, checked, without_password


@pytest.mark.parametrize(
    ("url", "bare", "credentials"),
    [
        ("http://host:15692", "http://host:15692", None),
        ("http://host:15692/path/", "http://host:15692/path/", None),
        ("http://ann:secret@host/path", "http://host/path", ("ann", "secret")),
        ("http://ann:s%2Fe%40cret@host", "http://host", ("ann", "s/e@cret")),
        ("http://ann:s@cret@host", "http://host", ("ann", "s@cret")),
        ("http://ann:s:cret@[::1]:80", "http://[::1]:80", ("ann", "s:cret")),
        ("http://ann@host", "http://host", ("ann", "")),
        ("redis://:secret@host:6379/0", "redis://host:6379/0", ("", "secret")),
        ("amqp://ann:secret@host/%2Fown", "amqp://host/%2Fown", ("ann", "secret")),
        ("unix:///run/valkey.sock?db=0", "unix:///run/valkey.sock?db=0", None),
    ],
)
def test_a_url_is_taken_apart(url: str, bare: str, credentials: tuple[str, str] | None) -> None:
    assert checked(url) == url
    assert apart(url) == (bare, credentials)
    assert without_password(url) == bare


@pytest.mark.parametrize(
    "url",
    [*(f"http://ann:se{sign}cret@host:15692" for sign in "/#?[]"), "http://ann:1/cret@host", "http://ann:1#cret@host"],
)
def test_what_libraries_would_read_in_several_ways_is_refused_and_never_told(url: str) -> None:
    with pytest.raises(ValueError, match="percent-encoded") as caught:
        checked(url)
    assert "cret" not in str(caught.value)
    assert caught.value.__context__ is None
    assert "cret" not in without_password(url) + apart(url)[0]


@pytest.mark.parametrize("url", ["http://host:port", "http://host:0", "http://host:99999", "http://[::1"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no URL of a server"):
        checked(url)
