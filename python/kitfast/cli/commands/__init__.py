"""The verbs, one file each, in the order in which people use them."""

from kitfast.cli.commands import (
    cache,
    completion,
    diff,
    info,
    init,
    inspect,
    login,
    logout,
    pack,
    pull,
    push,
    remove,
    serve,
    tag,
    unpack,
    version,
)
from kitfast.cli.commands import list as list_

VERBS = (
    init.VERB,
    pack.VERB,
    push.VERB,
    pull.VERB,
    unpack.VERB,
    list_.VERB,
    info.VERB,
    inspect.VERB,
    diff.VERB,
    tag.VERB,
    remove.VERB,
    *cache.VERBS,
    serve.VERB,
    login.VERB,
    logout.VERB,
    completion.VERB,
    version.VERB,
)
