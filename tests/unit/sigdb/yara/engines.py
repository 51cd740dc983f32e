"""The real compilers, and one line to compare what they made."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import yara
import yara_x

from tests.unit.sigdb.yara import ruleset
from verifier.sigdb.base import Change, Family, File
from verifier.sigdb.difference import compare
from verifier.sigdb.yarc import FAMILY as YARC

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NO_OPTIONS: dict[str, tuple[str, ...]] = {}
SEED, FILES, RULES = 7, 40, 30


@cache
def sources() -> tuple[ruleset.Source, ...]:
    """1,200 rules of 40 files in 5 namespaces."""
    return tuple(ruleset.sources(SEED, FILES, RULES))


def libyara(texts: Mapping[str, str], **options: object) -> bytes:
    """Compiled by libyara 4.5 (PyPI yara-python): text by namespace."""
    out = io.BytesIO()
    yara.compile(sources=dict(texts), **options).save(file=out)
    return out.getvalue()


def rules(text: str, **options: object) -> bytes:
    """One namespace, compiled by libyara 4.5."""
    return libyara({"default": text}, **options)


def yarac(folder: Path, texts: Mapping[str, str], *options: str) -> bytes:
    """Compiled by libyara 4.2 (Debian's yarac)."""
    arguments = []
    for number, (namespace, text) in enumerate(texts.items()):
        path = folder / f"{number}.yar"
        path.write_text(text, "utf-8")
        arguments.append(f"{namespace}:{path}")
    out = folder / "out.yarc"
    subprocess.run(["yarac", "-w", *options, *arguments, out], check=True, capture_output=True)
    return out.read_bytes()


def yara_x_rules(
    texts: Mapping[str, str] | Sequence[tuple[str, str]], **variables: object
) -> bytes:
    """Compiled by YARA-X (PyPI yara-x): text by namespace, or with one that comes again."""
    compiler = yara_x.Compiler(relaxed_re_syntax=True)
    for name, value in variables.items():
        compiler.define_global(name, value)
    for namespace, text in texts.items() if isinstance(texts, Mapping) else texts:
        compiler.new_namespace(namespace)
        compiler.add_source(text.replace("entrypoint", "filesize"))  # which it has no longer
    out = io.BytesIO()
    compiler.build().serialize_into(out)
    return out.getvalue()


def changes(family: Family, rebuilt: bytes, shipped: bytes, name: str = "rules") -> list[Change]:
    """What differs between two files of one family."""
    if family.changes is not None:
        files = [[File(name, name, memoryview(data))] for data in (rebuilt, shipped)]
        return list(family.changes(*files, NO_OPTIONS))
    sides = [
        list(family.records(File(name, name, memoryview(data)), NO_OPTIONS))
        for data in (rebuilt, shipped)
    ]
    return compare(family, *sides)


def yarc(rebuilt: str, shipped: str) -> list[Change]:
    """What differs between two texts once libyara has compiled them."""
    return changes(YARC, rules(rebuilt), rules(shipped))
