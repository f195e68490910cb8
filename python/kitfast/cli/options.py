"""The flags that many verbs share, and how a function becomes a verb with them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from typer import Context, Option

from kitfast import settings
from kitfast.cli.render.help import with_examples
from kitfast.cli.session import Session

GLOBAL = "Global options"
NETWORK = "Network options"


class ProgressStyle(str, Enum):
    """How progress is shown."""

    none = "none"
    plain = "plain"
    fancy = "fancy"
    heartbeat = "heartbeat"


class LogLevel(str, Enum):
    """What is told on standard error."""

    trace = "trace"
    debug = "debug"
    info = "info"
    warn = "warn"
    error = "error"


class Format(str, Enum):
    """How a result is written to standard output."""

    text = "text"
    json = "json"


#: The flag of verbs that fetch single files.
FileDigests = Annotated[
    bool | None,
    Option(
        "--file-digests/--no-file-digests",
        help="Fetch single files by published digests; for a tag if not given.",
    ),
]


def global_flags(
    config: Annotated[
        str | None,
        Option(
            "--config",
            metavar="DIR",
            help="Folder of the store and the credentials.",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    progress: Annotated[
        ProgressStyle | None,
        Option(
            "--progress",
            metavar="none|plain|fancy|heartbeat",
            help="How progress is shown; fancy on a terminal.",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    log_level: Annotated[
        LogLevel | None,
        Option(
            "--log-level",
            metavar="trace|debug|info|warn|error",
            help="How much is told on standard error.",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    verbose: Annotated[
        int,
        Option(
            "--verbose",
            "-v",
            count=True,
            metavar="",
            show_default=False,
            help="Tell more; -vv tells most, -vvv hides progress.",
            rich_help_panel=GLOBAL,
        ),
    ] = 0,
) -> None:
    """The flags that may stand before and after every verb; only its signature is used."""


def network_flags(
    plain_http: Annotated[
        bool | None,
        Option(
            "--plain-http/--no-plain-http",
            help="Speak HTTP to registries, not HTTPS.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    tls_verify: Annotated[
        bool | None,
        Option(
            "--tls-verify/--no-tls-verify",
            help="Check the certificates of registries.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    tls_cert: Annotated[
        list[str] | None,
        Option(
            "--tls-cert",
            metavar="PATH",
            help="Trust this authority, or a folder of them, too (repeatable).",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    cert: Annotated[
        str | None,
        Option(
            "--cert", metavar="PATH", help="Client certificate to present.", rich_help_panel=NETWORK
        ),
    ] = None,
    key: Annotated[
        str | None,
        Option(
            "--key", metavar="PATH", help="Key of the client certificate.", rich_help_panel=NETWORK
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        Option(
            "--concurrency",
            metavar="N",
            help="Layers in flight at once; 5 if not given.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    connections: Annotated[
        int | None,
        Option(
            "--connections",
            metavar="N",
            help="Connections at once at most; 1 asks for no ranges. Without it 8, or up to 32.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    part_size: Annotated[
        str | None,
        Option(
            "--part-size",
            metavar="SIZE",
            help="Bytes of one ranged request, such as 16MiB.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    max_rate: Annotated[
        str | None,
        Option(
            "--max-rate",
            metavar="BYTES",
            help="Bytes a second at most, such as 20MiB.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        Option(
            "--workers",
            metavar="N",
            help="Threads that hash and compress; one a core if not given.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    mirror: Annotated[
        list[str] | None,
        Option(
            "--mirror",
            metavar="[REGISTRY=]HOST",
            help="Pull from here if it can be (repeatable).",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    proxy: Annotated[
        str | None,
        Option(
            "--proxy",
            metavar="URL",
            help="Proxy to use, instead of the environment's.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
) -> None:
    """The flags of every verb that reaches registries; only its signature is used."""


def format_flag(
    format: Annotated[
        Format,
        Option("--format", "--output", metavar="text|json", help="How the result is written."),
    ] = Format.text,
) -> None:
    """The flag of every verb that reports; only its signature is used."""


@dataclass(frozen=True)
class Verb:
    """One verb of the command line, ready for typer."""

    name: str
    function: Callable[..., None]
    help: str


def verb(
    function: Callable[..., None],
    examples: str,
    *,
    name: str | None = None,
    network: bool = False,
    reports: bool = True,
) -> Verb:
    """Makes a verb of a function, which is called with the session and its own flags.

    Args:
        function: takes the session first, then what its signature tells typer; its
            docstring is the help.
        examples: command lines for the help.
        name: the verb, where it is not the function's own name.
        network: add the network flags; `session.network` holds what they say.
        reports: add `--format`; `session.json` holds what it says.
    """
    shared = [
        *(_parameters(format_flag) if reports else []),
        *(_parameters(network_flags) if network else []),
        *_parameters(global_flags),
    ]

    def run(context: Context, **values: Any) -> None:
        session = session_of(context)
        take_shared(session, values, network=network, reports=reports)
        function(session, **values)

    typed = _disguise(run, function, [*_parameters(function)[1:], *shared])
    text = inspect.cleandoc(function.__doc__ or "")
    return Verb(name or function.__name__, typed, with_examples(text, examples))


def take_shared(session: Session, values: dict[str, Any], *, network: bool, reports: bool) -> None:
    """Moves all shared flags out of `values` into the session; the verb's own stay."""
    take_global(session, values)
    if reports:
        session.json = values.pop("format") is Format.json
    if network:
        session.network = settings.network(**_network_values(values))


def take_global(session: Session, values: dict[str, Any]) -> None:
    """Moves the global flags out of `values` into the session, and puts them to work."""
    style, level = values.pop("progress"), values.pop("log_level")
    session.take(
        values.pop("config"),
        style.value if style else None,
        level.value if level else None,
        values.pop("verbose"),
    )
    session.begin()


def session_of(context: Context) -> Session:
    """The session that `process.run` has given to typer."""
    session = context.obj
    assert isinstance(session, Session)
    return session


def with_global_flags(function: Callable[..., None]) -> Callable[..., None]:
    """Gives a callback of the whole program the global flags, as keyword arguments."""

    def run(context: Context, **values: Any) -> None:
        function(context, **values)

    return _disguise(run, function, [*_parameters(function)[1:], *_parameters(global_flags)])


def _network_values(values: dict[str, Any]) -> dict[str, Any]:
    chosen = {name: values.pop(name) for name in settings.NETWORK}
    for name, flag in (("part_size", "--part-size"), ("max_rate", "--max-rate")):
        if chosen[name] is not None:
            chosen[name] = settings.byte_count(chosen[name], flag)
    # An empty list is what typer makes of a repeatable flag that was not given.
    for name in ("tls_cert", "mirror"):
        chosen[name] = tuple(chosen[name]) if chosen[name] else None
    return chosen


@functools.cache
def _parameters(function: Callable[..., None]) -> list[inspect.Parameter]:
    return [
        parameter
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]


def _disguise(
    run: Callable[..., None], function: Callable[..., None], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """Gives `run` the signature typer shall see: the context, then `parameters`."""
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Context
    )
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run.__signature__ = inspect.Signature([context, *keywords])  # type: ignore[attr-defined]
    run.__annotations__ = {
        parameter.name: parameter.annotation for parameter in [context, *keywords]
    }
    return run
