"""What a specification pins beside the digest or commit: SWHIDs, and the record of an audit."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from verifier.errors import SourceError
from verifier.source import record, recordkeys
from verifier.source.base import Pin
from verifier.source.swhid import kind_of

if TYPE_CHECKING:
    from verifier.source.base import Source
    from verifier.spec import Pins


def hold(pins: Pins, source: Source) -> Source:
    """The source with what was checked; each pin must hold.

    Raises:
        SourceError: another SWHID, or a record without the signature that is asked for.
        SourceDiffersError: the tree is not what the record's reviewers saw.
        ParseError, UsageError: the record or a key is none.
    """
    for swhid in pins.swhids:
        if swhid not in source.swhids:
            has = [each for each in source.swhids if kind_of(each) == kind_of(swhid)]
            other = f"its own is {has[0]}" if has else f"it has none of kind {kind_of(swhid)}"
            raise SourceError(f"The source is not {swhid}, which source.swhid pins: {other}.")
    found = [Pin("swhid", swhid, "as the specification pins it") for swhid in pins.swhids]
    if pins.record is None:
        return dataclasses.replace(source, pins=(*source.pins, *found))
    kept = record.read(pins.record)
    if pins.record_keys:
        signers = recordkeys.signers(pins.record, kept, pins.record_keys)
        kept = kept._replace(signers=signers)
    signed = f", signed by {', '.join(kept.signers)}" if kept.signers else ", unsigned"
    said = f"of {kept.data['reviewer']}, {kept.data['date']}{signed}"
    found.append(Pin("audit-record", kept.sha256, said))
    source = dataclasses.replace(source, pins=(*source.pins, *found), record=kept)
    if source.kind != "debian":  # whose tree the build unpacks
        (own,) = (each for each in source.swhids if kind_of(each) == "dir")
        record.hold(kept, source.entries, own, source)
    return source
