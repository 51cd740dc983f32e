"""What the tests of certificate tables share: one image, and a table of one signature for it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tests.unit.signatures import build
from verifier.signatures import x509
from verifier.signatures.authenticode import verify_certificate_table
from verifier.signatures.trust import Trust

if TYPE_CHECKING:
    from verifier.signatures.model import SignatureReport

IMAGE = b"an image"
DIGEST = hashlib.sha256(IMAGE).digest()


def digest(name: str) -> bytes:
    return hashlib.new(name, IMAGE).digest()


def verify(table: bytes, trust: Trust | None = None) -> SignatureReport:
    return verify_certificate_table(table, digest, trust or Trust())


def trusting(*identities: build.Identity) -> Trust:
    return Trust(tuple(x509.load_certificate(each.der) for each in identities))


def signed(**options) -> bytes:
    return build.entry(build.authenticode_signature(options.pop("image", DIGEST), **options))


def with_token(**options) -> bytes:
    return signed(unsigned=(lambda signature: build.token(signature, **options),))
