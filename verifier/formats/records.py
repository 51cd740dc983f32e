"""Files of records whose meaning a database family knows: one span, settled by what they detect.

No format by content: a family of `verifier.sigdb` claims the file, or a
container gives its member the role `records:FAMILY`.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout

if TYPE_CHECKING:
    from verifier.content import Buffer

FIELD = "records"
ROLE = "records:"
RULES = "database"  # the rule folder that speaks of all families


def layout(family: str, data: Buffer) -> Layout:
    """The whole file as one span named `records`."""
    cutter = Cutter(family, data)
    cutter.add(FIELD, 0, len(data))
    return cutter.finish()


@cache
def of(family: str) -> Format:
    """The format of the record files of a family, which bears the family's name."""
    return Format(family, magic.nothing, partial(layout, family), families=(RULES,))


def holds(kind: Format) -> bool:
    """Whether files of this format are records of a family."""
    return kind.families == (RULES,)
