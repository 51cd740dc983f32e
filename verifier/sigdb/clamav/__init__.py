"""ClamAV's signature databases: what their lines mean to an engine that loads them.

The formats are those of ClamAV 1.4 (its manual, and libclamav's loaders);
containers around the files are `verifier.formats`' business.
"""

from __future__ import annotations

from verifier.sigdb import sniff
from verifier.sigdb.base import Family
from verifier.sigdb.clamav import changes, sample, weaken

FAMILY = Family(
    name="clamav",
    accepts=sniff.clamav,
    records=changes.records,
    effective=changes.effective,
    weakening=weaken.weakening,
    classes=weaken.CLASSES,
    volatile=(
        "comments, and carriage returns at the end of lines",
        "the case of hex digits, and leading zeros of numbers",
        "repeated lines, and the order of lines outside ign, ign2, crb, ftm and cfg",
        "the file of a signature, within formats of one loader (hdb and hsb, fp and sfp …)",
        "comments of certificates (crb)",
        "timestamp, author, compiler and declared line length of bytecode, and its source lines",
        "what stands behind the last newline of a container's member: the loader drops it",
    ),
    together="folder",
    changes=changes.changes,
    engine=sample.ENGINE,
    sample=sample.sample,
)
