"""What a plain YAML word means to kit: the rules of go-yaml v3.

`yes` is text, `0777` is octal, a date is a time, and a number too large for 64 bits is a
float: a config's bytes depend on each of these.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, Final

_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
# Every form a 64-bit integer is read in: hexadecimal, binary, both kinds of octal, decimal.
_INTEGER = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))", re.ASCII
)
_BASES = (16, 2, 8, 10)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_TIME = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,](\d+))?(Z|[-+]\d\d:\d\d)"
    r"| (\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,](\d+))?)?",
    re.ASCII,
)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII)
# Words other readers take for yes and no.
_OLD_BOOLEANS = re.compile(r"[yYnN]|yes|Yes|YES|on|On|ON|no|No|NO|off|Off|OFF")
# Longer words of digits are no number in 64 bits, and Python reads them in quadratic time.
_MAX_NUMBER: Final = 400


def resolve(text: str) -> Any:
    """Returns what a plain scalar stands for: None, a bool, an int, a float or text.

    A time comes back as the text kit writes into JSON.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if not text[0].isascii() or text[0] not in "+-.0123456789" or len(text) > _MAX_NUMBER:
        return text
    if text[0] == ".":
        return _float(text, text)
    moment = _moment(text)
    if moment is not None:
        return moment
    plain = text.replace("_", "")
    number = _integer(plain)
    return _float(plain, text) if number is None else number


def needs_quotes(text: str) -> bool:
    """Tells whether `text`, written plainly, would be read as something other than itself."""
    if _BASE_60.fullmatch(text) or _OLD_BOOLEANS.fullmatch(text):
        return True
    found = resolve(text)
    return not isinstance(found, str) or _moment(text) is not None


def _integer(plain: str) -> int | None:
    match = _INTEGER.fullmatch(plain)
    if match is None:
        return None
    sign = match[1]
    digits, base = next((d, b) for d, b in zip(match.groups()[1:], _BASES, strict=True) if d)
    number = int(digits, base)
    if sign == "-":
        return -number if number <= 2**63 else None
    # A sign leaves 63 bits for the number.
    return number if number < (2**63 if sign else 2**64) else None


def _float(plain: str, text: str) -> Any:
    if _FLOAT.fullmatch(plain) is None:
        return text
    number = float(plain)
    return text if number in (float("inf"), float("-inf")) else number


def _moment(text: str) -> str | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups()[:3])
    parts = match.groups()[3:7] if match[4] else match.groups()[8:12]
    zone = match[8] or "Z"
    hour, minute, second = (int(part or 0) for part in parts[:3])
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    if zone != "Z" and not (int(zone[1:3]) < 24 and int(zone[4:]) < 60):
        return None
    fraction = (parts[3] or "")[:9].rstrip("0")
    if zone in ("+00:00", "-00:00"):
        zone = "Z"
    return f"{year:04d}-{moment:%m-%dT%H:%M:%S}" + (f".{fraction}" if fraction else "") + zone
