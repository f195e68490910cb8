"""Whether kitfast has its process to itself, as on the command line, or not."""

from __future__ import annotations

# True once the program `kitfast` has begun: nobody else uses what it imports.
alone = False
