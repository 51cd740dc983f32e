"""Commands that read absent values, texts and paths without typer's validators.

Newer versions of typer let pydantic convert each value, given or not; to load it
takes longer than to compare two files. Values of any other type, and all values
under a typer that works otherwise, go the usual way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

_CONVERTER = "_runtime_param"  # where typer keeps what converts the values of a parameter


class Command(TyperCommand):
    """A command that loads validators only for values that need them."""

    def get_params(self, ctx: Any) -> list[Any]:
        """All parameters, that of the help among them."""
        return _light(super().get_params(ctx))


class Group(TyperGroup):
    """The same for what holds commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """As those of a command."""
        return _light(super().get_params(ctx))


def _light(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, _CONVERTER, parameter) is None:
            setattr(parameter, _CONVERTER, _Plain())
    return parameters


class _Plain:
    """In the place of typer's converter, until one of its own is needed."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as the command's function wants it; errors are typer's own."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        wanted = param.type_descriptor.annotation
        if isinstance(value, str) and wanted in (str, Path):
            return wanted(value)
        if several and wanted == list[str] and all(isinstance(item, str) for item in value):
            return list(value)
        setattr(param, _CONVERTER, None)
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)
