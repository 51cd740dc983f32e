"""Checks of PE fields: sums, the signer's additions, clocks, and debug identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import content, limits
from verifier.checks import pdb
from verifier.checks.base import Accepted, Answer, Question, Refused, free_all
from verifier.checks.numbers import in_window
from verifier.errors import ParseError
from verifier.formats.pe.directories import CODEVIEW, REPRO
from verifier.model import Range

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.base import Side
    from verifier.formats.pe.headers import Image

_FULL = 0xFFFF
_AGE_MOST = 0xFFFF


def checksum(question: Question) -> Answer:
    """CheckSum is that of the shipped file, or of the file before a signer came.

    Permitted, whatever the rebuilt field holds (valid; 0 as GRUB's and the
    kernel's; wrong as fwupd's): the sum of the shipped file; for a file signed
    here alone, the sum of the same file without what the signer added, as a
    signer leaves it that does not know the field. 0 and wrong sums are
    permitted only where the rebuilt file has the same, which asks no rule.
    """
    side, image = question.shipped, _image(question.shipped)
    value = int.from_bytes(question.value, "little")
    if value == image_checksum(side.data, image, len(side.data)):
        return Accepted(f"{value:#x} is the sum of the shipped file")
    if image.certificates and not _image(question.rebuilt).certificates:
        unsigned = image_checksum(side.data, image, len(question.rebuilt.data), signed=False)
        if value == unsigned:
            return Accepted(f"{value:#x} is the sum of the shipped file before it was signed")
    right = image_checksum(side.data, image, len(side.data))
    return Refused(f"The sum of the shipped file is {right:#x}.")


def image_checksum(data: Buffer, image: Image, length: int, *, signed: bool = True) -> int:
    """The checksum of ImageHlp's CheckSumMappedFile over the first `length` bytes.

    A sum of 16-bit words with the carries added back, which is the value modulo
    65535; the field itself, and the security entry unless `signed`, count as zero.
    """
    step = limits.MIB
    total = sum(
        int.from_bytes(data[at : min(at + step, length)], "little") % _FULL
        for at in range(0, length, step)
    )
    total -= int.from_bytes(data[image.checksum_at : image.checksum_at + 4], "little")
    if not signed and image.security_at is not None:
        total -= int.from_bytes(data[image.security_at : image.security_at + 8], "little")
    return (total % _FULL or _FULL) + length


def security_directory(question: Question) -> Answer:
    """The entry leads to a certificate table behind the rebuilt content, up to the file's end."""
    image, rebuilt = _image(question.shipped), _image(question.rebuilt)
    if image.certificates_fault:
        return Refused(image.certificates_fault, "signature-invalid")
    if image.certificates is None:
        return Refused("The rebuilt file is signed, the shipped one is not.", "signature-missing")
    start = (rebuilt.content_end + 7) & ~7
    size = len(question.shipped.data) - start
    if image.certificates != (start, size):
        return Refused(
            f"A signer's table would begin at {start:#x} and reach the file's end.",
            "signature-invalid",
        )
    return Accepted(f"the table of {size} bytes at {start:#x} fills the file to its end")


def padding(question: Question) -> Answer:
    """Zeros, as many as it takes from the rebuilt content's end to a multiple of eight."""
    image, rebuilt = _image(question.shipped), _image(question.rebuilt)
    if image.certificates is None:
        return Refused("The rebuilt file is signed, the shipped one is not.", "signature-missing")
    if rebuilt.certificates is not None:
        return Refused("Both files are signed: what stands before the signature must be equal.")
    wanted = question.rebuilt_value + bytes(-rebuilt.content_end % 8)
    if question.value != wanted or image.content_end != rebuilt.content_end + (
        -rebuilt.content_end % 8
    ):
        return Refused("It is not the rebuilt content filled with zeros to a multiple of 8.")
    return Accepted(f"{-rebuilt.content_end % 8} zero bytes up to the signature")


