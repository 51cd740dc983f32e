"""Make certificates and signatures of every shape, valid and not, with an own DER writer."""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from verifier.signatures import authenticode, cms, keys, spc, timestamp

NOW = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
HASHES = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384}
SHA256 = "2.16.840.1.101.3.4.2.1"
TST_INFO = "1.2.840.113549.1.9.16.1.4"


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = (len(content).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(content).to_bytes(size, "big") + content


def seq(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def set_of(*parts: bytes, tag: int = 0x31) -> bytes:
    return tlv(tag, *sorted(parts))


def integer(value: int, tag: int = 2) -> bytes:
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes) -> bytes:
    return tlv(4, value)


def bit_string(value: bytes) -> bytes:
    return tlv(3, b"\0" + value)


def oid(text: str) -> bytes:
    first, second, *rest = map(int, text.split("."))
    out = bytearray()
    for value in (first * 40 + second, *rest):
        chunk = [value & 0x7F]
        while value := value >> 7:
            chunk.append(0x80 | value & 0x7F)
        out += bytes(reversed(chunk))
    return tlv(6, bytes(out))


NULL = tlv(5)


def algorithm(name: str, *parameters: bytes) -> bytes:
    return seq(oid(name), *parameters)


def attribute(name: str, *values: bytes) -> bytes:
    return seq(oid(name), set_of(*values))


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def identifier(self) -> bytes:
        """IssuerAndSerialNumber."""
        return seq(self.certificate.issuer.public_bytes(), integer(self.certificate.serial_number))


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def identity(
    name: str,
    issuer: Identity | None = None,
    *,
    ca: bool = False,
    usage: str | None = "code",
    elliptic: bool = False,
    years: tuple[int, int] = (-2, 8),
    path_length: int | None = None,
    extra: x509.ExtensionType | None = None,
) -> Identity:
    """A certificate called `name`, signed by `issuer` or by itself."""
    key = ec_key(name) if elliptic else rsa_key(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + dt.timedelta(days=365 * years[0]))
        .not_valid_after(NOW + dt.timedelta(days=365 * years[1]))
        .add_extension(x509.BasicConstraints(ca, path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if usage and not ca:
        usages = {
            "code": ExtendedKeyUsageOID.CODE_SIGNING,
            "time": ExtendedKeyUsageOID.TIME_STAMPING,
            "server": ExtendedKeyUsageOID.SERVER_AUTH,
        }
        builder = builder.add_extension(x509.ExtendedKeyUsage([usages[usage]]), critical=True)
    if extra is not None:
        builder = builder.add_extension(extra, critical=True)
    return Identity(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))


@dataclass(frozen=True)
class Pki:
    root: Identity
    middle: Identity
    code: Identity
    time: Identity


@cache
def pki() -> Pki:
    root = identity("Test root", ca=True)
    middle = identity("Test issuing authority", root, ca=True)
    return Pki(
        root, middle, identity("Test signer", middle), identity("Test clock", middle, usage="time")
    )


def sign(key: object, message: bytes, digest: str = "sha256", how: str = "rsa") -> bytes:
    hashed = HASHES[digest]()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashed))
    assert isinstance(key, rsa.RSAPrivateKey)
    if how == "rsa-pss":
        return key.sign(message, padding.PSS(padding.MGF1(hashed), hashed.digest_size), hashed)
    return key.sign(message, padding.PKCS1v15(), hashed)


def signer_info(
    who: Identity,
    attributes: list[bytes] | None,
    content: bytes,
    *,
    unsigned: tuple[bytes, ...] = (),
    how: bytes | None = None,
    version: int = 1,
    identifier: bytes | None = None,
    digest: bytes | None = None,
    signature_tamper: bytes | None = None,
) -> tuple[bytes, bytes]:
    """A SignerInfo, and its signature octets."""
    message = content if attributes is None else set_of(*attributes)
    signature = signature_tamper or sign(who.key, message)
    if how is None:
        elliptic = isinstance(who.key, ec.EllipticCurvePrivateKey)
        ecdsa = algorithm("1.2.840.10045.4.3.2")
        how = ecdsa if elliptic else algorithm(keys.RSA_ENCRYPTION, NULL)
    return seq(
        integer(version),
        identifier or who.identifier,
        digest or algorithm(SHA256, NULL),
        b"" if attributes is None else set_of(*attributes, tag=0xA0),
        how,
        octets(signature),
        set_of(*unsigned, tag=0xA1) if unsigned else b"",
    ), signature


def content_info(
    content_type: str,
    content: bytes,
    signer: bytes,
    certificates: tuple[bytes, ...] = (),
    *,
    version: int = 1,
    digest: bytes | None = None,
    revoked: bytes = b"",
) -> bytes:
    return seq(
        oid(cms.SIGNED_DATA),
        tlv(
            0xA0,
            seq(
                integer(version),
                tlv(0x31, digest or algorithm(SHA256, NULL)),
                seq(oid(content_type), tlv(0xA0, content) if content else b""),
                tlv(0xA0, *certificates) if certificates else b"",
                revoked,
                tlv(0x31, signer),
            ),
        ),
    )


def indirect_data(image_digest: bytes, link: bytes | None = None, flags: bytes = b"\0") -> bytes:
    link = link or tlv(0xA2, tlv(0x80))
    return seq(
        seq(oid("1.3.6.1.4.1.311.2.1.15"), seq(tlv(3, flags), tlv(0xA0, link))),
        seq(algorithm(SHA256, NULL), octets(image_digest)),
    )


