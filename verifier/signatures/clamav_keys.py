"""The public keys that ClamAV's loader and updater verify databases with.

Facts, taken from ClamAV 1.4.3: `CLI_NSTR` of libclamav/dsig.c (databases),
`INFO_NSTR` of libclamav/readdb.c (`.info`), `PUBLIC_KEY_MODULUS` of
libclamav_rust/src/cdiff.rs (updates), each with the exponent beside it.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple


class Key(NamedTuple):
    """An RSA public key, and who holds it."""

    name: str
    modulus: int
    exponent: int


_DATABASE: Final = int(
    "a8f34c7b2bae902e1e608cfcec44c024375370c09cd460e1917a98546ddfc53a90c608bb48ba8cb7"
    "eed1ff342085ecdd1491428ca8a895972403a3db2a452dd80173bb07e1e23acbc84fab2e2586930f"
    "62909d56d2e25256c989d399fa722ab25ab628df79bcfce43b86a0e049263171352b75048f2d4778"
    "b69a5e574a6130ad",
    16,
)
_LISTING: Final = int(
    "57d749b7e7d61160421a14aeadb263bbaec4422cabda76e94db3fa98cd63bfe32a54c72b3026f235"
    "6dfa9543f9020219cbdcbdae9e642c4441c23a2523cf4fa6d444722ec227b89e04dad097c38eeef9"
    "3b588baabecc6fc20199fea6ea47a66c736d4fec15b5a8d4411e1ae838e2a0a55b7398f4d48b346a"
    "7d747134c62bfdf95a4bce381fa151a2118b6788ccb3289512a6c8b3a84d640e0fca01d0f4611d7d"
    "d1a47452027ddecfc1572d08370e63c51d9bd4773153ce7ad95c4ffb2f4a1147e35304f827f34a4d"
    "5ef388bab077f7cae0b2fbbbfea09936b656b4c0c7c4e9907c6c6d392e01b047746d2b8694bede7a"
    "5e0861f8d95ef844a29b71e7f8b8f0c9",
    16,
)
_UPDATE: Final = int(
    "751c709765074b2f79f1390581433f72b8e29dc8de678481ed1b56a39215e9d0298619228d8326d2"
    "b3b5db9dfcb832dc1fab5ec269986dad56b1c2fe661c18823918e61f8f4d6efbe6be587f0a0fe4db"
    "6af5c1c5c0592127e48c012698233a67c1073fa0b52198edbe5ae2c1449a3b8acab7f791b282986f"
    "a0861ec925511f713a087c299d39da10173c25aaf328971b4feef396f72f1d7d533bda6505514f1b"
    "ff8c5fad963334ed4ae2a8d35fdb941cb9f8dbf92002781fdfcf3b11bbbc3bec64174f75560f6450"
    "a0835e3c9acc8be4f6c9af3f85c17d9b49b27792d7602b9821c015f87679b65b25ad5c2e041da84e"
    "6ee076ac5274e693a0f874bc7fd10903",
    16,
)

DATABASE: Final = Key("ClamAV's database key (RSA-1024)", _DATABASE, 100001027)
LISTING: Final = Key("ClamAV's .info key (RSA-2048)", _LISTING, 100002049)
UPDATE: Final = Key("ClamAV's update key (RSA-2048)", _UPDATE, 100002053)


def fingerprint(key: Key) -> str:
    """SHA-256 in hex of the key's SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), as openssl shows it."""
    numbers = _der(0x30, _integer(key.modulus) + _integer(key.exponent))
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    return hashlib.sha256(_der(0x30, algorithm + _der(3, b"\0" + numbers))).hexdigest()


def _integer(value: int) -> bytes:
    return _der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _der(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body
