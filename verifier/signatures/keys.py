"""Signature arithmetic: which algorithms are accepted, in which exact encoding, and the check.

Every identifier has one accepted encoding of its parameters: what a vendor
could write in two ways would be bytes that no check covers.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier.errors import ParseError
from verifier.signatures import der
from verifier.signatures.errors import SignatureError
from verifier.signatures.fields import Fields, bits, integer, oid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from verifier.signatures.der import Node

RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
RSA_PSS: Final = "1.2.840.113549.1.1.10"
MGF1: Final = "1.2.840.113549.1.1.8"
EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"

DIGESTS: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_RSA: Final = {
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
}
_ECDSA: Final = {
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}
_BROKEN: Final = {
    "1.2.840.113549.2.5": "MD5",
    "1.2.840.113549.1.1.2": "MD2 with RSA",
    "1.2.840.113549.1.1.4": "MD5 with RSA",
}
_CURVES: Final = {
    "1.2.840.10045.3.1.7": "secp256r1",
    "1.3.132.0.34": "secp384r1",
    "1.3.132.0.35": "secp521r1",
}
_RSA_BITS: Final = range(1024, 16385)


class Algorithm(NamedTuple):
    """An AlgorithmIdentifier (RFC 5280, 4.1.1.2) as it is written."""

    node: Node
    oid: str
    parameters: Node | None

    @property
    def raw(self) -> bytes:
        """Its DER."""
        return self.node.raw


class Scheme(NamedTuple):
    """How a signature is made: `rsa`, `rsa-pss` or `ecdsa`; hash by hashlib name; salt in bytes."""

    kind: str
    digest: str
    salt: int = 0


def algorithm(node: Node) -> Algorithm:
    """Read an AlgorithmIdentifier without judging it."""
    fields = Fields(node, "An algorithm identifier")
    name = oid(fields.any("algorithm"), "An algorithm")
    parameters = fields.any("parameters") if fields.peek() is not None else None
    fields.end()
    return Algorithm(node, name, parameters)


def digest_name(identifier: Algorithm) -> str:
    """The hashlib name of a digest algorithm, whose parameters are NULL or absent.

    Raises:
        SignatureError: unknown or broken algorithm, or other parameters.
    """
    name = DIGESTS.get(identifier.oid)
    if name is None:
        raise _unsupported("digest", identifier)
    if identifier.parameters is not None and identifier.parameters.tag != der.NULL:
        raise SignatureError(f"The parameters of {name} are not NULL", identifier.node.offset)
    return name


def scheme(identifier: Algorithm, digest: str | None = None) -> Scheme:
    """What a signature algorithm identifier asks for.

    Args:
        identifier: from a certificate or a SignerInfo.
        digest: the SignerInfo's digest algorithm, which must agree; None in a certificate, where
            the bare `rsaEncryption` says too little and is refused.

    Raises:
        SignatureError: unknown, broken, contradictory, or not in its one accepted encoding.
    """
    name = identifier.oid
    if name in _ECDSA:
        if identifier.parameters is not None:
            raise SignatureError("ECDSA has no parameters", identifier.node.offset)
        found = Scheme("ecdsa", _ECDSA[name])
    elif name == RSA_PSS:
        found = _pss(identifier)
    elif name in _RSA or (name == RSA_ENCRYPTION and digest):
        if identifier.parameters is None or identifier.parameters.tag != der.NULL:
            raise SignatureError("The parameters of RSA are not NULL", identifier.node.offset)
        found = Scheme("rsa", _RSA.get(name) or digest or "")
    else:
        raise _unsupported("signature", identifier)
    if digest and found.digest != digest:
        message = f"The signature algorithm hashes with {found.digest}, its signer with {digest}"
        raise SignatureError(message, identifier.node.offset)
    return found


def _unsupported(what: str, identifier: Algorithm) -> SignatureError:
    broken = _BROKEN.get(identifier.oid)
    why = f"{broken} is broken" if broken else f"{identifier.oid} is not supported"
    return SignatureError(f"The {what} algorithm {why}", identifier.node.offset)


def _pss(identifier: Algorithm) -> Scheme:
    """RSASSA-PSS-params (RFC 4055, 3.1): one hash for both, DEFAULT values left out."""
    if identifier.parameters is None:
        raise SignatureError("RSA-PSS without parameters means SHA-1", identifier.node.offset)
    fields = Fields(identifier.parameters, "RSA-PSS parameters")
    digest = digest_name(algorithm(_explicit(fields.take(der.context(0), "hash"))))
    mask = algorithm(_explicit(fields.take(der.context(1), "mask")))
    if mask.oid != MGF1 or mask.parameters is None:
        raise SignatureError("The RSA-PSS mask is not MGF1", mask.node.offset)
    if digest_name(algorithm(mask.parameters)) != digest:
        raise SignatureError("RSA-PSS masks with another hash", mask.node.offset)
    salt_node = _explicit(fields.take(der.context(2), "salt length"))
    salt = integer(salt_node)
    fields.end()
    if salt_node.tag != der.INTEGER or salt != hashlib.new(digest).digest_size:
        message = "The RSA-PSS salt length is not the hash's length"
        raise SignatureError(message, identifier.node.offset)
    return Scheme("rsa-pss", digest, salt)


def _explicit(node: Node) -> Node:
    if len(node.children) != 1:
        raise ParseError("An explicit tag does not hold one element", node.offset)
    return node.children[0]


def hash_of(name: str, data: bytes) -> bytes:
    """Hash of `data` by hashlib name; SHA-1 is for signatures of the past."""
    return hashlib.new(name, data, usedforsecurity=False).digest()


def check_key(spki: Node) -> None:
    """SignatureError unless the SubjectPublicKeyInfo is a key that we can use."""
    try:
        _load(spki.raw)
    except (ParseError, SignatureError) as error:
        # Its offset counts from the key's own start, which is what makes the cache work.
        raise SignatureError(f"A public key is refused: {error}", spki.offset) from error


def rsa_numbers(spki: bytes) -> tuple[int, int] | None:
    """Modulus and exponent of the key in this SubjectPublicKeyInfo; None if it is not RSA's."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415

    key, _ = _load(spki)
    if not isinstance(key, RSAPublicKey):
        return None
    numbers = key.public_numbers()
    return numbers.n, numbers.e


