"""Predictions: rows and images in, answers out, and what is refused."""

import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.unit.consumer.onnx_case import affine, brightness, publish
from tests.unit.consumer.training_case import TrainingCase
from warren.model import Preprocessing, TensorSpec
from warren.tasks import JSON, Payload
from warren_consumer.handler import TaskFault

COLOURS = ("red", "green", "blue")
IMAGE = (TensorSpec(name="image", datatype="FP32", shape=(None, 3, 4, 4)),)


@pytest.fixture
async def case(tmp_path: Path) -> TrainingCase:
    """A model of rows with two features, and one of images that tells the strongest colour."""
    case = TrainingCase()
    await publish(case.repository, tmp_path, affine(), features=("a", "b"))
    await publish(case.repository, tmp_path, affine([[1, 0, 2], [0, 1, 2]]), name="embedding")
    await publish(case.repository, tmp_path, affine([[1e38], [1e38]]), name="overflows")
    await publish(
        case.repository,
        tmp_path,
        brightness(),
        name="colour",
        labels=COLOURS,
        inputs=IMAGE,
        preprocessing=Preprocessing(width=4, height=4),
    )
    for name in ("model", "embedding", "overflows", "colour"):
        await case.repository.promote(name, "v1", reason="test")
    return case


def picture(colour: str, form: str = "PNG", size: tuple[int, int] = (32, 16)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


async def refused(case: TrainingCase, body: Any, *, model: str | None = "model", content_type: str = JSON) -> TaskFault:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(TaskFault) as caught:
        await case.answer(Payload(data, content_type), model)
    return caught.value


async def test_an_image_is_not_prepared_in_another_way_than_a_newer_model_asks_for(case: TrainingCase) -> None:
    uri = case.repository.uri("colour", "v1", "model.json")
    document = json.loads(await case.objects.get(uri))
    document["preprocessing"]["crop"] = "centre"
    await case.objects.put(uri, json.dumps(document).encode(), content_type=JSON)
    fault = await refused(case, picture("red"), model="colour", content_type="image/png")
    assert (fault.code, "'crop'" in fault.message) == ("model-invalid", True)


async def test_rows_by_order_and_by_name(case: TrainingCase) -> None:
    answer = await case.predict([[1, 2.5], {"b": 2.5, "a": 1}])
    assert [found.value for found in answer.predictions] == [6.0, 6.0]
    assert (answer.model, answer.version) == ("model", "v1")
    document = json.loads((await case.answer(Payload(b'{"instances": [[1, 1]]}'))).body)
    assert document == {"model": "model", "version": "v1", "predictions": [{"value": 3.0}]}


async def test_several_numbers_are_values(case: TrainingCase) -> None:
    assert (await case.predict([[1, 2]], "embedding@v1")).predictions[0].values == [1.0, 2.0, 6.0]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
async def test_images_as_raw_bytes(case: TrainingCase, form: str) -> None:
    for colour, file in ((name, picture(name if name != "green" else "lime", form)) for name in COLOURS):
        answer = json.loads((await case.answer(Payload(file, f"image/{form.lower()}"), "colour")).body)
        assert answer["predictions"][0]["label"] == colour
        assert answer["predictions"][0]["scores"][colour] == pytest.approx(1.0, abs=0.02)


async def test_images_in_json(case: TrainingCase) -> None:
    instances = [{"b64": base64.b64encode(picture(name)).decode()} for name in ("blue", "red")]
    answer = await case.predict(instances, "colour")
    assert [found.label for found in answer.predictions] == ["blue", "red"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"instances": [[1, 2], [1]]}, ["instances.1: 1 values", "a, b"]),
        ({"instances": [{"a": 1, "c": 2}]}, ["instances.0: misses 'b'", "does not know 'c'", "a, b"]),
        ({"instances": [[1, 2], [1, "x"]]}, ["instances.1: 'x' is a text", "a, b"]),
        ({"instances": [[1, None]]}, ["instances.0"]),
        ({"instances": []}, ["instances: List should have at least 1 item"]),
        ({"rows": [[1, 2]]}, ["instances: Field required", "rows: Extra inputs"]),
        ({"instances": [[1, 1e300]]}, ["too large for FP32", "a, b"]),
        ({"instances": [[1, 10**400]]}, ["a, b"]),
        (b"[1, 2", ["JSON"]),
    ],
)
async def test_rows_that_do_not_fit_are_refused(case: TrainingCase, body: Any, said: list[str]) -> None:
    fault = await refused(case, body)
    assert fault.code == "invalid-payload"
    assert not fault.retryable
    for words in said:
        assert words in fault.message


async def test_images_that_do_not_fit_are_refused(case: TrainingCase) -> None:
    for body, content_type, said in (
        (b"no image", "image/png", "cannot be decoded"),
        (picture("red")[:60], "image/png", "cannot be decoded"),
        (picture("red", "TIFF"), "image/tiff", "formats are JPEG"),
        ({"instances": [{"b64": "?"}]}, JSON, "not base64"),
        ({"instances": [{"b64": "日本"}]}, JSON, "not base64"),
        ({"instances": [[1, 2]]}, JSON, "takes images"),
        (b"x", "text/plain", "text/plain"),
    ):
        fault = await refused(case, body, model="colour", content_type=content_type)
        assert fault.code == "invalid-payload"
        assert said in fault.message
    assert "takes rows, not images" in (await refused(case, picture("red"), content_type="image/png")).message


def black_png(width: int, height: int) -> bytes:
    """Return a picture of one bit a pixel, made sooner than Pillow makes it; the width is a multiple of eight."""
    rows = zlib.compress(bytes((1 + width // 8) * height), 9)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    parts = [(len(data), kind + data, zlib.crc32(kind + data)) for kind, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(f">I{len(part)}sI", n, part, crc) for n, part, crc in parts)


async def test_a_bomb_is_not_decoded(case: TrainingCase) -> None:
    file = black_png(20_000, 20_000)
    assert len(file) < 100_000
    fault = await refused(case, file, model="colour", content_type="image/png")
    assert "20000 x 20000 pixels" in fault.message


async def test_what_is_wrong_with_the_model_is_told(case: TrainingCase, tmp_path: Path) -> None:
    fault = await refused(case, {"instances": [[9, 9]]}, model="overflows")
    assert fault.code == "invalid-output"
    assert (await refused(case, {}, model=None)).code == "invalid-payload"
    assert (await refused(case, {}, model="No Name")).code == "invalid-payload"
    assert (await refused(case, {}, model="absent")).code == "model-not-found"
    await publish(case.repository, tmp_path, b"\x00\x01", name="broken")
    fault = await refused(case, {}, model="broken@v1")
    assert fault.code == "model-invalid"
