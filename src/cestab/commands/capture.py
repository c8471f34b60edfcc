"""`cestab capture`: the few lines of Python that record logits for `cestab audit`."""

import sys
from typing import Annotated

import typer

from cestab.commands.output import write_text
from cestab.errors import unknown_name

SNIPPETS = {
    "torch": """\
from cestab.capture import record

with record("logits.safetensors", batches=100) as keep:
    for inputs, labels in loader:
        logits = model(inputs)
        keep(logits, labels)  # on any device; does nothing once it has 100 batches or 1 GiB
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
""",
    "jax": """\
from cestab.capture import record

with record("logits.safetensors", batches=100) as keep:
    for inputs, labels in loader:
        params, logits = train_step(params, inputs, labels)  # the jitted step returns its logits
        keep(logits, labels)  # outside jax.jit; does nothing once it has 100 batches or 1 GiB
""",
}
Framework = Annotated[str, typer.Argument(metavar="[torch|jax]", help="Whose training loop.")]


def capture(framework: Framework = "torch") -> None:
    """Print the lines of Python that record the logits and labels of a training loop for `cestab audit`.

    Examples:
    cestab capture

    cestab capture jax

    """
    if framework not in SNIPPETS:
        raise unknown_name("framework", framework, SNIPPETS)
    write_text(SNIPPETS[framework], sys.stdout)