def verify(spki: bytes, how: Scheme, signature: bytes, digest: bytes) -> bool:
    """Whether `signature` is the key's over a message with this hash.

    Args:
        spki: DER of the SubjectPublicKeyInfo.
        how: from `scheme`.
        signature: exact octets; one that is longer or shorter than the key's is refused.
        digest: hash of the signed message by `how.digest`.

    Raises:
        ParseError: the key is not one that we accept (`check_key` says where).
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils  # noqa: PLC0415

    key, kind = _load(spki)
    hash_types: dict[str, hashes.HashAlgorithm] = {
        "sha1": hashes.SHA1(),  # noqa: S303 - signatures of the past, their algorithm is reported
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
    }
    hash_type = hash_types[how.digest]
    hashed = utils.Prehashed(hash_type)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if how.kind != kind:
                return False
            _check_ecdsa(signature)
            key.verify(signature, digest, ec.ECDSA(hashed))
        elif how.kind == "rsa" and len(signature) == (key.key_size + 7) // 8:
            key.verify(signature, digest, padding.PKCS1v15(), hashed)
        elif how.kind == "rsa-pss" and len(signature) == (key.key_size + 7) // 8:
            pss = padding.PSS(padding.MGF1(hash_type), how.salt)
            key.verify(signature, digest, pss, hashed)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, ParseError):
        return False
    return True


def _check_ecdsa(signature: bytes) -> None:
    """ParseError unless Ecdsa-Sig-Value (RFC 3279, 2.2.3) is DER: OpenSSL is laxer."""
    fields = Fields(der.parse(signature), "An ECDSA signature")
    fields.take(der.INTEGER, "r")
    fields.take(der.INTEGER, "s")
    fields.end()


@lru_cache(maxsize=256)
def _load(spki: bytes) -> tuple[RSAPublicKey | EllipticCurvePublicKey, str]:
    fields = Fields(der.parse(spki), "A public key")
    kind = algorithm(fields.any("algorithm"))
    key_bits = fields.any("key")
    octets = bits(key_bits, "A public key")
    fields.end()
    if kind.oid == RSA_ENCRYPTION and kind.parameters and kind.parameters.tag == der.NULL:
        return _load_rsa(octets), "rsa"
    if kind.oid == EC_PUBLIC_KEY and kind.parameters and kind.parameters.tag == der.OID:
        return _load_ec(oid(kind.parameters), octets), "ecdsa"
    raise _unsupported("key", kind)


def _load_rsa(octets: bytes) -> RSAPublicKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers  # noqa: PLC0415

    fields = Fields(der.parse(octets), "An RSA key")
    modulus = integer(fields.take(der.INTEGER, "modulus"))
    exponent = integer(fields.take(der.INTEGER, "exponent"))
    fields.end()
    if modulus <= 0 or modulus.bit_length() not in _RSA_BITS or modulus % 2 == 0:
        raise ParseError(f"An RSA modulus of {modulus.bit_length()} bits is refused", 0)
    # A vendor could choose e = 1, for which every message signs itself.
    if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > 33:
        raise ParseError("An RSA exponent is refused", 0)
    try:
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise ParseError(f"An RSA key is refused ({error})", 0) from error


def _load_ec(curve: str, octets: bytes) -> EllipticCurvePublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    name = _CURVES.get(curve)
    if name is None:
        raise ParseError(f"The curve {curve} is not supported", 0)
    if octets[:1] != b"\x04":
        raise ParseError("An elliptic curve point is not in its uncompressed form", 0)
    curves: dict[str, ec.EllipticCurve] = {
        "secp256r1": ec.SECP256R1(),
        "secp384r1": ec.SECP384R1(),
        "secp521r1": ec.SECP521R1(),
    }
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curves[name], octets)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ParseError(f"An elliptic curve key is refused ({error})", 0) from error