def standard_attributes(content_type: str, hashed: bytes, *more: bytes) -> list[bytes]:
    return [
        attribute(cms.CONTENT_TYPE, oid(content_type)),
        attribute(cms.MESSAGE_DIGEST, octets(hashlib.sha256(hashed).digest())),
        *more,
    ]


def authenticode_signature(
    image_digest: bytes,
    who: Identity | None = None,
    certificates: tuple[Identity, ...] | None = None,
    *,
    unsigned: tuple[object, ...] = (),
    attributes: list[bytes] | tuple[()] | None = None,
    data: bytes | None = None,
    sort: bool = True,
    more: tuple[bytes, ...] = (),
    **options: object,
) -> bytes:
    """A PKCS #7 blob; callables in `unsigned` take the signature and give an attribute."""
    who = who or pki().code
    if certificates is None:
        certificates = (who, pki().middle, pki().root)
    data = data or indirect_data(image_digest)
    content = data[2 + (data[1] & 0x7F if data[1] & 0x80 else 0) :]
    if attributes is None:
        attributes = standard_attributes(spc.INDIRECT_DATA, content)
    attributes = attributes or None  # an empty tuple stands for none at all
    outer = {key: options.pop(key) for key in ("revoked",) if key in options}
    if "outer_version" in options:
        outer["version"] = options.pop("outer_version")
    _, signature = signer_info(who, attributes, content, **options)
    made = tuple(each(signature) if callable(each) else each for each in unsigned)
    if made and not isinstance(who.key, rsa.RSAPrivateKey):
        raise AssertionError("only RSA signs the same way twice")
    signer, _ = signer_info(who, attributes, content, unsigned=made, **options)
    bag = (*(each.der for each in certificates), *more)
    if sort:
        bag = tuple(sorted(bag))
    return content_info(spc.INDIRECT_DATA, data, signer, bag, **outer)


def attribute_certificate(
    about: Identity, *, hashed: bytes | None = None, version: int = 1, kind: int = 1
) -> bytes:
    """What Microsoft's time-stamping service puts into its tokens."""
    how = algorithm("1.2.840.113549.1.1.11", NULL)
    hashed = hashed or hashlib.sha1(about.der).digest()
    digest = tlv(0xA2, integer(kind, 10), algorithm("1.3.14.3.2.26"), bit_string(hashed))
    subject, issuer = (
        tlv(0xA4, name.public_bytes())
        for name in (about.certificate.subject, about.certificate.issuer)
    )
    info = seq(
        integer(version),
        seq(tlv(0xA1, subject), digest),
        tlv(0xA0, seq(issuer)),
        how,
        integer(5),
        seq(tlv(0x18, b"20240501000000Z"), tlv(0x18, b"20240502000000Z")),
        seq(),
    )
    return tlv(0xA1, info, how, bit_string(bytes(256)))


def tst_info(signature: bytes, moment: str = "20240501120000Z") -> bytes:
    imprint = seq(algorithm(SHA256, NULL), octets(hashlib.sha256(signature).digest()))
    return seq(integer(1), oid("1.2.3.4"), imprint, integer(77), tlv(0x18, moment.encode()))


def token(
    signature: bytes,
    who: Identity | None = None,
    certificates: tuple[Identity, ...] | None = None,
    *,
    info: bytes | None = None,
    bound: Identity | None = None,
    binding: tuple[bytes, ...] | None = None,
    content_type: str = TST_INFO,
    others: tuple[bytes, ...] = (),
    version: int = 3,
    **options: object,
) -> bytes:
    """The RFC 3161 attribute."""
    who = who or pki().time
    if certificates is None:
        certificates = (who, pki().middle, pki().root)
    info = info or tst_info(signature)
    if binding is None:
        hashed = octets(hashlib.sha256((bound or who).der).digest())
        binding = (attribute("1.2.840.113549.1.9.16.2.47", seq(seq(seq(hashed)))),)
    attributes = standard_attributes(TST_INFO, info, *binding)
    signer, _ = signer_info(who, attributes, info, **options)
    bag = tuple(each.der for each in certificates)
    bag = tuple(sorted((*bag, *others)))
    blob = content_info(content_type, octets(info), signer, bag, version=version)
    return attribute(timestamp.TOKEN, blob)


def countersignature(
    signature: bytes, who: Identity | None = None, moment: bytes = b"240501120000Z"
) -> bytes:
    """The PKCS #9 attribute."""
    attributes = standard_attributes(
        cms.DATA, signature, attribute(cms.SIGNING_TIME, tlv(0x17, moment))
    )
    signer, _ = signer_info(who or pki().time, attributes, signature)
    return attribute(timestamp.COUNTERSIGNATURE, signer)


def nested(blob: bytes) -> bytes:
    return attribute(authenticode.NESTED_SIGNATURE, blob)


def entry(blob: bytes, *, revision: int = 0x200, kind: int = 2, tail: bytes = b"") -> bytes:
    """A WIN_CERTIFICATE with `tail` counted in dwLength, padded to 8."""
    body = blob + tail
    body += bytes(-len(body) % 8)
    return struct.pack("<IHH", 8 + len(body), revision, kind) + body
