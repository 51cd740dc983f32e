"""What an auditor declares of databases: `[[databases]]` of a specification, or of a file alone.

```toml
[[databases]]
path    = "*.sqlite"              # glob over the paths of the report
family  = "sqlite"
options = { keys = ["id"], volatile = ["updated"] }
```
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from verifier.errors import UsageError
from verifier.model import Database
from verifier.spec.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def load(path: Path) -> tuple[Database, ...]:
    """The declarations of a file that holds nothing else; UsageError for faults."""
    try:
        top = Table(tomllib.loads(path.read_text("utf-8")), path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}.") from error
    found = read(top.children("databases"))
    top.finish()
    if not found:
        raise UsageError(f"{path} declares no databases; each is headed [[databases]].")
    return found


def read(tables: Sequence[Table]) -> tuple[Database, ...]:
    """The declarations in their order; the first whose glob matches a path counts."""
    return tuple(_database(table) for table in tables)


def _database(table: Table) -> Database:
    from verifier import sigdb  # noqa: PLC0415 - few specifications speak of databases

    family = table.get("family", str)
    try:
        sigdb.named(family)
    except UsageError as error:
        raise table.error("family", f"is wrong: {error}".rstrip(".")) from None
    path = table.get("path", str)
    options = _options(table)
    table.finish()
    return Database(path, family, options)


def _options(table: Table) -> dict[str, tuple[str, ...]]:
    """Texts, or lists of texts, by name; what they mean is the family's."""
    value = table.raw("options")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise table.error("options", f"must be a table, not {value!r}")
    found: dict[str, tuple[str, ...]] = {}
    for name, item in value.items():
        texts = [item] if isinstance(item, str) else item
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise table.error(f"options.{name}", f"must be a string or a list of strings: {item!r}")
        found[name] = tuple(texts)
    return found
