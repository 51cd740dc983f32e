"""ClamAV's own signature schemes: RSA numbers as text, over an MD5 or (PSS) a SHA-256.

A number is written in base 64, least significant digit first, without leading
zeros (libclamav/dsig.c, `cli_decodesig`). The legacy scheme is plain RSA over
the bare MD5, which ClamAV reads as a number of 128 bits; the newer one is
RSASSA-PSS (RFC 8017, 8.1.2) with SHA-256, MGF1-SHA256 and a salt of 32 bytes
(`cli_versig2`), where the encoded message always has one bit less than whole
bytes: ClamAV's moduli have 2047 bits, of which a standard reader takes 2046.
Each number has one accepted text, so that no other one passes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from verifier.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.signatures.clamav_keys import Key

_ALPHABET: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
_DIGITS: Final = {char: value for value, char in enumerate(_ALPHABET)}
_LONGEST: Final = 683  # digits of a number of 4096 bits
_HASH: Final = 32
_SALT: Final = 32


def number(text: bytes) -> int:
    """The number that a signature's text stands for; ParseError unless it is the one text of it."""
    if not 0 < len(text) <= _LONGEST:
        raise ParseError(f"A signature of {len(text)} characters")
    if text[-1] == _ALPHABET[0]:
        raise ParseError("A signature's number ends in zeros that its shortest text has not")
    value = 0
    for char in reversed(text):
        digit = _DIGITS.get(char)
        if digit is None:
            raise ParseError("A signature has a character that is no digit of base 64")
        value = value << 6 | digit
    return value


def text(value: int) -> bytes:
    """The text of a number, as a signer writes it."""
    digits = bytearray()
    while value:
        digits.append(_ALPHABET[value & 63])
        value >>= 6
    return bytes(digits)


def verify_md5(signature: bytes, digest: bytes, keys: Iterable[Key]) -> Key | None:
    """The key that made a legacy signature (its text) over this MD5; None if none of them did."""
    value, wanted = number(signature), int.from_bytes(digest, "big")
    for key in keys:
        if value < key.modulus and pow(value, key.exponent, key.modulus) == wanted:
            return key
    return None


def verify_sha256(signature: bytes, digest: bytes, keys: Iterable[Key]) -> Key | None:
    """The key that made a PSS signature (its text) over this SHA-256; None if none did."""
    value = number(signature)
    for key in keys:
        if value < key.modulus:
            bits = 8 * ((key.modulus.bit_length() + 7) // 8) - 1
            encoded = pow(value, key.exponent, key.modulus)
            if encoded.bit_length() <= bits and _pss(encoded, bits, digest):
                return key
    return None


def _pss(encoded: int, bits: int, digest: bytes) -> bool:
    """EMSA-PSS-VERIFY (RFC 8017, 9.1.2) of an encoded message of `bits` bits."""
    size = (bits + 7) // 8
    if size < _HASH + _SALT + 2:
        return False
    raw = encoded.to_bytes(size, "big")
    masked, found = raw[: size - _HASH - 1], raw[size - _HASH - 1 : -1]
    if raw[-1] != 0xBC:
        return False
    mask = int.from_bytes(_mgf1(found, len(masked)), "big")
    block = int.from_bytes(masked, "big") ^ mask
    block &= (1 << (bits - 8 * (_HASH + 1))) - 1
    data = block.to_bytes(len(masked), "big")
    padding = len(masked) - _SALT
    if data[:padding] != bytes(padding - 1) + b"\x01":
        return False
    return hashlib.sha256(bytes(8) + digest + data[padding:]).digest() == found


def _mgf1(seed: bytes, length: int) -> bytes:
    blocks = -(-length // _HASH)
    mask = b"".join(
        hashlib.sha256(seed + counter.to_bytes(4, "big")).digest() for counter in range(blocks)
    )
    return mask[:length]
