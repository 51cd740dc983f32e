"""Who is trusted: a directory of public keys, by owner.

`KEYS/alice.pem` is alice's key; so are all files below `KEYS/alice/`. An optional
`KEYS/auditors.toml` says for whom each works, since two of one house are not two:

```toml
[alice]
organisation = "acme"
```
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, NamedTuple

from verifier.attest import keys, strict
from verifier.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.attest.keys import PublicKey

NAMES = "auditors.toml"


class Auditors(NamedTuple):
    """Trusted keys, each with its owner, and the organisation of those owners who have one."""

    keys: tuple[PublicKey, ...]
    organisations: dict[str, str]

    @property
    def owners(self) -> frozenset[str]:
        """All owners."""
        return frozenset(key.owner for key in self.keys)


def load(folder: Path) -> Auditors:
    """The auditors of a directory.

    Raises:
        UsageError: no key, a file that is none, or one key under two owners.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no directory of public keys.")
    found: list[PublicKey] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == NAMES:
            continue
        owner = path.name if path.is_dir() else path.stem
        found += [key._replace(owner=owner) for key in keys.load(path)]
    if not found:
        raise UsageError(f"{folder} holds no key.")
    known: dict[str, PublicKey] = {}
    for key in found:
        other = known.setdefault(key.digest, key)
        if other.owner != key.owner:
            raise UsageError(
                f"One key is trusted under two names, {other.owner} ({other.name}) and "
                f"{key.owner} ({key.name}); it can count once only."
            )
    return Auditors(tuple(known.values()), _organisations(folder / NAMES, found))


def _organisations(path: Path, found: list[PublicKey]) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        data = tomllib.loads(strict.read(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}.") from error
    strange = sorted(set(data) - {key.owner for key in found})
    if strange:
        raise UsageError(f"{path} names {strange[0]}, of whom there is no key.")
    result = {}
    for owner, table in data.items():
        if not isinstance(table, dict) or set(table) != {"organisation"}:
            raise UsageError(f"{path}: [{owner}] holds 'organisation' and nothing else.")
        result[owner] = str(table["organisation"])
    return result
