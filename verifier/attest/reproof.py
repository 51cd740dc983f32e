"""Re-run a saved proof through the stand-alone checker, with its failures as our errors."""

from __future__ import annotations

import hashlib
import lzma
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from verifier import check, waivers
from verifier.attest.refusal import MismatchError
from verifier.errors import ParseError, VerifierError
from verifier.model import Strength

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError),
    *(zlib.error, lzma.LZMAError, MemoryError, ImportError),
)


def recheck(proof: dict[str, Any], shipped: Path, rebuilt: Path) -> int:
    """Apply the proof to both sides, files or directories; the number of free bytes.

    Raises:
        MismatchError: the proof does not hold.
        ParseError: it cannot be checked.
    """
    return _run(lambda: check.check(proof, shipped, rebuilt, judge)["free"])


def recheck_parts(proof: dict[str, Any], view: Callable[[str, str], memoryview]) -> int:
    """Likewise, over bytes that lie in no file of their own: `view(side, path)` gives them.

    That there are no files but those of the proof is the caller's to check.
    """

    def free() -> int:
        counts: Counter[str] = Counter()
        if not proof["files"]:
            raise check.Broken("The proof claims nothing.")
        for entry in proof["files"]:
            sides = view("shipped", entry["path"]), view("rebuilt", entry["path"])
            counts.update(check.check_file(entry, *sides, judge))
        if counts["free"] != proof["free_bytes"]:
            raise check.Broken("The proof miscounts its free bytes.")
        return counts["free"]

    return _run(free)


def vouch(proof: dict[str, Any]) -> None:
    """Return for a proof whose rules are those here, each with its own strength.

    Raises:
        check.Broken: it names a rule that there is not, or another strength of it.
        ValueError: it was made under other rules.
    """
    from verifier import ruleset  # noqa: PLC0415 - start-up time

    if proof["rules_digest"] != ruleset.digest():
        raise ValueError("it was made under other rules; check it with the version that made it")
    known = {rule.id: rule.strength.value for rule in ruleset.load().rules.values()}
    known[waivers.RULE] = Strength.WAIVED.value
    waiting = list(proof["files"])
    while waiting:
        for patch in waiting.pop()["patches"]:
            if known.get(patch["rule"]) != patch["strength"]:
                raise check.Broken(f"No rule {patch['rule']} has the strength {patch['strength']}.")
            if "payload" in patch:
                waiting.append(patch["payload"])


def judge(
    layout: dict[str, Any], shipped: memoryview, rebuilt: memoryview, settled: Any
) -> tuple[str, int]:
    """Judge a map between two program layouts; what cannot be read holds nothing."""
    from verifier.semantic.layout import recheck  # noqa: PLC0415 - a disassembler

    try:
        return recheck.judge(layout, shipped, rebuilt, settled)
    except VerifierError as error:
        return str(error), 0


def _run(free: Callable[[], int]) -> int:
    import zstandard  # noqa: PLC0415 - start-up time

    try:
        return free()
    except check.Broken as error:
        raise MismatchError(f"The proof does not hold: {error}") from error
    except (*_UNREADABLE, zstandard.ZstdError) as error:
        raise ParseError(
            f"The proof cannot be checked: {type(error).__name__}: {error}."
        ) from error


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex; ParseError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ParseError(f"{path} cannot be read: {error.strerror}.") from error
