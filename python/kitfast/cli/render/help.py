"""Writes a verb's help: arguments, its own flags, the network's, the global ones."""

from __future__ import annotations

from typing import Any

from kitfast import settings

# The flags whose variable is not that of a network setting of their name.
VARIABLES = {
    "config": (settings.HOME,),
    "progress": (settings.PROGRESS,),
    "log_level": (settings.LOG_LEVEL,),
    **settings.NETWORK,
}


def write_options(parameters: list[Any], formatter: Any) -> None:
    """Writes the parameters in sections, in the order they were declared."""
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for parameter in parameters:
        if not getattr(parameter, "hidden", False):
            row = (spelling(parameter), _help(parameter))
            sections.setdefault(_section(parameter), []).append(row)
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def usage(parameters: list[Any]) -> list[str]:
    """The pieces of a usage line after the verb."""
    names = [
        parameter.metavar if parameter.required else f"[{parameter.metavar}]"
        for parameter in parameters
        if parameter.param_type_name == "argument"
    ]
    return ["[OPTIONS]", *names]


def spelling(parameter: Any) -> str:
    """How a parameter is written, such as `-f, --file PATH`.

    Made here and not by typer, whose versions each have their own way.
    """
    if parameter.param_type_name == "argument":
        return str(parameter.metavar)
    names = sorted(parameter.opts, key=len)
    # A short name takes the place in front that long names without one leave free.
    first = ", ".join(names) if len(names[0]) == 2 else "    " + ", ".join(names)
    if parameter.secondary_opts:
        return f"{first} / {', '.join(parameter.secondary_opts)}"
    return f"{first} {parameter.metavar}" if parameter.metavar else first


def with_examples(text: str, examples: str) -> str:
    """A verb's help: what it does, and examples, which must not be wrapped."""
    lines = "\n".join(f"  {line}".rstrip() for line in examples.strip().splitlines())
    # \b keeps the lines of a paragraph as they are; an empty line would end it.
    paragraphs = lines.replace("\n\n", "\n\n\b\n")
    return f"{text.strip()}\n\n\b\nExamples:\n{paragraphs}"


def _help(parameter: Any) -> str:
    text = getattr(parameter, "help", None) or ""
    variables = VARIABLES.get(parameter.name, ())
    return f"{text} [{', '.join(variables)}]" if variables else text


def _section(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return getattr(parameter, "rich_help_panel", None) or "Options"
