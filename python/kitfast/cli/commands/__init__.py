"""The verbs, one file each, in the order in which people use them."""

from kitfast.cli.commands import completion

VERBS = (completion.VERB,)