def clock(question: Question) -> Answer:
    """A time in the rule's window, where the linker stores a clock and not a hash."""
    if _reproducible(question):
        return Refused("The image says that its stamps are a hash (REPRO), not a time.")
    if len(question.value) != 4 or len(question.rebuilt_value) != 4:
        return Refused("The timestamp is not four bytes in both files.")
    return in_window(question, int.from_bytes(question.value, "little"))


def own_clock(question: Question) -> Answer:
    """As `clock`, for a linker that does not repeat the COFF header's stamp here."""
    if int.from_bytes(question.rebuilt_value, "little") == _image(question.rebuilt).stamp:
        return Refused("The rebuilt stamp repeats that of the COFF header; the shipped one must.")
    return clock(question)


def delay_clock(question: Question) -> Answer:
    """As `clock`, where no import is bound differently: a stamp tells which DLL it is bound to."""
    if _bound(question.shipped) != _bound(question.rebuilt):
        return Refused("The two files have different bound imports.")
    return clock(question)


def stamp_as_coff(question: Question) -> Answer:
    """The stamp repeats that of the COFF header, in both files."""
    for value, side in (
        (question.value, question.shipped),
        (question.rebuilt_value, question.rebuilt),
    ):
        if len(value) != 4 or int.from_bytes(value, "little") != _image(side).stamp:
            return Refused("It does not repeat the COFF header's stamp in both files.")
    return Accepted("repeats the COFF header's TimeDateStamp, as in the rebuilt file")


def reproducible_stamp(question: Question) -> Answer:
    """The COFF stamp of a reproducible link: the debug entries repeat it, as does the REPRO hash.

    Where there is a hash the stamp is a part of it, and that is where its bytes
    count as free.
    """
    if not _reproducible(question):
        return Refused("The image has no REPRO entry.")
    shapes = [_agreement(side) for side in (question.shipped, question.rebuilt)]
    if shapes[0] != shapes[1] or not any(shapes[1][0]):
        return Refused("The debug entries do not repeat the COFF header's stamp in both files.")
    if shapes[1][1] is not None:
        return Accepted("repeated by all debug entries and by the REPRO hash")
    return Accepted(
        "repeated by all debug entries of a reproducible link",
        free_all(question, "a hash of what was linked"),
    )


def reproducible_hash(question: Question) -> Answer:
    """The REPRO hash, whose place of the COFF stamp is the same in both files."""
    shapes = [_agreement(side) for side in (question.shipped, question.rebuilt)]
    if shapes[0] != shapes[1] or not any(shapes[1][0]) or shapes[1][1] is None:
        return Refused("COFF header, debug entries and REPRO hash do not agree in both files.")
    if len(question.value) != len(question.rebuilt_value):
        return Refused("The two hashes have different lengths.")
    return Accepted(
        "agrees with the COFF header and all debug entries",
        free_all(question, "a hash of what was linked"),
    )


def guid(question: Question) -> Answer:
    """A CodeView GUID that is no part of a REPRO hash; a shipped PDB must carry the same."""
    if len(question.value) != 16 or len(question.rebuilt_value) != 16:
        return Refused("The identifier is not 16 bytes in both files.")
    if _place_in_hash(question.rebuilt, question.rebuilt_value) is not None:
        return Refused("The rebuilt identifier is a part of the REPRO hash; the shipped one must.")
    evidence = _agrees_with_pdb(question, 0)
    if evidence is None:
        return Refused("The shipped PDB of this name carries another identifier.")
    return Accepted(evidence, free_all(question, "identifies a PDB"))


def age(question: Question) -> Answer:
    """A CodeView age that counts links; a shipped PDB must carry the same."""
    if not 1 <= int.from_bytes(question.value, "little") <= _AGE_MOST:
        return Refused(f"An age counts links, from 1 to at most {_AGE_MOST}.")
    evidence = _agrees_with_pdb(question, 1)
    if evidence is None:
        return Refused("The shipped PDB of this name carries another age.")
    return Accepted(evidence, (Range(0, 2, "counts the links of a PDB"),))


