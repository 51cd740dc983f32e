"""Certificate chains: from a signer up to what the auditor trusts, or to where the bag ends.

A chain that ends at nothing trusted still has its links checked. Its topmost
certificate is then partly unauthenticated; `Chain.unchecked` lists those bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from verifier.signatures import x509
from verifier.signatures.errors import SignatureError
from verifier.signatures.model import ChainLink, UncheckedRange, unchecked

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from verifier.signatures.der import Node
    from verifier.signatures.errors import Kind
    from verifier.signatures.trust import Trust
    from verifier.signatures.x509 import Certificate

LENGTH_MAX: Final = 16
# Microsoft's own usages, seen on Windows and Secure Boot signers (kernel, UEFI, system component).
_MICROSOFT_USAGES: Final = (
    "1.3.6.1.4.1.311.10.3.5",
    "1.3.6.1.4.1.311.10.3.6",
    "1.3.6.1.4.1.311.10.3.39",
    "1.3.6.1.4.1.311.61.1.1",
    "1.3.6.1.4.1.311.80.2.1",
)
CODE: Final = (x509.CODE_SIGNING, *_MICROSOFT_USAGES)
TIME: Final = (x509.TIME_STAMPING,)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Chain:
    """A chain whose links all verify.

    Args:
        certificates: signer first.
        pinned: one of them is what the auditor named.
        unchecked: bytes of the topmost certificate that nothing authenticates.
    """

    certificates: tuple[Certificate, ...]
    pinned: bool
    unchecked: tuple[UncheckedRange, ...]

    @property
    def links(self) -> tuple[ChainLink, ...]:
        """Subjects and fingerprints, for a report."""
        return tuple(ChainLink(each.subject_text, each.fingerprint) for each in self.certificates)

    def check_validity(self, moment: datetime, kind: Kind) -> None:
        """SignatureError unless every certificate was valid at `moment`."""
        for certificate in self.certificates:
            if not certificate.not_before <= moment <= certificate.not_after:
                message = f"{certificate.subject_text} was not valid on {moment:%Y-%m-%d}"
                raise SignatureError(message, self.certificates[0].offset, kind)


def build_chain(
    leaf: Certificate,
    pool: tuple[Certificate, ...],
    trust: Trust,
    usages: tuple[str, ...],
    *,
    leaf_bound: bool = False,
) -> Chain:
    """Follow issuers from `leaf` through `pool`, then through the trusted certificates.

    Args:
        leaf: the signing certificate.
        pool: certificates that came with the signature.
        trust: what the auditor named.
        usages: extended key usages of which the leaf needs one, if it names any.
        leaf_bound: the signature itself covers a hash of the leaf.

    Raises:
        SignatureError: a link does not verify, an issuer may not issue, or the usage is wrong.
    """
    _check_leaf(leaf, usages)
    certificates = [leaf]
    top = leaf
    while not top.self_issued:
        issuer = _issuer(top, pool, _same_name) or _issuer(top, trust.certificates, _same_text)
        if issuer is None:
            break
        if issuer in certificates or len(certificates) == LENGTH_MAX:
            raise SignatureError("A certificate chain loops", top.offset, "chain")
        _check_issuer(issuer, certificates, usages)
        certificates.append(issuer)
        top = issuer
    if top.self_issued and not x509.verify_signed_by(top, top):
        message = f"The self-issued certificate {top.subject_text} did not sign itself"
        raise SignatureError(message, top.offset, "chain")
    pinned = any(trust.is_pinned(each) for each in certificates)
    # A self-signature authenticates nothing: with another name in it, the chain would end there
    # all the same, and the signature would not be looked at.
    authenticated = trust.is_pinned(top) or (top is leaf and leaf_bound)
    return Chain(
        tuple(certificates), pinned, () if authenticated else _unchecked(top, is_leaf=top is leaf)
    )


def _same_name(issuer: Certificate, certificate: Certificate) -> bool:
    """By DER: the subject of a certificate that came along is not signed, so it has no leeway."""
    return issuer.subject.raw == certificate.issuer.raw


def _same_text(issuer: Certificate, certificate: Certificate) -> bool:
    """By text: Debian's signers write their authority's name in another string type than it."""
    return issuer.subject_text == certificate.issuer_text


def _issuer(
    certificate: Certificate,
    pool: tuple[Certificate, ...],
    same: Callable[[Certificate, Certificate], bool],
) -> Certificate | None:
    """The certificate of `pool` that signed this one; SignatureError if one only claims to."""
    named = [each for each in pool if same(each, certificate)]
    wanted = certificate.extensions.authority_key
    for each in named:
        key = each.extensions.subject_key
        matches = wanted is None or key is None or wanted == key
        if matches and x509.verify_signed_by(certificate, each):
            return each
    if named:
        message = f"{certificate.subject_text} was not signed by {named[0].subject_text}"
        raise SignatureError(message, certificate.signature_node.offset, "chain")
    return None


def _check_leaf(leaf: Certificate, usages: tuple[str, ...]) -> None:
    extensions = leaf.extensions
    _check_critical(leaf, leaf.offset)
    key_usage = extensions.key_usage
    if key_usage is not None and not key_usage & {x509.DIGITAL_SIGNATURE, x509.CONTENT_COMMITMENT}:
        message = f"The key usage of {leaf.subject_text} does not allow signatures"
        raise SignatureError(message, leaf.offset, "chain")
    extended = extensions.extended_usage
    # RFC 3161, 2.3: a time-stamping authority has that one usage and no other.
    wrong = (
        extended != TIME if usages == TIME else extended is not None and not _allows(leaf, usages)
    )
    if wrong:
        message = f"The extended key usage of {leaf.subject_text} is not {usages[0]}"
        raise SignatureError(message, leaf.offset, "chain")


def _check_issuer(issuer: Certificate, below: list[Certificate], usages: tuple[str, ...]) -> None:
    extensions = issuer.extensions
    # The issuer may be a trusted certificate, which is not in the blob: point below it.
    offset = below[-1].offset
    _check_critical(issuer, offset)
    key_usage = extensions.key_usage
    if not extensions.is_ca or (key_usage is not None and x509.CERTIFICATE_SIGN not in key_usage):
        message = f"{issuer.subject_text} is not a certificate authority"
        raise SignatureError(message, offset, "chain")
    # RFC 5280, 4.2.1.9: counts intermediates, neither the leaf nor self-issued certificates.
    between = sum(not each.self_issued for each in below[1:])
    if extensions.path_length is not None and between > extensions.path_length:
        message = f"The chain below {issuer.subject_text} is longer than it allows"
        raise SignatureError(message, offset, "chain")
    if extensions.extended_usage is not None and not _allows(issuer, usages):
        message = f"{issuer.subject_text} may not issue for {usages[0]}"
        raise SignatureError(message, offset, "chain")


def _check_critical(certificate: Certificate, offset: int) -> None:
    unknown = certificate.extensions.unknown_critical
    if unknown:
        message = f"{certificate.subject_text} has the unknown critical extension {unknown[0]}"
        raise SignatureError(message, offset, "chain")


def _allows(certificate: Certificate, usages: tuple[str, ...]) -> bool:
    return not {x509.ANY_USAGE, *usages}.isdisjoint(certificate.extensions.extended_usage or ())


def _unchecked(top: Certificate, *, is_leaf: bool) -> tuple[UncheckedRange, ...]:
    """What nobody signed in a topmost certificate.

    Its key is fixed by the signature below it. Its subject is fixed by the certificate that it
    issued. Structure, lengths and types are fixed by the strict reader.
    """
    fields: list[tuple[str, Node, int]] = [
        ("serial number", top.serial_node, 0),
        ("signature algorithm", top.tbs_algorithm.node.children[0], 0),
        ("issuer", top.issuer, 0),
        ("validity", top.validity, 0),
        ("signature", top.signature_node, 1),
    ]
    if is_leaf:
        fields.append(("subject", top.subject, 0))
    if top.extensions_node is not None:
        fields.append(("extensions", top.extensions_node, 0))
    return unchecked(fields, "the topmost certificate, which is not trusted")
