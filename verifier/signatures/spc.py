"""SpcIndirectDataContent: what an Authenticode signature says about an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from verifier.errors import ParseError
from verifier.signatures import der, keys
from verifier.signatures.fields import Fields, oid, only

if TYPE_CHECKING:
    from verifier.signatures.der import Node
    from verifier.signatures.keys import Algorithm

INDIRECT_DATA: Final = "1.3.6.1.4.1.311.2.1.4"
# SpcPeImageData; the second is the "individual code signing" purpose, which the signer of Debian's
# fwupd wrote in its place. The content is signed, so this is no one else's to choose.
_PE_IMAGE_DATA: Final = ("1.3.6.1.4.1.311.2.1.15", "1.3.6.1.4.1.311.2.1.21")
_FILE_NAMES: Final = (b"", "<<<Obsolete>>>".encode("utf-16-be"))
# SpcSerializedObject of page hashes; what it holds is signed, and does not stand for the image.
_PAGE_HASHES: Final = bytes.fromhex("a6b586d5b4a12466ae05a217da8e60d6")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IndirectData:
    """The image digest: its algorithm, and the OCTET STRING that holds it."""

    digest_algorithm: Algorithm
    digest: Node


def parse_indirect_data(node: Node) -> IndirectData:
    """Read SpcIndirectDataContent with SpcPeImageData; ParseError if it is anything else."""
    fields = Fields(node, "SpcIndirectDataContent")
    data = Fields(fields.any("data"), "SpcAttributeTypeAndOptionalValue")
    message = Fields(fields.any("messageDigest"), "DigestInfo")
    fields.end()
    if oid(data.any("type")) not in _PE_IMAGE_DATA:
        raise ParseError("A signature is not for a PE image", node.offset)
    _check_image_data(data.any("value"))
    data.end()
    algorithm = keys.algorithm(message.any("digestAlgorithm"))
    digest = message.take(der.OCTET_STRING, "digest")
    message.end()
    return IndirectData(algorithm, digest)


def _check_image_data(node: Node) -> None:
    fields = Fields(node, "SpcPeImageData")
    flags = fields.take(der.BIT_STRING, "flags")
    link = only(fields.take(der.context(0), "file"), "SpcPeImageData's file")
    fields.end()
    # What the flags mean was never implemented; they are signed like the rest of the content.
    if flags.length > 2:
        raise ParseError("SpcPeImageData has unknown flags", flags.offset)
    if link.tag == der.context(2):
        name = only(link, "An SpcLink's file")
        if name.tag != der.context(0, constructed=False) or name.value not in _FILE_NAMES:
            raise ParseError("SpcPeImageData names a file", name.offset)
        return
    moniker = Fields(link, "An SpcLink", der.context(1))
    class_id = moniker.take(der.OCTET_STRING, "classId")
    moniker.take(der.OCTET_STRING, "serializedData")
    moniker.end()
    if class_id.value != _PAGE_HASHES:
        raise ParseError("SpcPeImageData links to an unknown object", class_id.offset)
