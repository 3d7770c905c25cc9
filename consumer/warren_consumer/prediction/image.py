"""The adapter of Pillow: an image file becomes a model's input tensor.

Forbidden here: models, requests.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from PIL import Image

from warren_consumer.handler import TaskFault

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from warren.model import Preprocessing

Image.MAX_IMAGE_PIXELS = None  # our own check is stricter than Pillow's, and asks before anything is decoded

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
"""What is decoded; Pillow knows more, and every one is code that a stranger's bytes would reach."""

MAX_PIXELS: Final = 40_000_000
"""The largest picture that is decoded: 160 MB of memory, while a file of a few kB can claim far more."""


def tensor(data: bytes, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return the image as one instance of the model's input, without the batch's dimension.

    Raises:
        TaskFault: the bytes are no image that is decoded here, or it is too large.

    """
    pixels = np.asarray(_decode(data, preprocessing), dtype=np.float32)
    if preprocessing.channels == 1:
        pixels = pixels[:, :, np.newaxis]
    mean, std = (np.asarray(value, dtype=np.float32) for value in (preprocessing.mean, preprocessing.std))
    scaled = (pixels * np.float32(preprocessing.scale) - mean) / std
    return np.ascontiguousarray(scaled.transpose(2, 0, 1) if preprocessing.layout == "NCHW" else scaled)


def _decode(data: bytes, preprocessing: Preprocessing) -> Image.Image:
    mode, size = ("RGB" if preprocessing.channels == 3 else "L"), (preprocessing.width, preprocessing.height)  # noqa: PLR2004
    try:
        image: Any = Image.open(BytesIO(data), formats=FORMATS)
        _check_size(image)
        # A JPEG decodes faster at half, a quarter or an eighth of its size; other formats ignore this.
        image.draft(mode, size)
        return cast("Image.Image", image.convert(mode).resize(size, Image.Resampling.BILINEAR))
    except (OSError, ValueError, SyntaxError) as error:
        detail = f"the image cannot be decoded ({error}); formats are {', '.join(FORMATS)}"
        raise TaskFault("invalid-payload", detail) from error


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        detail = f"the image has {image.width} x {image.height} pixels; at most {MAX_PIXELS} are decoded"
        raise TaskFault("invalid-payload", detail)
