"""The whole comparison: what one side's engine would have loaded, and the other's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.sigdb.clamav import bulk, kinds, load, pairs, profile, protection, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import Change, File, Files, Options, Record
    from verifier.sigdb.clamav.load import Side

SMALL = frozenset(kind.scope for kind in kinds.LINES.values() if not kind.bulk)
SMALL |= {"ign", "crb", "cbc", "cat", "ioc", "yar"}


def records(file: File, _options: Options) -> list[Record]:
    """A strict parse of one file, before gates and ignore lists."""
    return [record for _, record in load.placed(file, load.file_records(file))]


def effective(files: Files, options: Options) -> list[Record]:
    """What the declared engines have loaded after all files of one side."""
    chosen = profile.of(options)
    return load.effective(load.side(files, chosen), chosen).records


def changes(rebuilt: Files, shipped: Files, options: Options) -> list[Change]:
    """All changes of meaning, weakenings first."""
    chosen = profile.of(options)
    old, new = load.side(rebuilt, chosen), load.side(shipped, chosen)
    found = [*bulk.changes(old, new, chosen), *_small(old, new, shipped, chosen)]
    found += protection.changes(old, new, chosen)
    return sorted(found, key=lambda item: (not item.weakening, item.where, item.kind))


def _small(old: Side, new: Side, shipped: Files, chosen: profile.Profile) -> Iterator[Change]:
    before = load.effective(old, chosen, SMALL)
    after = load.effective(new, chosen, SMALL)
    gone = {pairs.identity(record): "signature-ignored" for record in after.silenced}
    gone |= {pairs.identity(record): "record-dropped" for record in load.dropped(new, chosen)}
    gone |= {
        pairs.identity(record): "dropped-by-packer" for record in _unpacked(old, before, shipped)
    }
    silenced = frozenset(map(pairs.identity, before.silenced))
    yield from pairs.changes(before.records, after.records, pairs.Causes(gone, silenced))


def _unpacked(old: Side, before: load.Loaded, shipped: Files) -> Iterator[Record]:
    """Records of source files of a kind that the packer leaves out, and that is not shipped."""
    if not any(map(text.contained, shipped)):
        return
    there = {text.extension(file) for file in shipped}
    paths = {
        part.file.path
        for part in old.parts
        if text.extension(part.file) in kinds.NOT_PACKED - there and not text.contained(part.file)
    }
    yield from (record for record in before.records if record.place[0] in paths)
