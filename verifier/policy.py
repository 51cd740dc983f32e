"""Policies: the built-in ones, and TOML files. `layout` also accepts maps that rest on assumptions.

```toml
name    = "our-release-gate"
accepts = "related"              # weakest strength that counts as equivalent
denied  = ["elf.build-id"]       # rules that never count
waivers = false                  # whether waivers of a specification count
tolerates = ["detection-added"]  # changes of databases that leave the exit status at 0
unaccounted = "inconclusive"     # what inputs of a build without an account make it; or "different"

[parameters."pe.coff-timestamp"]
not-before = "2026-01-01"
```
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from verifier import kinds, ruleset
from verifier.errors import UsageError
from verifier.model import Policy, Strength

BUILT_IN = {
    "strict": Policy(
        "strict", Strength.SIGNED, waivers=False, reencode=1 << 40, unaccounted="inconclusive"
    ),
    "standard": Policy("standard", Strength.BOUNDED),
    "layout": Policy("layout", Strength.ASSUMED),
}

_KEYS = {
    "name",
    "accepts",
    "denied",
    "waivers",
    "parameters",
    "reencode",
    "tolerates",
    "unaccounted",
}
UNACCOUNTED = ("report", "inconclusive", "different")
# Kinds that a gate may tolerate: changes of what databases mean, which vendors ship daily. A
# change that weakens detection is of the same kinds, and is never tolerated.
TOLERABLE = ("allowlist-", "detection-", "ignore-", "setting-")


def load(name: str) -> Policy:
    """The policy `strict`, `standard`, or that of a TOML file; UsageError if it has faults."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    path = Path(name)
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"{name} is none of {', '.join(BUILT_IN)} and no readable policy file "
            f"({error.strerror})."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}.") from error
    return _checked(path, data)


def _checked(path: Path, data: dict[str, Any]) -> Policy:
    unknown = sorted(set(data) - _KEYS)
    if unknown:
        raise UsageError(f"{path} has unknown keys: {', '.join(unknown)}.")
    accepts = data.get("accepts", "bounded")
    if accepts not in set(Strength):
        known = ", ".join(Strength)
        raise UsageError(f"{path}: accepts is {accepts!r}; it must be one of {known}.")
    denied, waivers = data.get("denied", []), data.get("waivers", True)
    if not isinstance(waivers, bool) or not isinstance(denied, list):
        raise UsageError(f"{path}: waivers must be true or false, denied a list of rule ids.")
    parameters = data.get("parameters", {})
    known_rules = ruleset.load().rules
    strange = sorted({*denied, *parameters} - known_rules.keys())
    if strange:
        raise UsageError(f"{path} names rules that do not exist: {', '.join(strange)}.")
    for rule, values in parameters.items():
        odd = sorted(set(values) - known_rules[rule].parameters.keys())
        if odd:
            raise UsageError(f"{path}: rule {rule} has no parameter {', '.join(odd)}.")
    reencode = data.get("reencode", Policy().reencode)
    if not isinstance(reencode, int) or reencode < 0:
        raise UsageError(f"{path}: reencode is a number of bytes.")
    texts = {rule: {k: str(v) for k, v in each.items()} for rule, each in parameters.items()}
    name = str(data.get("name", path.stem))
    tolerates = _tolerated(path, data.get("tolerates", []))
    unaccounted = data.get("unaccounted", Policy().unaccounted)
    if unaccounted not in UNACCOUNTED:
        raise UsageError(
            f"{path}: unaccounted is {unaccounted!r}, none of {', '.join(UNACCOUNTED)}."
        )
    return Policy(
        *(name, Strength(accepts), tuple(denied), waivers, texts, tolerates),
        unaccounted=unaccounted,
        reencode=reencode,
    )


def _tolerated(path: Path, value: object) -> tuple[str, ...]:
    known = [kind for kind in kinds.DIFFERENCES if kind.startswith(TOLERABLE)]
    if not isinstance(value, list) or not set(value) <= set(known):
        raise UsageError(f"{path}: tolerates is a list of {', '.join(known)}.")
    return tuple(value)


def certificates(path: Path) -> list[bytes]:
    """The certificates of a PEM or DER file, as DER; UsageError if it is neither."""
    import ssl  # noqa: PLC0415 - only where certificates are given

    end = "-----END CERTIFICATE-----"
    begin = "-----BEGIN CERTIFICATE-----"
    try:
        data = path.read_bytes()
        if data.startswith(b"\x30"):
            return [data]
        pieces = data.decode("ascii").split(end)[:-1]
        found = [ssl.PEM_cert_to_DER_cert(each[each.index(begin) :] + end) for each in pieces]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The signer {path} is neither a certificate file nor a SHA-256 ({error})."
        ) from error
    if not found:
        raise UsageError(f"The signer {path} holds no certificate, PEM or DER.")
    return found
