"""The process in which one external loss runs: `python -m cestab.external.process.worker`, addressed on its standard streams.

Its argument is the descriptor of the memory that it shares with its caller (channel.py; client.py is the other end). What
the loss prints goes to standard error.
"""

import contextlib
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from cestab.errors import UsageError
from cestab.external.declared import find_framework, refuse_hidden_options, refuse_unknown_keywords
from cestab.external.engines.base import Engine, ExternalError, Numbers, UnsupportedError
from cestab.external.evaluation import LoadedLoss, LoadedRecipe, Tick, Work
from cestab.external.loading import load
from cestab.external.names import ADAPTERS, KERAS_BACKENDS, ExternalName, choose
from cestab.external.process.channel import Channel, map_memory
from cestab.external.process.protocol import Kind, Reply
from cestab.external.recipes import as_recipe
from cestab.vocabulary.external import ExternalFacts
from cestab.vocabulary.loss_options import LossOptions

MODULES = {"python": "numpy"}  # by adapter, where the file has another name
SECONDS_BETWEEN_HEARTBEATS = 0.2
LONGEST_SENTENCE = 300  # characters of what a loss raises; compilers write pages
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # else TensorFlow reports every compilation


class ReadyLoss(Protocol):
    """An external loss that is ready to be called."""

    def evaluate(self, work: Work, tick: Tick) -> tuple[Numbers, Numbers | None]: ...
    def calls_by_case(self, options: LossOptions) -> bool: ...
    def facts(self) -> ExternalFacts: ...


def load_loss(name: ExternalName) -> ReadyLoss:
    """Return the external loss that a name means; a UsageError where it, or its framework, does not exist."""
    engine_class = find_engine(name)
    engine = engine_class(engine_class.read_site(name))
    loaded = load(name.path)
    if not callable(loaded):
        raise UsageError(f"'{name.path}' is no function but of type {type(loaded).__name__}")
    refuse_hidden_options(name, loaded)
    recipe = as_recipe(name, loaded)
    if recipe is not None:
        return LoadedRecipe(name=name, formulation=recipe)
    refuse_unknown_keywords(name, loaded)
    return LoadedLoss(name=name, loaded=loaded, engine=engine)


def find_engine(name: ExternalName) -> type[Engine]:
    """Import an adapter and, with it, its framework."""
    os.environ.update({key: os.environ.get(key, value) for key, value in QUIET.items()})
    backend = choose(name, "backend", KERAS_BACKENDS, "") if name.adapter == "keras" else ""
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    try:
        with _silence():
            module = importlib.import_module(f"cestab.external.engines.{MODULES.get(name.adapter, name.adapter)}")
    except ModuleNotFoundError as error:
        missing = error.name if error.name in ADAPTERS else name.adapter
        raise UsageError(f"{error.name} is not installed, which '{name.text}' needs: pip install 'cestab[{missing}]'") from None
    engine: type[Engine] = module.ENGINE
    return engine


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Throw away what is written to standard error: TensorFlow writes there, whatever its environment says."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # a device
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def serve(channel: Channel) -> None:
    """Load the external loss, then answer each question until the other end is closed.

    None asks for facts, options whether every case of them takes a call, and a block of work for its results.
    """
    _, question, assignment = channel.receive()
    sys.path.extend(path for path in assignment.paths if path not in sys.path)
    last, worker = time.monotonic(), os.getpid()

    def tick() -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_HEARTBEATS:
            last = time.monotonic()
            channel.send(Reply(Kind.HEARTBEAT), question)

    load_reply = _attempt(lambda: load_loss(assignment.name))

    def answer(work: Work | LossOptions | None) -> Reply:
        if load_reply.kind is not Kind.RESULT:
            return load_reply
        loss: ReadyLoss = load_reply.payload
        if work is None:
            return _attempt(loss.facts)
        if isinstance(work, LossOptions):
            return Reply(Kind.RESULT, loss.calls_by_case(work))
        return _hint(_attempt(lambda: loss.evaluate(work, tick)), loss)

    while True:
        try:
            _, question, work = channel.receive()
        except EOFError:
            return
        channel.send(answer(work), question)
        if os.getpid() != worker:  # a fork that the loss let come back; its answer is refused
            os._exit(1)


def _attempt(action: Callable[[], Any]) -> Reply:
    try:
        return Reply(Kind.RESULT, action())
    except UsageError as error:
        line = _in_one_line(str(error))
        return Reply(Kind.USAGE, error.args if line == str(error) else (line,))
    except UnsupportedError as error:
        return Reply(Kind.UNSUPPORTED, _in_one_line(str(error)))
    except ExternalError as error:
        return Reply(Kind.ERROR, _in_one_line(str(error)))
    except BaseException as error:  # noqa: BLE001  # whatever the loss raises, SystemExit too, is a finding about it
        return Reply(Kind.ERROR, _in_one_line(f"it raised {type(error).__name__}: {_read_message(error)}").rstrip(": "))


def _hint(reply: Reply, loss: ReadyLoss) -> Reply:
    """Add to what a function of NumPy arrays raised that it is one of another framework's, if its code looks so."""
    if reply.kind is not Kind.ERROR or not isinstance(loss, LoadedLoss) or loss.name.adapter != "python":
        return reply
    adapter = find_framework(loss.loaded)
    if adapter is None:
        return reply
    return Reply(
        Kind.ERROR, f"{reply.payload}; it uses {adapter}: did you mean {adapter}:{loss.name.text.removeprefix('python:')}?"
    )


def _read_message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:  # noqa: BLE001  # an exception of the loss's own, whose words fail
        return f"(its message raised {type(second).__name__})"


def _in_one_line(words: str) -> str:
    line = " ".join("".join(character if character.isprintable() else " " for character in words).split())
    return line if len(line) <= LONGEST_SENTENCE else f"{line[:LONGEST_SENTENCE]}…"


def main() -> None:
    """Take the streams over and serve."""
    incoming, outgoing = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    np.seterr(all="ignore")  # overflow is what is audited; the loss's module may set it otherwise
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the caller, which ends this process
    serve(Channel(outgoing=outgoing, incoming=incoming, memory=map_memory(int(sys.argv[1]))))


if __name__ == "__main__":
    main()