def guid_in_hash(question: Question) -> Answer:
    """A CodeView GUID that is the same part of the REPRO hash in both files."""
    places = [
        _place_in_hash(question.shipped, question.value),
        _place_in_hash(question.rebuilt, question.rebuilt_value),
    ]
    if places[0] is None or places[0] != places[1] or len(question.value) != 16:
        return Refused("It is not the same part of the REPRO hash in both files.")
    return Accepted("is a part of the REPRO hash, as in the rebuilt file")


def pdb_path(question: Question) -> Answer:
    """A path as long as the rebuilt one, with the same file name, printable."""
    try:
        shipped, rebuilt = question.value.decode(), question.rebuilt_value.decode()
    except UnicodeDecodeError:
        return Refused("The path is not UTF-8.")
    if len(question.value) != len(question.rebuilt_value) or not shipped.isprintable():
        return Refused("The path is not printable text of the rebuilt one's length.")
    name = _file_name(shipped)
    if name != _file_name(rebuilt):
        return Refused("The path names another file.")
    directory = len(question.value) - len(name.encode())
    free = free_all(question, "directory of the build")
    return Accepted(
        "a directory of the same length", tuple(_shortened(item, directory) for item in free)
    )


def _shortened(item: Range, length: int) -> Range:
    return Range(item.offset, length, item.reason)


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _image(side: Side) -> Image:
    image: Image = side.layout.info
    return image


def _reproducible(question: Question) -> bool:
    return any(
        entry.kind == REPRO
        for side in (question.shipped, question.rebuilt)
        for entry in _image(side).debug
    )


def _hash(side: Side) -> bytes:
    """The REPRO hash of an image; empty without one."""
    for entry in _image(side).debug:
        if entry.kind == REPRO and entry.data.length > 4:
            return bytes(side.data[entry.data.offset + 4 : entry.data.end])
    return b""


def _place_in_hash(side: Side, value: bytes) -> int | None:
    """Where `value` stands in the REPRO hash; None where it does not."""
    at = _hash(side).find(value)
    return at if at >= 0 and any(value) else None


def _agreement(side: Side) -> tuple[tuple[bool, ...], int | None]:
    """Which debug entries repeat the COFF stamp, and where it stands in the REPRO hash."""
    image = _image(side)
    place = _place_in_hash(side, image.stamp.to_bytes(4, "little"))
    return tuple(entry.stamp == image.stamp for entry in image.debug), place


def _bound(side: Side) -> bytes:
    address, size = _image(side).directory("bound-import")
    at = _image(side).offset_of(address, size) if size else None
    return b"" if at is None else bytes(side.data[at : at + size])


def _agrees_with_pdb(question: Question, part: int) -> str | None:
    """The evidence of a GUID (part 0) or age (1); None where a shipped PDB says another."""
    found = _pdbs(question)
    if not found:
        return "links the image to a PDB that is not shipped beside it"
    agrees = question.value in [each[part] for each in found]
    return "the PDB that is shipped beside the image carries the same" if agrees else None


def _pdbs(question: Question) -> list[tuple[bytes, bytes]]:
    """GUID and age of shipped PDBs that are called as the CodeView record says."""
    span = question.span
    entries = [
        entry
        for entry in _image(question.shipped).debug
        if entry.kind == CODEVIEW and span and entry.data.offset < span.offset < entry.data.end
    ]
    if not entries or not question.context.siblings:
        return []
    data = entries[0].data
    path = bytes(question.shipped.data[data.offset + 24 : data.end]).split(b"\0", 1)[0]
    wanted = _file_name(path.decode("utf-8", "replace")).lower()
    found = []
    siblings = question.context.siblings
    for name in siblings:
        if _file_name(name).lower() == wanted:
            try:
                found.append(pdb.identity(content.view(siblings[name])))
            except (ParseError, OSError):
                found.append((b"", b""))  # a PDB that cannot be read accepts no identifier
    return found
