"""Certificate tables: real ones, self-made ones, tampered ones, and every byte flipped."""

from __future__ import annotations

import contextlib
import json
import zipfile
from functools import cache

import pytest

from tests import realfiles
from tests.unit.signatures import build
from tests.unit.signatures.build import entry, nested, octets, pki, tlv
from tests.unit.signatures.flips import anchors, declared_offsets, unnoticed_offsets
from tests.unit.signatures.pe import Image, cached, read_image
from tests.unit.signatures.tables import DIGEST, digest, trusting, verify, with_token
from verifier.errors import VerifierError
from verifier.process import run
from verifier.signatures import der, x509
from verifier.signatures.authenticode import verify_certificate_table
from verifier.signatures.errors import SignatureError
from verifier.signatures.trust import Trust
from verifier.wire import to_data

MASKS = (0x01, 0x80, 0xFF)
GRUB = ("grub-efi-amd64-signed", "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
SHIM = ("shim-signed", "usr/lib/shim/shimx64.efi.signed")
FALLBACK = ("shim-helpers-amd64-signed", "usr/lib/shim/fbx64.efi.signed")
DEBIAN = [
    GRUB,
    FALLBACK,
    ("grub-efi-amd64-signed", "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"),
    ("grub-efi-amd64-signed", "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"),
    ("shim-helpers-amd64-signed", "usr/lib/shim/mmx64.efi.signed"),
    ("fwupd-amd64-signed", "usr/libexec/fwupd/efi/fwupdx64.efi.signed"),
]


@cache
def real(package: str, path: str) -> bytes:
    return (realfiles.extracted(package) / path).read_bytes()


@cache
def debian_authority() -> x509.Certificate:
    """The Debian Secure Boot CA, which shim carries to verify GRUB and the kernel."""
    data = real(*SHIM)
    offset = -1
    while (offset := data.find(b"\x30\x82", offset + 1)) >= 0:
        try:
            blob = data[offset : der.element_end(data, offset, len(data))]
            certificate = x509.load_certificate(blob)
        except VerifierError:
            continue
        if certificate.subject_text == "CN=Debian Secure Boot CA":
            return certificate
    raise AssertionError("shim carries no Debian certificate")


@cache
def microsoft_dll() -> bytes:
    """A Microsoft-signed DLL with an RFC 3161 timestamp, from a wheel on PyPI."""
    archive = zipfile.ZipFile(realfiles.wheel("debugpy", "1.8.11", "win_amd64"))
    (name,) = (each for each in archive.namelist() if each.endswith("/attach_amd64.dll"))
    return archive.read(name)


def check(image: Image, trust: Trust):
    return verify_certificate_table(image.table, cached(image.digest), trust)


# --- real files -------------------------------------------------------------------------------


@pytest.mark.parametrize("file", DEBIAN, ids=lambda file: file[1].rsplit("/", 1)[-1])
def test_debian_files(file):
    report = check(read_image(real(*file)), Trust((debian_authority(),)))
    (signer,) = report.signers
    assert signer.subject.startswith("CN=Debian Secure Boot Signer 2022")
    assert signer.issuer == "CN=Debian Secure Boot CA"
    assert [link.subject for link in signer.chain] == [signer.subject, signer.issuer]
    assert report.verified
    assert report.pinned
    assert signer.timestamp is None
    assert declared_offsets(report) <= {0}  # sbsign leaves the padding out of dwLength, or has none


def test_shim_has_two_signatures_with_timestamps():
    image = read_image(real(*SHIM))
    report = check(image, Trust())
    assert [each.subject.split(",")[0] for each in report.signers] == [
        "CN=Microsoft Windows UEFI Driver Publisher",
        "CN=Microsoft UEFI CA 2023 signer",
    ]
    for signer in report.signers:
        assert signer.verified
        assert not signer.nested
        assert signer.timestamp
        assert signer.timestamp_signer.startswith("CN=Microsoft Time-Stamp Service")
        assert signer.digest == image.digest("sha256").hex()
    assert not report.pinned
    pins = [each.chain[-1].fingerprint for each in report.signers]
    assert check(image, Trust.from_files(pins=pins)).pinned
    json.dumps(to_data(report))


def test_microsoft_dll():
    report = check(read_image(microsoft_dll()), Trust())
    (signer,) = report.signers
    assert signer.subject.startswith("CN=Microsoft 3rd Party Application Component")
    assert signer.timestamp.startswith("2024-12-13T")


def test_a_signature_for_another_image_is_refused():
    image = read_image(real(*GRUB))
    with pytest.raises(SignatureError, match="not that of the image") as caught:
        verify_certificate_table(image.table, digest, Trust())
    assert caught.value.kind_hint == "digest"


@pytest.mark.parametrize("file", [GRUB, FALLBACK], ids=["grub", "fallback"])
def test_flips_of_a_real_table_are_noticed_or_declared(file):
    found, report = unnoticed_offsets(real(*file), Trust(), MASKS)
    declared = declared_offsets(report)
    assert found <= declared
    assert len(found) > 0.7 * len(declared)


def test_with_the_authority_trusted_every_flip_is_noticed():
    trust = Trust((debian_authority(),))
    assert unnoticed_offsets(real(*GRUB), trust, MASKS)[0] == set()


def test_with_the_signer_pinned_every_flip_is_noticed():
    image = read_image(real(*GRUB))
    pin = check(image, Trust()).signers[0].fingerprint
    found, report = unnoticed_offsets(real(*GRUB), Trust(pins=frozenset([pin])), (0x01,))
    assert found == set()
    assert report.unchecked == ()
    assert report.pinned


def test_sampled_flips_of_microsoft_tables():
    for data in (real(*SHIM), microsoft_dll()):
        size = len(read_image(data).table)
        found, report = unnoticed_offsets(data, Trust(), (0x01,), range(7, size, 41))
        assert found <= declared_offsets(report)


@pytest.mark.exhaustive
def test_all_flips_of_microsoft_tables():
    for data, masks in ((real(*SHIM), (0x01,)), (microsoft_dll(), MASKS)):
        found, report = unnoticed_offsets(data, Trust(), masks)
        declared = declared_offsets(report)
        assert found <= declared
        assert len(found) > 0.7 * len(declared)


@pytest.mark.exhaustive
def test_many_values_of_all_bytes_of_a_real_table():
    found, report = unnoticed_offsets(real(*FALLBACK), Trust(), range(2, 256, 5))
    assert found <= declared_offsets(report)
    assert 0 in found  # dwLength may or may not count the padding


# --- other signers ----------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["sbsign", "osslsigncode"])
def test_other_signers(tmp_path, program):
    unsigned = read_image(real(*GRUB))
    blank = bytearray(unsigned.data[: unsigned.table_offset])
    blank[unsigned.directory : unsigned.directory + 8] = bytes(8)
    blank[unsigned.checksum : unsigned.checksum + 4] = bytes(4)
    (tmp_path / "in.efi").write_bytes(blank)
    who = build.identity("Self-made")
    (tmp_path / "key.pem").write_bytes(who.key_pem)
    (tmp_path / "cert.pem").write_bytes(who.pem)
    commands = {
        "sbsign": ["--key", "key.pem", "--cert", "cert.pem", "--output", "out.efi", "in.efi"],
        "osslsigncode": (
            *("sign", "-h", "sha256", "-key", "key.pem", "-certs", "cert.pem"),
            *("-n", "name", "-in", "in.efi", "-out", "out.efi"),
        ),
    }
    done = run([program, *commands[program]], directory=tmp_path)
    assert done.status == 0, done.stderr
    image = read_image((tmp_path / "out.efi").read_bytes())
    report = check(image, Trust.from_files([tmp_path / "cert.pem"]))
    assert report.signers[0].subject == "CN=Self-made"
    assert report.pinned
    assert declared_offsets(report) <= {0}
    found, report = unnoticed_offsets(image.data, Trust(), (0x01,), range(0, len(image.table), 7))
    assert found <= declared_offsets(report)


# --- self-made signatures ---------------------------------------------------------------------


def test_full_chain():
    report = verify(entry(build.authenticode_signature(DIGEST)), trusting(pki().root))
    (signer,) = report.signers
    assert [link.subject for link in signer.chain] == [
        "CN=Test signer",
        "CN=Test issuing authority",
        "CN=Test root",
    ]
    assert signer.pinned
    assert {each.reason for each in report.unchecked} <= {
        "dwLength may or may not count the zero padding"
    }


def test_timestamps():
    blob = build.authenticode_signature(DIGEST, unsigned=(build.token,))
    (signer,) = verify(entry(blob)).signers
    assert signer.timestamp == "2024-05-01T12:00:00+00:00"
    assert signer.timestamp_signer == "CN=Test clock"
    bag = (pki().code, pki().time, pki().middle, pki().root)
    blob = build.authenticode_signature(DIGEST, None, bag, unsigned=(build.countersignature,))
    (signer,) = verify(entry(blob)).signers
    assert signer.timestamp == "2024-05-01T12:00:00+00:00"


def test_attribute_certificates_are_unchecked_beyond_what_they_describe():
    made = build.attribute_certificate(pki().time)
    report = verify(with_token(others=(made,)), trusting(pki().root))
    reasons = [each.reason for each in report.unchecked if "attribute certificate" in each.reason]
    assert [reason.split()[0] for reason in reasons] == ["serial", "validity", "signature"]


def test_nested_and_second_signatures():
    inner = build.authenticode_signature(DIGEST, unsigned=(build.token,))
    blob = build.authenticode_signature(
        DIGEST, unsigned=(nested(build.authenticode_signature(DIGEST)), build.token)
    )
    report = verify(entry(blob) + entry(inner), trusting(pki().root))
    assert [each.nested for each in report.signers] == [False, True, False]
    assert all(each.length == 1 for each in report.unchecked)
    assert sum("two accepted names" in each.reason for each in report.unchecked) == 2


@pytest.mark.exhaustive
def test_flips_of_nested_and_timestamped_signatures():
    inner = build.authenticode_signature(DIGEST, unsigned=(build.token,))
    bag = (pki().code, pki().time, pki().middle, pki().root)
    blob = build.authenticode_signature(
        DIGEST, None, bag, unsigned=(nested(inner), build.countersignature)
    )
    table = bytearray(entry(blob))
    declared = declared_offsets(verify(bytes(table)))
    report = verify(bytes(table), trusting(pki().root))
    assert anchors(report) == 4
    anchored = declared_offsets(report)
    assert len(anchored) < 8
    for offset in range(len(table)):
        for mask in (0x01,):
            table[offset] ^= mask
            with contextlib.suppress(VerifierError):
                verify(bytes(table))
                assert offset in declared
            with contextlib.suppress(VerifierError):
                if anchors(verify(bytes(table), trusting(pki().root))) == 4:
                    assert offset in anchored
            table[offset] ^= mask


def test_elliptic_curve_and_self_signed_signers():
    who = build.identity("Curve", elliptic=True)
    report = verify(entry(build.authenticode_signature(DIGEST, who, (who,))))
    assert report.verified
    assert not report.pinned
    assert verify(
        entry(build.authenticode_signature(DIGEST, who, (who,))),
        Trust.from_files(pins=[who.fingerprint.upper()]),
    ).pinned


def test_a_missing_issuer_is_reported_as_unchecked_bytes_and_found_in_trust():
    blob = build.authenticode_signature(DIGEST, None, (pki().code, pki().middle))
    report = verify(entry(blob))
    reasons = " ".join(each.reason for each in report.unchecked)
    assert "another order" not in reasons
    assert "signature of the topmost certificate" in reasons
    assert "subject of the topmost" not in reasons
    anchored = verify(entry(blob), trusting(pki().root))
    assert len(anchored.signers[0].chain) == 3
    assert declared_offsets(anchored) <= {0}


def test_unsorted_certificates_are_accepted_and_said():
    certificates = sorted((pki().code, pki().middle), key=lambda each: each.der, reverse=True)
    blob = build.authenticode_signature(DIGEST, None, tuple(certificates), sort=False)
    report = verify(entry(blob), trusting(pki().root))
    assert "another order" in " ".join(each.reason for each in report.unchecked)


def test_page_hash_moniker_and_obsolete_name():
    class_id = octets(bytes.fromhex("a6b586d5b4a12466ae05a217da8e60d6"))
    for link in (
        tlv(0xA1, class_id, octets(b"anything")),
        tlv(0xA2, tlv(0x80, "<<<Obsolete>>>".encode("utf-16-be"))),
    ):
        data = build.indirect_data(DIGEST, link)
        assert verify(entry(build.authenticode_signature(DIGEST, data=data))).verified
