"""Bytes, rates and times as people read them."""

from __future__ import annotations


def size(count: int) -> str:
    """A number of bytes as kit writes it: rounded down to a tenth of its unit."""
    if count < 1024:
        return f"{count} B"
    units = ("KiB", "MiB", "GiB", "TiB", "PiB")
    unit, scale = 0, 1024
    while count >= scale * 1024 and unit < len(units) - 1:
        unit, scale = unit + 1, scale * 1024
    tenths = count * 10 // scale
    return f"{tenths // 10}.{tenths % 10} {units[unit]}"


def rate(count: float, seconds: float) -> str:
    """Bytes a second, over a stretch of time; empty where it is too short to tell."""
    return f"{size(int(count / seconds))}/s" if seconds > 0 else ""


def duration(seconds: float) -> str:
    """A time to wait: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def seconds(time: float) -> str:
    """How long something took: tenths of a second below a minute."""
    return f"{time:.1f} s" if time < 59.95 else duration(time)
