"""`python -m kitfast`: the command line, for where its program is not on the path."""

import sys

from kitfast.cli import program

sys.exit(program())
