"""The blocking API: the verbs of `kitfast.aio`, each run to its end."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from kitfast import aio

P = ParamSpec("P")
R = TypeVar("R")


def _blocking(verb: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """Makes a function of a coroutine function; it also works where a loop is running.

    A notebook runs one always: there the verb gets a loop of its own, on a thread.
    """

    @functools.wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(verb(*args, **kwargs))
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(verb(*args, **kwargs))).result()

    return call


bench = _blocking(aio.bench)
cache_clear = _blocking(aio.cache_clear)
cache_info = _blocking(aio.cache_info)
cache_prune = _blocking(aio.cache_prune)
cache_verify = _blocking(aio.cache_verify)
diff = _blocking(aio.diff)
forget = _blocking(aio.forget)
info = _blocking(aio.info)
init = _blocking(aio.init)
inspect = _blocking(aio.inspect)
list_kits = _blocking(aio.list_kits)
locate = _blocking(aio.locate)
login = _blocking(aio.login)
logout = _blocking(aio.logout)
open = _blocking(aio.open)
pack = _blocking(aio.pack)
preview = _blocking(aio.preview)
pull = _blocking(aio.pull)
push = _blocking(aio.push)
remove = _blocking(aio.remove)
resolve = _blocking(aio.resolve)
serve = _blocking(aio.serve)
tag = _blocking(aio.tag)
unpack = _blocking(aio.unpack)
verify_signature = _blocking(aio.verify_signature)
version = aio.version
