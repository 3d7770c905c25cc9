"""What a prediction is made from, as the payload of its task.

Forbidden here: what a model makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from warren.client.documents import json_bytes
from warren.errors import InvalidRequestError
from warren.tasks import Payload

Row = Sequence[float | int | str] | Mapping[str, float | int | str]


def prediction_inputs(rows: Sequence[Row] | None, image: bytes | None) -> Payload:
    """Return rows, or one image file's bytes, as a payload.

    Raises:
        InvalidRequestError: neither is given, or both; or the rows are no JSON.

    """
    if (rows is None) == (image is None):
        raise InvalidRequestError("a prediction takes either rows or one image")
    if image is not None:
        return Payload(image, _image_type(image))
    try:
        return Payload(json_bytes({"instances": rows}))
    except ValueError as error:
        raise InvalidRequestError(f"the rows are {error}") from error


def _image_type(image: bytes) -> str:
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/webp" if image[8:12] == b"WEBP" else "image/jpeg"
