"""Every check by the name that rule files use.

A new check is one function in a file of this folder and one line here; the
table stays lazy because most runs need few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from verifier.checks.base import Check

CHECKS: dict[str, str] = {
    "ar-index": "archive:index",
    "ar-mode": "archive:mode",
    "ar-mtime": "archive:mtime",
    "ar-owner": "archive:owner",
    "ar-pad": "archive:pad",
    "ar-size": "archive:size",
    "cdiff-dsig": "clamav_signature:update",
    "cdiff-length": "clamav:script_length",
    "clamav-as-listed": "clamav:as_listed",
    "clamav-builder": "clamav:builder",
    "clamav-count": "clamav:count",
    "clamav-dsig": "clamav_signature:database",
    "clamav-info-dsig": "clamav_signature:listing",
    "clamav-md5": "clamav:md5",
    "clamav-padding": "clamav:padding",
    "clamav-row-digest": "digests:listed_digest",
    "clamav-row-size": "digests:record_size",
    "clamav-stime": "clamav:stime",
    "clamav-tar-chksum": "clamav:tar_chksum",
    "clamav-tar-size": "clamav:tar_size",
    "clamav-time": "clamav:time",
    "clamsign": "clamsign:signature",
    "database-records": "database:records",
    "elf-build-id": "elf:build_id",
    "elf-build-id-hash": "elf:build_id_hash",
    "elf-debugaltlink": "elf:debugaltlink",
    "elf-debuglink-crc": "elf:debuglink_crc",
    "elf-debuglink-crc-unverified": "elf:debuglink_crc_unverified",
    "elf-debuglink-name": "elf:debuglink_name",
    "elf-dynamic-strings": "elf_tables:dynamic_strings",
    "elf-local-symbols": "elf_tables:local_symbols",
    "elf-go-build-id": "elf:go_build_id",
    "gzip-crc": "gzip:crc",
    "gzip-header-crc": "gzip:header_crc",
    "gzip-mtime": "gzip:mtime",
    "gzip-name": "gzip:name",
    "gzip-os": "gzip:system",
    "gzip-size": "gzip:size",
    "gzip-xfl": "gzip:xfl",
    "image-map": "image:image_map",
    "image-map-assumed": "image:image_map_assumed",
    "md5sums-digest": "digests:md5sums_digest",
    "module-signature": "module_signature:module_signature",
    "module-signature-unverified": "module_signature:module_signature_unverified",
    "module-trailer": "module_signature:module_trailer",
    "pe-age": "pe:age",
    "pe-authenticode": "authenticode:authenticode",
    "pe-certificate-padding": "pe:padding",
    "pe-checksum": "pe:checksum",
    "pe-clock": "pe:clock",
    "pe-delay-clock": "pe:delay_clock",
    "pe-identifier": "pe:guid",
    "pe-identifier-in-hash": "pe:guid_in_hash",
    "pe-own-clock": "pe:own_clock",
    "pe-pdb-path": "pe:pdb_path",
    "pe-reproducible-hash": "pe:reproducible_hash",
    "pe-reproducible-stamp": "pe:reproducible_stamp",
    "pe-security-directory": "pe:security_directory",
    "pe-stamp-as-coff": "pe:stamp_as_coff",
    "record-digest": "digests:record_digest",
    "record-size": "digests:record_size",
    "stream-payload": "streams:stream_payload",
    "stream-reencoded": "streams:stream_reencoded",
    "tar-chksum": "tar:chksum",
    "tar-end": "tar:end",
    "tar-mtime": "tar:mtime",
    "tar-owner": "tar:owner",
    "tar-owner-name": "tar:owner_name",
    "tar-padding": "tar:padding",
    "tar-pax-time": "tar:pax_time",
    "tar-size": "tar:size",
    "timestamp-window": "numbers:timestamp_window",
    "zip-compressed-size": "zip:compressed_size",
    "zip-crc": "zip:crc",
    "zip-end-offset": "zip:end_offset",
    "zip-extra-time": "zip:extra_time",
    "zip-offset": "zip:offset",
    "zip-size": "zip:size",
    "zip-time": "zip:time",
}


def find(name: str) -> Check:
    """The check called `name`; KeyError if there is none."""
    module, function = CHECKS[name].split(":")
    return cast("Check", getattr(import_module(f"verifier.checks.{module}"), function))
