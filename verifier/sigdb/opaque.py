"""Databases whose format nobody here knows: what is not identical cannot be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from verifier.errors import VerifierError
from verifier.sigdb import sniff
from verifier.sigdb.base import Family

if TYPE_CHECKING:
    from verifier.sigdb.base import File, Options

ADVICE = (
    "No family reads this database's format, so that nothing but identical bytes can prove "
    'anything; CONTRIBUTING.md, section "Add a database family", says how to write one.'
)


class OpaqueError(VerifierError):
    """The database can only be compared byte for byte."""

    kind = "database-unknown"


def records(_file: File, _options: Options) -> NoReturn:
    """There are none to be had; OpaqueError says what to do."""
    raise OpaqueError(ADVICE)


FAMILY = Family(name="opaque", accepts=sniff.nothing, records=records, together="file")
