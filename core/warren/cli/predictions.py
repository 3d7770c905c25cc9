"""`warren predict`.

Forbidden here: how predictions look. That is `display`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from warren.cli.connection import DEFAULT_URL, Output, Shown, Url, connect
from warren.cli.display import show_predictions
from warren.cli.values import file_bytes, json_text
from warren.client.asynchronous import PREDICT_SECONDS


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(predict)


def predict(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name, or name@version.")],
    rows: Annotated[
        str | None, typer.Option(help="JSON: a list of rows, each a list of numbers or an object by feature name.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="The same, as a file.")] = None,
    image: Annotated[Path | None, typer.Option(help="An image file.")] = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds that the prediction may take.")] = PREDICT_SECONDS,
    output: Shown = Output.TABLE,
    url: Url = DEFAULT_URL,
) -> None:
    """Run a model on rows of numbers or on an image.

    [bold]warren predict iris --rows '[[5.1, 3.5, 1.4, 0.2]]'[/bold]
    """
    if sum(given is not None for given in (rows, file, image)) != 1:
        raise typer.BadParameter("give exactly one of --rows, --file and --image")
    inputs = json_text(rows, "--rows") if rows else json_text(file_bytes(file), str(file)) if file else None
    with connect(url) as client:
        response = client.predict(model, inputs, image=file_bytes(image) if image else None, timeout=timeout)
    show_predictions(response, output)
