"""Every cap in one place. Sizes are bytes, times are seconds."""

from __future__ import annotations

from typing import Final

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30

# --- one worker process -------------------------------------------------------------------------
WORKER_MEMORY: Final = 1 * GIB  # private memory; mapped files do not count
IMAGES_MEMORY: Final = 4 * GIB  # the same, for two large programs mapped onto each other
IMAGES_LARGE: Final = 16 * MIB  # bytes of an image that count as large
WORKER_SECONDS: Final = 20.0  # for one task, plus the next line for its size
WORKER_BYTES_PER_SECOND: Final = 2 * MIB  # slowest work is xz at level 9
IMAGE_BYTES_PER_SECOND: Final = 1 * MIB  # two programs mapped onto each other
WORKER_FILE_SIZE: Final = 16 * GIB  # the largest payload written to the work directory

# --- containers ---------------------------------------------------------------------------------
DEPTH: Final = 12  # containers inside containers
MEMBERS: Final = 500_000  # entries of one container
MEMBERS_TOTAL: Final = 2_000_000  # entries of one run
NAME_BYTES: Final = 4 * KIB  # one member name
PAYLOAD_TOTAL: Final = 32 * GIB  # decompressed bytes of one run
RATIO: Final = 1_000  # decompressed / compressed …
RATIO_FREE: Final = 64 * MIB  # … above this many decompressed bytes
XZ_MEMORY: Final = 256 * MIB  # decoder dictionary
ZSTD_WINDOW: Final = 128 * MIB  # decoder window

# --- parsers ------------------------------------------------------------------------------------
SPANS: Final = 2_000_000  # of one layout
SECTIONS: Final = 100_000  # of one image
DER_DEPTH: Final = 64
DER_NODES: Final = 200_000
SIGNATURE_BYTES: Final = 16 * MIB
SIGNATURE_NESTING: Final = 8

# --- what a report holds ------------------------------------------------------------------------
DIFFERENCES_PER_MEMBER: Final = 1_000  # the rest is counted, and said
PLACES_DESCRIBED: Final = 10_000  # differing runs of one member that are named; the rest is counted
UNSETTLED: Final = 1_000  # places of one member that differ and are not settled; then joined
TEXT: Final = 2_000  # characters of one text from a file
PAGE_DETAIL: Final = 60_000  # characters of one listing of several lines on a page
SAVED_BYTES: Final = 512 * MIB  # a saved report that is shown or compared again
SAVED_DEPTH: Final = 32  # of what it tells of source and build

# --- programs we call -----------------------------------------------------------------------------
TOOL_SECONDS: Final = 120.0
TOOL_MEMORY: Final = 4 * GIB
TOOL_OUTPUT: Final = 64 * MIB

# --- one build; a specification may set each ------------------------------------------------------
BUILD_SECONDS: Final = 3_600.0  # for each step
BUILD_MEMORY: Final = 8 * GIB  # all processes of a step together
BUILD_PROCESSES: Final = 2_048  # threads count
BUILD_DISK: Final = 16 * GIB  # build tree and home together
BUILD_OUTPUT: Final = 256 * MIB  # of log
RECORD_BYTES: Final = 1 * GIB  # of strace's logs of one step
BUILD_LOG_TAIL: Final = 4 * KIB  # of log that an error carries

# --- what is fetched ------------------------------------------------------------------------------
FETCH_SECONDS: Final = 1_800.0  # one download, clone or root
SOURCE_BYTES: Final = 8 * GIB  # one source archive, and its content

# --- signed evidence ------------------------------------------------------------------------------
ATTESTATION_BYTES: Final = 64 * MIB  # one envelope; a release of 100,000 files needs half of it
REPORT_BYTES: Final = 2 * GIB  # one JSON report or proof
SIGNATURES: Final = 64  # of one envelope or note
ATTESTATIONS: Final = 10_000  # of one quorum
NOTE_BYTES: Final = 1 * MIB  # one checkpoint or Merkle proof
JOURNAL_ENTRY_BYTES: Final = 64 * MIB
