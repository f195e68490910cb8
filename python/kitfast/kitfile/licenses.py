"""Recognises the text of well-known licences by sentences only they hold."""

from __future__ import annotations

# Every sentence of a row must stand in the text; the first row that fits decides, so a
# licence stands before those whose sentences it holds too.
_LICENSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Apache-2.0", ("apache license", "version 2.0, january 2004", "grant of patent license")),
    ("AGPL-3.0", ("gnu affero general public license", "version 3, 19 november 2007")),
    ("LGPL-3.0", ("gnu lesser general public license", "version 3, 29 june 2007")),
    ("LGPL-2.1", ("gnu lesser general public license", "version 2.1, february 1999")),
    ("GPL-3.0", ("gnu general public license", "version 3, 29 june 2007")),
    ("GPL-2.0", ("gnu general public license", "version 2, june 1991")),
    ("MPL-2.0", ("mozilla public license version 2.0", "covered software")),
    (
        "BSD-3-Clause",
        (
            "redistribution and use in source and binary forms",
            "redistributions in binary form must reproduce",
            "to endorse or promote products derived from this software",
        ),
    ),
    (
        "BSD-2-Clause",
        (
            "redistribution and use in source and binary forms",
            "redistributions in binary form must reproduce",
        ),
    ),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software for any purpose",)),
    (
        "MIT",
        (
            "permission is hereby granted, free of charge, to any person obtaining a copy",
            "the above copyright notice and this permission notice shall be included",
        ),
    ),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    ("CC0-1.0", ("cc0 1.0 universal", "affirmer")),
    ("CC-BY-SA-4.0", ("attribution-sharealike 4.0 international", "licensed material")),
    ("CC-BY-4.0", ("attribution 4.0 international", "licensed material")),
)


def recognise(text: str) -> str:
    """Returns the SPDX identifier of a licence's text, or an empty text for an unknown one."""
    words = " ".join(text.lower().split())
    for name, sentences in _LICENSES:
        if all(sentence in words for sentence in sentences):
            return name
    return ""
