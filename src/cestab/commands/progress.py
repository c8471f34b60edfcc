"""How far long work is: a bar with rate and time left on a terminal, elsewhere a line a minute."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cestab.vocabulary.phrases import show_duration

Progress = Callable[[int, int], Any]
LINE_SECONDS = 60.0


@contextmanager
def show_progress(what: str, unit: str, tell: Callable[[str], Any]) -> Iterator[Progress]:
    """Yield a function of (done, total) units that says on standard error how far the work is."""
    if not sys.stderr.isatty():
        yield LineProgress(what=what, unit=unit, tell=tell).report
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(f"{unit}, {{task.fields[rate]}}"))
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")
        start = time.monotonic()
        yield lambda done, total: bar.update(task, completed=done, total=total, rate=_rate(done, time.monotonic() - start))


@dataclass(kw_only=True)
class LineProgress:
    """A line a minute: what is done, how fast, and how long the rest takes at that rate."""

    what: str
    unit: str
    tell: Callable[[str], Any]
    clock: Callable[[], float] = time.monotonic
    start: float = field(init=False)
    last: float = field(init=False)

    def __post_init__(self) -> None:
        """Count from now on."""
        self.start = self.last = self.clock()

    def report(self, done: int, total: int) -> None:
        """Tell how far the work is, if the last line is a minute old and there is more to do."""
        now = self.clock()
        if now - self.last < LINE_SECONDS or not 0 < done < total:
            return
        self.last = now
        left = (total - done) * (now - self.start) / done
        rate = _rate(done, now - self.start)
        self.tell(f"{self.what}: {done:,} of {total:,} {self.unit}, {rate}, {show_duration(left)} left")


def _rate(done: int, seconds: float) -> str:
    """Return e.g. `1,200/s`, or `3.1/min` where that is less than one."""
    if not seconds:
        return ""
    rate = done / seconds
    return f"{rate:,.0f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"
