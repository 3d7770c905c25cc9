"""The task on real files, from a web server on loopback that counts what it sends."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from audio_length import ogg, web
from audio_length.settings import MEBIBYTE, load
from audio_length.tasks import audio_length
from warren import Fail, Retry
from warren.errors import SettingsError, UnreachableError, UrlRefusedError

FILES = Path(__file__).parent / "files"
"""A tone of 2.5 seconds, written by flac, oggenc, opusenc and lame, which rounds up to whole frames."""
LENGTHS = {"tone.flac": 2.5, "tone.ogg": 2.5, "tone.opus": 2.5, "tone-cbr.mp3": 2.66, "tone-vbr.mp3": 2.66}
PIECE = 64 * 1024


def wav(seconds: float, rate: int = 8000) -> bytes:
    """Return a wav file that is silent for so long."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(1)
        writer.setframerate(rate)
        writer.writeframes(bytes(int(seconds * rate)))
    return file.getvalue()


@dataclass
class Resource:
    """What the server has at a path: a beginning, and zeros up to its size."""

    head: bytes
    size: int = 0
    parts: bool = True
    """Whether parts of it are given."""
    generous: bool = False
    """Whether a part goes on to the end, however little was asked for."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[int], None] = lambda _: None
    """Called with the place from which on it was asked for."""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes of a place."""
        data = self.head[start:end]
        return data + bytes(max(0, min(end, self.length) - max(start, len(self.head))))

    @property
    def length(self) -> int:
        return max(self.size, len(self.head))


@dataclass
class Site:
    """A web server's content, and what it has sent."""

    url: str = ""
    resources: dict[str, Resource] = field(default_factory=dict)
    sent: int = 0
    requests: int = 0

    def put(self, resource: Resource, name: str = "file") -> str:
        """Have something at a path, and return its URL."""
        self.resources[f"/{name}"] = resource
        return f"{self.url}/{name}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET with a resource or a part of it."""

    site: Site

    def setup(self) -> None:
        """Keep the kernel from taking in megabytes that nobody reads: they would be counted as sent."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
        super().setup()

    def handle(self) -> None:
        with suppress(ConnectionError):  # it has heard enough
            super().handle()

    def do_GET(self) -> None:
        self.site.requests += 1
        found = self.site.resources.get(self.path, Resource(b"nothing here", status=404))
        start, end = self._wanted(found)
        found.before(start)
        whole = (start, end) == (0, found.length) and (found.status != 200 or not found.parts)
        self.send_response(found.status if whole or found.status != 200 else 206)
        headers = {} if whole else {"Content-Range": f"bytes {start}-{end - 1}/{found.length}"}
        for name, value in (headers | {"Content-Length": str(end - start)} | dict(found.headers)).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self._send(found, start, end)

    def _wanted(self, found: Resource) -> tuple[int, int]:
        if not found.parts or found.status != 200:
            return 0, found.length
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        return int(first), found.length if found.generous else min(int(last) + 1, found.length)

    def _send(self, found: Resource, start: int, end: int) -> None:
        for place in range(start, end, PIECE):
            self.wfile.write(found.read(place, min(place + PIECE, end)))
            self.site.sent += min(PIECE, end - place)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give a web server that the task may ask."""
    monkeypatch.setenv("AUDIO_LENGTH_ALLOW", "127.0.0.1")
    site = Site()
    handler = type("OfThisSite", (Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        site.url = f"http://127.0.0.1:{server.server_port}"
        yield site
        server.shutdown()
        serving.join()


def fails(url: str) -> tuple[str, str]:
    """Return the code and the message with which the task fails for good."""
    with pytest.raises((Fail, UrlRefusedError)) as failure:
        audio_length(url)
    error = failure.value
    assert isinstance(error, Fail | UrlRefusedError)
    return error.code, error.message if isinstance(error, Fail) else error.detail


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize("name", LENGTHS)
def test_every_format(site: Site, name: str, parts: bool) -> None:  # noqa: FBT001
    url = site.put(Resource((FILES / name).read_bytes(), parts=parts))
    assert audio_length(url) == pytest.approx(LENGTHS[name], abs=0.01)


@pytest.mark.parametrize("parts", [True, False])
def test_a_wav(site: Site, parts: bool) -> None:  # noqa: FBT001
    assert audio_length(site.put(Resource(wav(12.5), parts=parts))) == 12.5


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFF00, 0x7FFFF000])
def test_a_wav_that_was_streamed_plays_as_long_as_its_bytes_last(
    site: Site,
    size: int,
    parts: bool,  # noqa: FBT001
) -> None:
    told = struct.pack("<I", size)
    head, sound = wav(12.5)[:40], wav(12.5)[44:]
    note = b"LIST" + struct.pack("<I", 5) + b"words\0"
    streamed = head[:4] + told + head[8:36] + note + b"data" + told + sound
    assert audio_length(site.put(Resource(streamed, parts=parts))) == 12.5


