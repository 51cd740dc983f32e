"""Debian binary packages (deb(5)): an ar file whose members and their order are fixed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.formats import ar, magic
from verifier.formats.base import Format, Layout
from verifier.formats.members import describer

if TYPE_CHECKING:
    from verifier.content import Buffer

_FIRST = re.compile(rb"debian-binary[ /] *\Z")
_MEMBERS = (
    re.compile(r"debian-binary\Z"),
    re.compile(r"control\.tar(\.gz|\.xz|\.zst)?\Z"),
    re.compile(r"data\.tar(\.gz|\.xz|\.zst|\.bz2)?\Z"),
)


def layout(data: Buffer) -> Layout:
    """As of an ar file; owner and mode of the members are fields without rules.

    The three members that dpkg wants must be there, in order. Others stay in the
    layout as members of their own, so that they show as added.
    """
    cut = ar.cut("deb", data, "identity")
    labels = [entry.label for entry in cut.info.entries.values()]
    wanted = list(_MEMBERS)
    for label in labels:
        if wanted and wanted[0].match(label):
            wanted.pop(0)
    if wanted:
        raise ParseError(f"The package has the members {', '.join(labels[:8])} only")
    return cut


FORMAT = Format(
    "deb",
    magic.deb,
    layout,
    describer({"identity.mode": "mode", "identity.uid": "owner", "identity.gid": "owner"}),
    container=True,
    families=("ar",),
    follows=ar.FOLLOWS,
)
