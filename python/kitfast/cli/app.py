"""The typer program: every verb, its help, and flags as kit's users write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from kitfast.cli.arguments import Flags, rewrite
from kitfast.cli.commands import verbs
from kitfast.cli.failures import UsageError
from kitfast.cli.options import session_of, take_global, with_global_flags
from kitfast.cli.render import help
from kitfast.cli.render import version as version_text
from kitfast.cli.render.output import put
from kitfast.cli.values import lighten

# Verbs of two words, by their first.
GROUPS = {"cache": "See, check and tidy kitfast's home."}

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class VerbCommand(TyperCommand):
    """A verb, whose flags may be written as Go programs write them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        parameters = self.get_params(ctx)
        lighten(parameters)
        try:
            return super().parse_args(ctx, rewrite(args, Flags.of(parameters)))
        except UsageError as error:
            # A flag without its value does not say by itself which verb it was for.
            error.ctx = error.ctx or ctx  # type: ignore[attr-defined]
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return help.usage(self.get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        help.write_options(self.get_params(ctx), formatter)


class Program(TyperGroup):
    """The program, whose own flags stand before the verb; verbs in the order of work."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        parameters = self.get_params(ctx)
        lighten(parameters)
        words = rewrite(args, Flags.of(parameters), until_first_argument=True)
        return super().parse_args(ctx, words)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        help.write_options(self.get_params(ctx), formatter)
        self.format_commands(ctx, formatter)


def command(first_word: str = "") -> Callable[..., Any]:
    """Builds the program, with the one verb that `first_word` names, or with all."""
    app = typer.Typer(
        cls=Program,
        help="Moves model weights through OCI registries, fast, and never gets a byte wrong.",
        epilog="`kitfast VERB --help` tells what a verb does, with examples.",
        context_settings=CONTEXT,
        # Plain help: for rich's, rich would have to be imported.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(with_global_flags(_before_verbs))
    groups = {"": app}
    for verb in verbs(first_word):
        group, _, name = verb.name.rpartition(" ")
        if group not in groups:
            groups[group] = typer.Typer(cls=Program, help=GROUPS[group], rich_markup_mode=None)
            app.add_typer(groups[group], name=group)
        groups[group].command(name, cls=VerbCommand, help=verb.help)(verb.function)
    return get_command(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        put(version_text.text())
        raise typer.Exit


def _before_verbs(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Show the version and exit."
        ),
    ] = False,
    **values: Any,
) -> None:
    take_global(session_of(context), values)
