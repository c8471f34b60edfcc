"""Rich renderables as text, as a stream would show them: its width, and colours if it is a terminal (NO_COLOR)."""

import io
from typing import TextIO

from rich.console import Console, RenderableType


def to_text(stream: TextIO, *renderables: RenderableType) -> str:
    """Return the text without trailing blanks; rich itself would end the program on a broken pipe."""
    width, buffer = Console(file=stream).width, io.StringIO()
    console = Console(file=buffer, width=width, force_terminal=stream.isatty(), highlight=False, emoji=False)
    for renderable in renderables:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"