@pytest.mark.parametrize(
    ("links", "seconds"),
    [(("tone.ogg", "tone.ogg"), 5), (("tone.opus", "tone.opus", "tone.opus"), 7.5), (("tone.opus", "tone.ogg"), 5)],
)
def test_the_links_of_a_chain_are_added(site: Site, links: tuple[str, ...], seconds: float) -> None:
    chain = b"".join((FILES / name).read_bytes() for name in links)
    assert audio_length(site.put(Resource(chain))) == pytest.approx(seconds, abs=0.01)


def page(flags: int, position: int, stream: int, data: bytes) -> bytes:
    """Return a page of an ogg file; nobody looks at its checksum."""
    lacing = bytes([255] * (len(data) // 255) + [len(data) % 255])
    return struct.pack("<4sBBqIIIB", b"OggS", 0, flags, position, stream, 0, 0, len(lacing)) + lacing + data


def test_other_streams_of_an_ogg() -> None:
    flac = b"\x7fFLAC" + bytes(22) + (8000 << 44).to_bytes(8, "big") + bytes(16)
    speex = b"Speex   " + bytes(28) + struct.pack("<I", 16_000) + bytes(40)
    film = page(2, 0, 1, b"\x80theora" + bytes(40)) + page(2, 0, 2, speex) + page(2, 0, 3, flac)
    film += page(0, 160_000, 2, b"sound") + page(0, 16_000, 3, b"sound") + page(0, -1, 2, b"more") + page(0, 9, 1, b"")
    assert ogg.seconds_of(io.BytesIO(film)) == 10
    assert ogg.seconds_of(io.BytesIO(film + page(4, 320_000, 2, b"cut off")[:-1])) == 10
    assert ogg.seconds_of(io.BytesIO(film + page(4, 320_000, 2, b"the end") + b"OggSrubbish")) == 20


def test_an_ogg_whose_sound_is_of_no_rate_or_cut_off_in_its_head() -> None:
    for head in (b"OpusHead", b"Speex   ", b"\x01vorbis" + bytes(40), b"\x80theora"):
        assert ogg.seconds_of(io.BytesIO(page(2, 0, 1, head) + page(4, 99, 1, b"sound"))) == 0


def test_of_a_huge_file_hardly_anything_is_read(site: Site) -> None:
    hour = 3600 * 2 * 96_000 * 3
    header = (
        wav(1)[:4] + struct.pack("<I", hour + 36) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 96_000, 0, 6, 24)
    )
    url = site.put(Resource(header + b"data" + struct.pack("<I", hour), size=44 + hour))
    assert audio_length(url) == 3600
    assert site.sent <= 2 * PIECE


def test_of_an_mp3_behind_a_large_picture_the_picture_is_not_read(site: Site) -> None:
    picture = 20 * MEBIBYTE
    size = bytes((picture >> shift) & 0x7F for shift in (21, 14, 7, 0))
    url = site.put(Resource(b"ID3\x04\0\0" + size + bytes(picture) + (FILES / "tone-vbr.mp3").read_bytes()))
    assert audio_length(url) == pytest.approx(LENGTHS["tone-vbr.mp3"], abs=0.01)
    assert site.sent < MEBIBYTE


def test_after_a_jump_little_is_asked_for_again(site: Site) -> None:
    chunk = b"JUNK" + struct.pack("<I", 2 * MEBIBYTE) + bytes(2 * MEBIBYTE)
    simple = wav(2)
    assert audio_length(site.put(Resource(simple[:12] + 6 * chunk + simple[12:]))) == 2
    assert site.sent < 10 * PIECE


def test_of_more_than_was_asked_for_no_more_is_read(site: Site) -> None:
    assert audio_length(site.put(Resource(wav(8000), generous=True))) == 8000
    assert site.sent < 2 * MEBIBYTE  # what the kernel has taken in for us is counted as sent


def long_ogg(mebibytes: int) -> bytes:
    """Return an ogg file as large as that: the tone's headers, pages that nobody plays, the tone's end."""
    tone = (FILES / "tone.ogg").read_bytes()
    last = tone.rindex(b"OggS")
    stranger = b"OggS\0\0" + bytes(8) + b"else" + bytes(8) + b"\xff" + b"\xff" * 255 + bytes(255 * 255)
    return tone[:last] + stranger * (mebibytes * MEBIBYTE // len(stranger)) + tone[last:]


def test_an_ogg_is_read_to_its_end_in_ever_larger_parts(site: Site) -> None:
    assert audio_length(site.put(Resource(long_ogg(40)))) == 2.5
    assert site.sent < 41 * MEBIBYTE
    assert site.requests < 25


@pytest.mark.parametrize("parts", [True, False])
def test_a_file_that_would_have_to_be_read_too_far(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    parts: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setenv("AUDIO_LENGTH_MOST_BYTES", str(3 * MEBIBYTE))
    code, message = fails(site.put(Resource(long_ogg(20), parts=parts)))
    assert code == "too-large"
    assert "AUDIO_LENGTH_MOST_BYTES" in message
    assert site.sent < 4 * MEBIBYTE


def test_a_file_of_unknown_size_that_does_not_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_LENGTH_MOST_BYTES", str(2 * MEBIBYTE))
    endless = Resource(wav(1), size=1 << 40, parts=False, headers={"Content-Length": ""})
    assert fails(site.put(endless))[0] == "too-large"
    assert site.sent < 20 * MEBIBYTE  # what the kernel has taken in for us is counted as sent


NO_NUMBER = "9" * 5000
"""More digits than Python reads."""
TEXT = "This is a text of some length.".encode("utf-16")
"""It begins with eleven bits of 1, as an mp3 does."""
FLAC = (FILES / "tone.flac").read_bytes()
STREAMED_FLAC = FLAC[:21] + bytes([FLAC[21] & 0xF0]) + bytes(4) + FLAC[26:]
"""One whose number of samples is 0: unknown."""
PAGE = Resource(b"<!DOCTYPE html><html>no such song</html>", headers={"Content-Type": "text/html; charset=utf-8"})


@pytest.mark.parametrize(
    ("resource", "code", "said"),
    [
        (Resource(b"", status=404), "not-found", "answers 404"),
        (Resource(b"", status=410), "not-found", "answers 410"),
        (Resource(b"", status=403), "refused", "answers 403"),
        (Resource(b"", parts=False), "not-audio", "is empty"),
        (Resource(b"", status=416), "not-audio", "is empty"),
        (PAGE, "not-audio", "begins with b'<!DOCTYPE html><' and is said to be text/html: only wav, mp3, flac and ogg"),
        (Resource(b"\0\0\0\x20ftypM4A "), "unsupported-format", "only wav, mp3, flac and ogg"),
        (Resource(TEXT * 20, headers={"Content-Type": "audio/mpeg"}), "unsupported-format", "only wav, mp3"),
        (Resource(b"\xff\xf1\x50\x80" + bytes(300)), "unsupported-format", "only wav, mp3"),
        (Resource(STREAMED_FLAC), "untold", "does not say how long it plays"),
        (Resource(b"RIFF\0\0\0\0AVI LIST", headers={"Content-Type": "video/avi"}), "unsupported-format", "video/avi"),
        (Resource(b"RIFF\0\0\0\0WAVEfmt "), "not-audio", "begins like wav, but holds no audio"),
        (Resource(b"RIFF\0\0\0\0WAVEfmt \x01\0\0\0x"), "not-audio", "begins like wav, but cannot be read"),
        (Resource(b"OggS\0\2" + bytes(300)), "not-audio", "begins like ogg"),
        (Resource(wav(100)[:2000]), "cut-off", "plays for 100 s"),
        (Resource(wav(1), headers={"Content-Encoding": "gzip"}), "bad-answer", "compressed"),
        (Resource(wav(1), headers={"Content-Range": "bytes 0-9/*"}), "bad-answer", "part of the file"),
        (Resource(wav(1), headers={"Content-Range": "bytes 7-8043/8044"}), "bad-answer", "part of the file"),
        (Resource(wav(1), headers={"Content-Range": f"bytes 0-8043/{NO_NUMBER}"}), "bad-answer", "part of the file"),
        (Resource(wav(1), headers={"Content-Range": f"bytes {NO_NUMBER}-9/8044"}), "bad-answer", "part of the file"),
        (Resource(b"", status=301, headers={"Location": "http://10.0.0.1/"}), "url-refused", "AUDIO_LENGTH_ALLOW"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_other_attempt_can_mend(site: Site, resource: Resource, code: str, said: str) -> None:
    url = site.put(resource, "secret")
    failed = fails(url)
    assert failed[0] == code
    assert said in failed[1]
    assert "secret" not in failed[1]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://localhost/a.mp3", "http://169.254.169.254/latest", "file:///etc/passwd", "x"]
)
def test_a_url_that_leads_inside(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.delenv("AUDIO_LENGTH_ALLOW", raising=False)
    assert fails(url)[0] == "url-refused"


@pytest.mark.parametrize(
    ("status", "told", "after"), [(429, "7", 7), (503, "", None), (500, "soon", None), (503, "99999999", 3600)]
)
def test_a_server_in_trouble_is_asked_again(site: Site, status: int, told: str, after: float | None) -> None:
    url = site.put(Resource(b"", status=status, headers={"Retry-After": told}))
    with pytest.raises(Retry, match=f"answers {status}") as again:
        audio_length(url)
    assert again.value.after == after


def test_a_server_that_is_not_there_is_asked_again(site: Site) -> None:
    assert audio_length.options.retry_on == (UnreachableError,)
    with pytest.raises(UnreachableError):
        audio_length("http://127.0.0.1:1/a.mp3")


def test_a_server_that_says_nothing_more_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PART_SECONDS", 0.5)
    url = site.put(Resource(long_ogg(1), before=lambda start: time.sleep(1.5 if start else 0)))
    started = time.monotonic()
    with pytest.raises(UnreachableError, match=r"within 0\.5 s"):
        audio_length(url)
    assert time.monotonic() - started < 1.5


def test_a_part_that_is_empty_is_asked_for_again(site: Site) -> None:
    url = site.put(Resource(wav(1), headers={"Content-Length": "0"}))
    with pytest.raises(Retry, match="sent nothing"):
        audio_length(url)


def test_a_file_that_is_changed_meanwhile_is_read_again(site: Site) -> None:
    resource = Resource(long_ogg(1), headers={"ETag": '"1"'})

    def change(start: int) -> None:
        if start:
            resource.headers = {"ETag": '"2"'}

    resource.before = change
    with pytest.raises(Retry, match="was changed while"):
        audio_length(site.put(resource))


@pytest.mark.parametrize(
    ("name", "value"), [("MOST_BYTES", "much"), ("MOST_BYTES", "10"), ("ALLOW", "http://a"), ("ALOW", "127.0.0.1")]
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"AUDIO_LENGTH_{name}"):
        load({f"AUDIO_LENGTH_{name}": value})
