"""Progress as live bars on a terminal; the only module that imports rich."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)
from rich.text import Text

from kitfast.cli.failures import printable
from kitfast.cli.render.progress import short
from kitfast.cli.render.units import size
from kitfast.progress import Progress

# More bars than this push the first ones off a small terminal.
MOST_BARS = 12


class _Moved(ProgressColumn):
    """How much is done of how much, in the units of all other output."""

    def render(self, task: Task) -> Text:
        done = size(int(task.completed))
        return Text(done if task.total is None else f"{done} of {size(int(task.total))}")


class _Speed(ProgressColumn):
    """Bytes a second, in the units of all other output."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{size(int(speed))}/s" if speed else "")


class Live:
    """A progress callback that draws a bar for each piece of work, while it is entered."""

    def __init__(self, console: Console | None = None) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            _Moved(),
            _Speed(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
            console=console or Console(stderr=True),
            expand=True,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._finished: list[TaskID] = []

    def __enter__(self) -> Live:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def __call__(self, event: Progress) -> None:
        key = (event.step, event.name)
        if key not in self._tasks:
            self._tasks[key] = self._add(event)
        task = self._tasks[key]
        self._bars.update(task, completed=event.done, total=event.total)
        if event.finished:
            if event.reused and event.reused == event.done:
                self._bars.update(task, note="already there")
            del self._tasks[key]
            self._finish(task, event)

    def descriptions(self) -> list[str]:
        """What the bars that are drawn now stand for, oldest first."""
        return [task.description for task in self._bars.tasks]

    def _add(self, event: Progress) -> TaskID:
        self._make_room()
        note = f"{size(event.reused)} were there" if event.reused else ""
        return self._bars.add_task(
            f"{event.step} {escape(printable(short(event.name)))}",
            total=event.total,
            # Not part of the rate: these bytes were not moved now.
            completed=event.reused,
            note=note,
        )

    def _finish(self, task: TaskID, event: Progress) -> None:
        self._bars.update(task, total=event.done, completed=event.done)
        self._bars.stop_task(task)
        self._finished.append(task)

    def _make_room(self) -> None:
        while self._finished and len(self._bars.task_ids) >= MOST_BARS:
            self._bars.remove_task(self._finished.pop(0))
