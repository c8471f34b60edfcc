"""The names of external losses, `ADAPTER:PATH[:key=value,…]`, read without importing what they name."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cestab.errors import UsageError, unknown_name

ADAPTERS = {
    "torch": "PyTorch: a function or module of logits and target, e.g. torch:torch.nn.functional.cross_entropy",
    "jax": "JAX and what is built on it, e.g. jax:optax.softmax_cross_entropy_with_integer_labels",
    "keras": "Keras 3 on any of its backends, e.g. keras:keras.losses.categorical_crossentropy:backend=jax",
    "tensorflow": "TensorFlow, e.g. tensorflow:tf.nn.softmax_cross_entropy_with_logits",
    "python": "a function of NumPy arrays, or of cestab's own, e.g. python:mypkg.losses.stable_ce or losses.py:stable_ce",
}
ADAPTER_OF = {"torch": "torch", "jax": "jax", "optax": "jax", "keras": "keras", "tf": "tensorflow", "tensorflow": "tensorflow"}
KERAS_BACKENDS = ("jax", "tensorflow", "torch")
PLAIN_FILE = re.compile(r"[^:=]+\.py(:|$)")  # path/to/file.py:function, without an adapter
PARAMETERS = re.compile(r":(?=[A-Za-z_]\w*=)")


@dataclass(frozen=True, kw_only=True)
class ExternalName:
    """The name of an external loss in its parts; `parameters` are texts."""

    text: str
    adapter: str
    path: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def last(self) -> str:
        """The name of the function or class."""
        return re.split(r"[.:]", self.path)[-1]

    @property
    def file(self) -> str | None:
        """The file of Python that holds it, if it is named by one."""
        return self.path.rpartition(":")[0] or None

    @property
    def options(self) -> str:
        """The parameters as written."""
        return ",".join(f"{key}={value}" for key, value in self.parameters)

    def with_parameter(self, parameter: str) -> str:
        """Return the name with one more parameter, as it would be written."""
        return f"{self.text}{',' if self.parameters else ':'}{parameter}"

    def get(self, key: str) -> str | None:
        """Return a parameter's text."""
        return dict(self.parameters).get(key)


def is_external_name(text: str) -> bool:
    """Whether a formulation's name is that of an external loss."""
    return text.partition(":")[0] in ADAPTERS or PLAIN_FILE.match(text) is not None


def list_loss_files(formulations: Iterable[str]) -> list[str]:
    """Return the files of Python in which the external ones of some formulations are."""
    return [file for name in formulations if is_external_name(name) and (file := parse_external_name(name).file)]


def refuse_near_name(text: str, formulations: Iterable[str]) -> None:
    """Raise a UsageError for a text that names no formulation but looks like the name of an external loss."""
    head, _, rest = text.partition(":")
    if head in formulations:
        return
    if "." in head or "/" in head:
        adapter = ADAPTER_OF.get(head.partition(".")[0], "python")
        raise UsageError(
            f"'{text}' is no formulation; code that is not cestab's is named {adapter}:{text} or path/to/file.py:function"
        )
    if rest.isidentifier():
        raise UsageError(
            f"'{text}' is no formulation; a function is named {head}.py:{rest} in a file, python:{head}.{rest} in a module"
        )
    if "." in rest.partition("=")[0]:
        raise unknown_name("adapter", head, ADAPTERS)


def parse_external_name(text: str) -> ExternalName:
    """Split a name into its parts; a UsageError says what is wrong with it."""
    head, *rest = PARAMETERS.split(text, maxsplit=1)
    adapter, _, path = ("python", "", head) if PLAIN_FILE.match(text) else head.partition(":")
    file, _, function = path.rpartition(":")
    if "," in function or ("," in file and (":" in file or not file.endswith(".py"))):
        parts = " ".join(f"-f {part}" for part in text.split(","))
        raise UsageError(f"'{text}' looks like a list; repeat the option: {parts}")
    if "::" in path:
        raise UsageError(f"'{text}' has two colons in a row; one is needed: {text.replace('::', ':')}")
    if file and not file.endswith(".py") and function:
        raise UsageError(f"'{function}' in '{text}' is not key=value")
    if not path or path.endswith((":", ".py")):
        raise UsageError(f"'{text}' names no function, e.g. {ADAPTERS[adapter].rsplit('e.g. ', maxsplit=1)[1].split(' ')[0]}")
    parameters: dict[str, str] = {}
    for part in rest[0].split(",") if rest else []:
        key, equals, value = part.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"'{part}' in '{text}' is not key=value")
        if key in parameters:
            raise UsageError(f"'{text}' gives {key} twice")
        parameters[key] = value
    return ExternalName(text=text, adapter=adapter, path=path, parameters=tuple(parameters.items()))


def parse_value(text: str) -> Any:
    """Return a parameter's value: a Python literal where it is one, else the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def choose(name: ExternalName, key: str, allowed: tuple[str, ...], default: str) -> str:
    """Return the value of a parameter that is one of some words."""
    value = name.get(key)
    if value is not None and allowed == ("",):
        raise UsageError(f"{name.adapter} has no {key}: '{key}={value}' means nothing")
    if value is not None and value not in allowed:
        raise unknown_name(f"{key} of {name.adapter}", value, allowed)
    return value or default
