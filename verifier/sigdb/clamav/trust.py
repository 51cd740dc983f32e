"""Certificates (crb) and catalogs (cat): who is trusted, and who is blocked.

Source: libclamav 1.4 (`readdb.c: cli_loadcrt`). Two traps of the loader: after
an entry without a serial number, all later ones of the file match any serial;
an entry without a start date takes that of the entry before it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.sigdb.base import Effect, Record
from verifier.sigdb.clamav import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import File

_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_KEY = re.compile(r"[0-9a-fA-F]{2,4096}")
_DATE = re.compile(r"-?[0-9]{1,19}")
_USES = ((6, "code-signing"), (7, "time-signing"), (8, "certificate-signing"))


def certificates(lines: list[bytes]) -> Iterator[tuple[bytes, Record]]:
    """The entries of one crb file in order, each with its line."""
    any_serial = False
    since = "0"
    for line in lines:
        if not line or line.startswith(b"#"):
            continue
        fields = text.decoded(line).split(";")
        if not 11 <= len(fields) <= 13:
            raise ParseError(f"A certificate has {len(fields)} fields instead of 11 to 13")
        levels = text.levels(fields, 11)
        any_serial = any_serial or not fields[3]
        since = _date(fields[9]) or since
        yield line, _certificate(fields, levels, since, any_serial=any_serial)


def _certificate(fields: list[str], levels: text.Body, since: str, *, any_serial: bool) -> Record:
    if fields[1] not in {"0", "1"}:
        raise ParseError("The trust of a certificate is neither 0 nor 1")
    if not _SHA1.fullmatch(fields[2]) or (fields[3] and not _SHA1.fullmatch(fields[3])):
        raise ParseError("Subject or serial number is no SHA-1 in hex")
    if not _KEY.fullmatch(fields[4]):
        raise ParseError("The public key is no hex number")
    serial = "*" if any_serial else fields[3].lower()
    body = [("subject", fields[2].lower()), ("serial", serial)]
    body += [("key", fields[4].lower().lstrip("0")), ("exponent", fields[5])]
    for place, use in _USES:
        if fields[place] not in {"0", "1"}:
            raise ParseError(f"The flag for {use} is neither 0 nor 1")
        body.append((use, fields[place]))
    body += [("not-before", since), *levels]
    effect = Effect.ALLOW if fields[1] == "1" else Effect.DETECT
    return Record("crb", fields[0], tuple(body), effect)


def _date(value: str) -> str:
    if value and not _DATE.fullmatch(value):
        raise ParseError("The start of validity is no number of seconds")
    return str(int(value)) if value else ""


def catalog(file: File) -> list[Record]:
    """A Microsoft catalog as one value: whatever it lists is trusted."""
    digest = hashlib.sha256(file.data).hexdigest()
    place = (file.path, 0, len(file.data))
    return [Record("cat", text.base_name(file), (("sha256", digest),), Effect.ALLOW, place)]


def opaque(file: File) -> list[Record]:
    """Rules in another language (YARA, OpenIOC) as one value.

    Not by the family of YARA: the engine has a reader of its own. It drops rules that
    libyara takes, such as one with a comment in a hex string, and goes on after errors.
    It passes over such a member of a container.
    """
    digest = hashlib.sha256(file.data).hexdigest()
    place = (file.path, 0, len(file.data))
    scope = text.extension(file)
    scope = "yar" if scope == "yara" else scope
    loaded = (("loaded", "no: it is in a container"),) if text.contained(file) else ()
    body = (("sha256", digest), *loaded)
    return [Record(scope, text.base_name(file), body, Effect.DETECT, place)]
