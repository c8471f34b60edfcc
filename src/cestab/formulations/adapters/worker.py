"""The process in which one target runs: `python -m cestab.formulations.adapters.worker`, spoken to on its standard streams.

What the target itself prints goes to standard error. See client.py for the other end.
"""

import importlib
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np

from cestab.errors import UsageError
from cestab.formulations.adapters.engine import Engine, Numbers, TargetError, UnsupportedError
from cestab.formulations.adapters.evaluation import LoadedTarget, RecipeTarget, Tick, Work
from cestab.formulations.adapters.loading import load
from cestab.formulations.adapters.names import TargetName
from cestab.formulations.adapters.options import refuse_unknown_keywords
from cestab.formulations.adapters.protocol import Assignment, Kind, Reply
from cestab.formulations.adapters.recipes import as_recipe
from cestab.results import TargetFacts

MODULES = {"python": "callable"}  # of adapters that are not called as their file is
SECONDS_BETWEEN_TICKS = 0.2
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}  # the latter is the default, but said at every start


class Target(Protocol):
    """A target that is ready to be called."""

    def evaluate(self, work: Work, tick: Tick) -> tuple[Numbers, Numbers | None]: ...
    def facts(self) -> TargetFacts: ...


def load_target(name: TargetName) -> Target:
    """Return the target that a name means; a UsageError where it, or its framework, is not there."""
    engine_class = find_engine(name)
    engine = engine_class(engine_class.read_site(name))
    found = load(name.path)
    if not callable(found):
        raise UsageError(f"'{name.path}' is no function but of type {type(found).__name__}")
    recipe = as_recipe(name, found)
    if recipe is not None:
        return RecipeTarget(name, recipe)
    refuse_unknown_keywords(name, found)
    return LoadedTarget(name, found, engine)


def find_engine(name: TargetName) -> type[Engine]:
    """Import an adapter and with it its framework."""
    os.environ.update({key: os.environ.get(key, value) for key, value in QUIET.items()})
    backend = name.get("backend")
    if name.adapter == "keras" and backend:
        os.environ["KERAS_BACKEND"] = backend
    try:
        module = importlib.import_module(f"cestab.formulations.adapters.{MODULES.get(name.adapter, name.adapter)}")
    except ModuleNotFoundError as error:
        missing = backend if error.name == backend else name.adapter
        raise UsageError(f"{error.name} is not installed, which '{name.text}' needs: pip install 'cestab[{missing}]'") from None
    engine: type[Engine] = module.ENGINE
    return engine


def serve(incoming: Connection, outgoing: Connection) -> None:
    """Load the target, then answer each block of work until the other end is closed."""
    assignment: Assignment = incoming.recv()
    sys.path.extend(path for path in assignment.paths if path not in sys.path)
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_TICKS:
            last = time.monotonic()
            outgoing.send(Reply(Kind.TICK))

    target: Target | None = None

    def work_on(work: Work | None) -> Any:
        nonlocal target
        if target is None:
            target = load_target(assignment.name)
        return target.facts() if work is None else target.evaluate(work, tick)

    while True:
        try:
            work = incoming.recv()
        except EOFError:
            return
        outgoing.send(_answer(work_on, work))


def _answer(work_on: Any, work: Work | None) -> Reply:
    try:
        return Reply(Kind.RESULT, work_on(work))
    except UsageError as error:
        return Reply(Kind.USAGE, str(error))
    except UnsupportedError as error:
        return Reply(Kind.UNSUPPORTED, str(error))
    except TargetError as error:
        return Reply(Kind.ERROR, str(error))
    except BaseException as error:  # noqa: BLE001  # whatever it raises, SystemExit too, is a finding about it
        return Reply(Kind.ERROR, f"it raised {type(error).__name__}: {error}".strip().rstrip(":"))


def main() -> None:
    """Take the streams over and serve."""
    incoming, outgoing = Connection(os.dup(0), writable=False), Connection(os.dup(1), readable=False)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    np.seterr(all="ignore")  # overflow is what is looked for; a module of the target's may set it otherwise
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other end's; it ends this process
    serve(incoming, outgoing)


if __name__ == "__main__":
    main()
