"""What an attacker does to a signed image is caught and named, alone and two at a time."""

from itertools import combinations

import pytest

from tests.cases import pe_files as files
from tests.cases.pe_tampers import ANY_SIGNED, DEPENDENT, TAMPERS, WHERE
from tests.support import Tree, compare_bytes
from verifier.model import Verdict

PAIRS = [pair for pair in combinations(TAMPERS, 2) if frozenset(pair) not in DEPENDENT]
LAST = ("signature stripped", "bytes after the table")  # places of others are gone after these


def _tampered(data: bytes, *names: str) -> bytes:
    for name in sorted(names, key=lambda name: (name == "wrong checksum", name in LAST)):
        data = TAMPERS[name](data)
    return data if "wrong checksum" in names else files.fixed(data)


def _caught(found: Tree, *names: str) -> None:
    assert found.verdict is Verdict.DIFFERENT
    places = [item.where for item in found.differences]
    for name in names:
        for expected in WHERE[name]:
            assert any(place.startswith(tuple(expected.split("|"))) for place in places), (
                name,
                places,
            )


@pytest.mark.parametrize("name", TAMPERS)
def test_a_tamper_is_caught_where_it_is(name: str) -> None:
    signed = files.microsoft_signed()
    rebuilt = signed if name == "signature stripped" else files.microsoft()
    found = compare_bytes(_tampered(signed, name), rebuilt)
    _caught(found, name)
    kinds = {item.kind for item in found.differences}
    special = {
        "signature stripped": "signature-missing",
        "flipped signature byte": "signature-invalid",
        "code byte": "signature-invalid",
        "TLS callback added": "tls-callback-added",
        "relocation aimed at code": "relocation-added",
    }
    assert special.get(name, next(iter(kinds))) in kinds


@pytest.mark.parametrize("first", TAMPERS)
def test_no_tamper_hides_another(first: str) -> None:
    signed = files.microsoft_signed()
    for pair in PAIRS:
        if pair[0] == first:
            rebuilt = signed if "signature stripped" in pair else files.microsoft()
            _caught(compare_bytes(_tampered(signed, *pair), rebuilt), *pair)


@pytest.mark.parametrize("name", ANY_SIGNED)
def test_a_tamper_of_an_efi_image_is_caught(name: str) -> None:
    signed, rebuilt = files.signed_pair("fwupd")
    against = signed if name == "signature stripped" else rebuilt
    expected = name
    found = compare_bytes(_tampered(signed, name), against)
    _caught(found, expected)
    if name == "code byte":
        assert any(item.where == "_start (.text)" for item in found.differences)
