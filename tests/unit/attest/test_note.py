"""Signed notes and checkpoints, held against the specification's own examples."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.attest import material
from verifier.attest import note
from verifier.attest.refusal import MismatchError, NotAttestedError
from verifier.errors import LimitError, ParseError, UsageError, VerifierError

# Examples of c2sp.org/signed-note and of golang.org/x/mod/sumdb/note: real keys and signatures.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngo"
    "tpRZb6KE6RyyBwJnAM=\n"
)


LOG = note.key_of(material.private("ed25519", 5), "example.org/audits", note.ED25519)
WITNESS = note.key_of(material.private("ed25519", 6), "bob.example", note.COSIGNATURE)
TEXT = note.text("example.org/audits", 3, bytes(range(32)))


def _signed(text: str = TEXT, *extra: note.Line) -> bytes:
    line = note.sign(material.private("ed25519", 5), LOG, text)
    return str(note.Note(text, (line, *extra))).encode()


def _cosigned(time: int = 1_700_000_000, text: str = TEXT) -> note.Line:
    return note.cosign(material.private("ed25519", 6), WITNESS, text, time)


def _open(data: bytes, *witnesses: note.Key) -> note.Checkpoint:
    return note.opened(data, LOG, witnesses, "it")


def test_a_published_note_verifies() -> None:
    key = note.key(PETER)
    assert str(key) == PETER
    found = note.parse(PETER_NOTE.encode(), "it")
    assert str(found) == PETER_NOTE
    assert note._verified(key, found.lines[0], found.text) == 0
    assert note._verified(key, found.lines[0], found.text + "x") is None


def test_a_checkpoint_and_its_witnesses() -> None:
    found = _open(_signed(TEXT, _cosigned()), WITNESS)
    assert (found.origin, found.size, found.root) == ("example.org/audits", 3, bytes(range(32)))
    assert found.witnesses == (("bob.example", 1_700_000_000),)
    assert _open(_signed(TEXT, _cosigned())).witnesses == ()  # of an unknown key: passed over
    assert note.key(str(WITNESS)) == WITNESS


def test_sixteen_signatures_and_more_are_read() -> None:
    many = tuple(note.Line(f"w{number}", b"abcd", b"x") for number in range(40))
    assert len(_open(_signed(TEXT, *many)).note.lines) == 41
    many = tuple(note.Line(f"w{number}", b"abcd", b"x") for number in range(70))
    with pytest.raises(LimitError):
        _open(_signed(TEXT, *many))


def test_nobody_else_signs_for_the_log() -> None:
    other = note.key_of(material.private("ed25519", 6), LOG.name, note.ED25519)
    line = note.sign(material.private("ed25519", 6), other, TEXT)
    forged = str(note.Note(TEXT, (line,))).encode()
    with pytest.raises(NotAttestedError, match="not signed by the log"):
        _open(forged)
    stolen = line._replace(id=LOG.id)
    with pytest.raises(MismatchError, match="does not verify"):
        _open(str(note.Note(TEXT, (stolen,))).encode())


def test_a_signature_of_another_text_is_refused() -> None:
    line = note.sign(material.private("ed25519", 5), LOG, TEXT)
    for text in (
        note.text("example.org/audits", 4, bytes(range(32))),
        note.text("example.org/audits", 3, bytes(32)),
    ):
        with pytest.raises(MismatchError):
            _open(str(note.Note(text, (line,))).encode())
    other = note.text("example.org/other", 3, bytes(32))
    with pytest.raises(ParseError, match="of the log"):
        _open(_signed(other))


def test_a_witness_signs_a_time_and_a_text() -> None:
    good = _cosigned()
    late = good._replace(value=(1_800_000_000).to_bytes(8, "big") + good.value[8:])
    plain = note.Line(WITNESS.name, WITNESS.id, material.private("ed25519", 6).sign(TEXT.encode()))
    for odd in (late, plain, good._replace(value=good.value[:-1]), good._replace(value=b"")):
        if odd.value:
            with pytest.raises(MismatchError, match="bob"):
                _open(_signed(TEXT, odd), WITNESS)
    with pytest.raises(MismatchError, match="bob"):
        _open(_signed(TEXT, _cosigned(text=TEXT + "more\n")), WITNESS)


def test_a_logs_signature_is_no_cosignature() -> None:
    same = note.key_of(material.private("ed25519", 5), LOG.name, note.COSIGNATURE)
    assert same.id != LOG.id
    with pytest.raises(NotAttestedError):
        note.opened(
            str(note.Note(TEXT, (note.cosign(material.private("ed25519", 5), same, TEXT, 1),)))
            .encode(), LOG, [same], "it",
        )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "example.org/audits\n3\n",
        "example.org/audits\n03\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "example.org/audits\n\uff13\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "example.org/audits\n3\nAAAA\n",
        "example.org/audits\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
        "example.org/audits\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nmore\n",
        "\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    ],
)
def test_odd_checkpoints_are_refused_though_signed(text: str) -> None:
    with pytest.raises(ParseError):
        _open(_signed(text))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text[:-1],
        lambda text: text + "\n",
        lambda text: text + "more\n",
        lambda text: text.replace("\u2014", "-"),
        lambda text: text.replace("\n\n", "\r\n\r\n"),
        lambda text: "\x07" + text,
        lambda text: text.replace("\u2014 ", "\u2014  "),
        lambda text: text.replace("audits ", "audits+x "),
        lambda text: text[:-3] + " =\n",
        lambda text: text[:0],
    ],
)
def test_odd_notes_are_refused(change: object) -> None:
    with pytest.raises(ParseError):
        note.parse(change(_signed().decode()).encode(), "it")  # type: ignore[operator]


def test_other_line_ends_of_unicode_end_no_line() -> None:
    text = TEXT + "one\u2028two\u0085three\n"
    assert _open(_signed(text)).note.text == text


def test_notes_have_a_cap_and_an_encoding() -> None:
    with pytest.raises(LimitError):
        note.parse(b"x" * (1 << 21), "it")
    with pytest.raises(ParseError):
        note.parse(b"\xff\n\n\n", "it")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("PeterNeumann", "Peter Neumann"),
        PETER + "=",
        "x+00000000+" + base64.b64encode(b"\x02" + bytes(32)).decode(),
        "x+00000000+" + base64.b64encode(b"\x01" + bytes(31)).decode(),
        "x+00000000+",
    ],
)
def test_odd_keys_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        note.key(text)


def test_keys_of_other_kinds_sign_no_notes() -> None:
    with pytest.raises(UsageError, match="Ed25519"):
        note.key_of(material.private("p256"), "a", note.ED25519)
    for name in ("", "a b", "a+b", "a\n", "a\u2003b"):
        with pytest.raises(UsageError):
            note.key_of(material.private("ed25519"), name, note.ED25519)


@given(st.data())
def test_no_byte_of_a_checkpoint_may_change(data: st.DataObject) -> None:
    good = _signed()
    at = data.draw(st.integers(0, len(good) - 1))
    odd = bytearray(good)
    odd[at] = data.draw(st.integers(0, 255).filter(lambda value: value != good[at]))
    with pytest.raises(VerifierError):
        _open(bytes(odd))
