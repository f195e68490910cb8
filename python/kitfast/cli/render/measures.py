"""What `bench` measured, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitfast.cli.failures import printable
from kitfast.cli.render.human import table
from kitfast.cli.render.units import size

if TYPE_CHECKING:
    from kitfast import aio
    from kitfast.modelkit.ceilings import Rate


def text(result: aio.Benchmarked) -> str:
    """The machine's rates, and the link's where one was measured."""
    cores = "1 core" if result.cores == 1 else f"{result.cores} cores"
    lines = [f"This machine ({cores}), in {printable(result.folder)}:\n"]
    lines.append(table([_row(one) for one in result.machine]))
    link = result.link
    if link is not None:
        lines.append(f"\nThe link to {printable(link.reference)}:\n")
        rows = [("  first byte", f"{link.first_byte * 1000:.1f} ms", "to wait")]
        rows += [_row(one) for one in link.rates]
        lines.append(table(rows))
        if not link.ranges:
            lines.append("  The registry knows no ranges: a layer is one stream.\n")
    return "".join(lines)


def _row(one: Rate) -> tuple[str, str, str]:
    return f"  {one.name}", f"{size(one.rate)}/s", f"{size(one.size)} in {one.seconds:.2f} s"
