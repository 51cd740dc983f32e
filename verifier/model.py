"""Frozen types that travel between stages. No I/O, no third-party import.

Everything here can be written as JSON and read back (`verifier.wire`), so a
stage can run in another process or on another machine. All offsets and
lengths are bytes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from verifier.account import Cause, Gate, Inputs, Maker  # noqa: TC001 - wire resolves type hints


class Verdict(StrEnum):
    """What is known of a member, best first; the worst member decides."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    DIFFERENT = "different"

    @property
    def positive(self) -> bool:
        """Whether the shipped file is what the source builds, within the policy."""
        return self in {Verdict.IDENTICAL, Verdict.EQUIVALENT}


_ORDER = tuple(Verdict)


def worst(verdicts: list[Verdict]) -> Verdict:
    """The worst of `verdicts`; nothing compared is inconclusive."""
    return max(verdicts, key=_ORDER.index, default=Verdict.INCONCLUSIVE)


class Strength(StrEnum):
    """How a rule knows that a value is right, strongest first."""

    DERIVED = "derived"
    SIGNED = "signed"
    RELATED = "related"
    MAPPED = "mapped"
    BOUNDED = "bounded"
    ASSUMED = "assumed"
    WAIVED = "waived"

    @property
    def rank(self) -> int:
        """0 is strongest."""
        return _RANKS[self]


_RANKS = {strength: rank for rank, strength in enumerate(Strength)}


class Ref(NamedTuple):
    """Bytes of a file on this machine: `length` bytes of `path` from `offset`."""

    path: str
    offset: int
    length: int


class Span(NamedTuple):
    """A named piece of a layout.

    `name` is unique in its layout (`debug[1].TimeDateStamp`); `field` is what
    rules refer to (`debug.TimeDateStamp`). A span with a `member` holds the
    bytes of a contained file: as they are (`codec` "stored") or compressed.
    """

    name: str
    offset: int
    length: int
    field: str
    member: str = ""
    codec: str = ""

    @property
    def end(self) -> int:
        """First offset after the span."""
        return self.offset + self.length


class Run(NamedTuple):
    """Differing bytes: shipped range and rebuilt range, either may be empty."""

    offset: int
    length: int
    rebuilt_offset: int
    rebuilt_length: int


class Range(NamedTuple):
    """Bytes that no check covers, with the reason. Offsets within the patched bytes."""

    offset: int
    length: int
    reason: str = ""


class Patch(NamedTuple):
    """Replace `rebuilt_length` rebuilt bytes by `data`, as `rule` allowed after its check.

    Offsets are within the member named by the enclosing `Member`. `free` lists
    the bytes of `data` that a vendor could have set to another accepted value.
    """

    rule: str
    strength: Strength
    field: str
    offset: int
    length: int
    rebuilt_offset: int
    rebuilt_length: int
    data: bytes
    evidence: str
    free: tuple[Range, ...] = ()
    group: str = ""
    codec: str = ""  # set where the bytes are a compressed stream of a child's payload …
    encoder: str = ""  # … and the encoder that reproduces them, "" where none did

    @property
    def free_bytes(self) -> int:
        """Bytes of this patch that no check pins down."""
        return sum(item.length for item in self.free)


class Difference(NamedTuple):
    """What no rule authorised. `where` starts with the name of the thing.

    `weakening` names the class of a change that lets something through which
    the source would catch; empty for all others. `detail` is for whoever asks for
    more: lines of assembly, rebuilt (-) before shipped (+).
    """

    kind: str
    where: str
    summary: str
    offset: int | None = None
    length: int | None = None
    weakening: str = ""
    detail: str = ""


class Problem(NamedTuple):
    """Why something could not be compared; makes its member inconclusive."""

    kind: str
    where: str
    summary: str


class Signer(NamedTuple):
    """Who signed a member, as the signature itself says."""

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    digest_algorithm: str
    digest: str
    timestamp: str | None
    pinned: bool
    verified: bool
    chain: tuple[str, ...] = ()


class FileFacts(NamedTuple):
    """One file: SHA-256 in hex, size, and the name of its format."""

    sha256: str
    size: int
    format: str


class Artifact(NamedTuple):
    """One outermost file of a run; a side that has no such file is None."""

    path: str
    shipped: FileFacts | None
    rebuilt: FileFacts | None


class Within(NamedTuple):
    """Where the bytes of a member stand in its container: shipped offset and length there."""

    container: str
    offset: int
    length: int
    codec: str = "stored"


class Stretch(NamedTuple):
    """Bytes of a shipped file; a length of 0 is a place where bytes are missing."""

    offset: int
    length: int


class Member(NamedTuple):
    """One compared file, or one file inside a container, with all that was found.

    `unsettled` are the places of its own bytes that differ and of which no rule speaks, however
    the differences explain them: of many, neighbours are joined.
    """

    path: str
    verdict: Verdict
    shipped: FileFacts | None = None
    rebuilt: FileFacts | None = None
    patches: tuple[Patch, ...] = ()
    differences: tuple[Difference, ...] = ()
    problems: tuple[Problem, ...] = ()
    signers: tuple[Signer, ...] = ()
    notes: tuple[str, ...] = ()
    narration: str = ""
    summary: str = ""  # what differs, most telling first, in one plain sentence
    within: Within | None = None
    unsettled: tuple[Stretch, ...] = ()


class Pair(NamedTuple):
    """Two files to compare. `ancestors` are the formats around them, outermost first."""

    path: str
    shipped: Ref
    rebuilt: Ref
    prefix: str = ""  # what names of members inside start with; empty for the outermost file
    ancestors: tuple[str, ...] = ()
    role: str = ""  # a part its container gives it: `md5sums`, `record`, `encoded`


class Alone(NamedTuple):
    """A file that only one side has, outside of all containers."""

    path: str
    file: Ref
    shipped: bool


class Child(NamedTuple):
    """A pair inside a container, and where its bytes stand in it.

    `member` is the finding on it where that is known already: its bytes are the same.
    """

    pair: Pair
    codec: str
    name: str  # as the container spells it
    field: str  # of the span that holds it
    offset: int
    length: int
    rebuilt_offset: int
    rebuilt_length: int
    member: Member | None = None


class Records(NamedTuple):
    """Records of a database that differ in their bytes; what they mean is compared later.

    `family` reads them; the offsets and lengths are those of the span that holds them.
    """

    family: str
    field: str
    offset: int
    length: int
    rebuilt_offset: int
    rebuilt_length: int


class Place(NamedTuple):
    """A span in which two files differ, in both of them; either length may be 0."""

    name: str
    offset: int
    length: int
    rebuilt_offset: int
    rebuilt_length: int


class Images(NamedTuple):
    """Two differing program images, which may be one program laid out in two ways.

    `open` are the places that no rule speaks of. `firm` are differences that no map
    between the images takes away: a rule refused a value, or the file is at fault.
    """

    format: str
    open: tuple[Place, ...]
    firm: tuple[Difference, ...] = ()


class Outcome(NamedTuple):
    """What comparing one pair gave: its own findings, and the pairs inside it.

    `records` are left open: only all databases of a group together tell what is
    detected. `lone` names families of which one side alone has a member. `images`
    are programs whose differences are to be explained, or proven to be none.
    """

    member: Member
    children: tuple[Child, ...] = ()
    records: Records | None = None
    lone: tuple[str, ...] = ()
    images: Images | None = None
    makers: tuple[Maker, ...] = ()


class Waiver(NamedTuple):
    """An auditor's own exception for one field of one member, until a date (ISO)."""

    member: str
    field: str
    reason: str
    expires: str
    author: str = ""
    offset: int | None = None
    length: int | None = None
    state: str = ""  # in a report: `used`, `unused`, `expired`, or `refused` by the policy


class Policy(NamedTuple):
    """What may count as equivalent.

    `accepts` is the weakest accepted strength; `parameters` override those of a
    rule by its id. `tolerates` never changes a verdict: what differs is different;
    it changes the exit status alone, and never for a weakening.
    """

    name: str = "standard"
    accepts: Strength = Strength.BOUNDED
    denied: tuple[str, ...] = ()
    waivers: bool = True
    parameters: dict[str, dict[str, str]] = {}  # noqa: RUF012 - never changed
    tolerates: tuple[str, ...] = ()  # kinds of differences that do not fail a gate
    unaccounted: str = "report"  # inputs of a build; or they make it inconclusive, or different
    reencode: int = 64 << 20  # payloads up to this many bytes are compressed again; 0 is never


class Database(NamedTuple):
    """What the auditor declares of databases whose path matches the glob `path`."""

    path: str
    family: str
    options: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - never changed


class Settings(NamedTuple):
    """What holds for all comparisons of one run; given to every worker when it starts."""

    policy: Policy = Policy()
    certificates: tuple[bytes, ...] = ()
    pins: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    today: str = ""  # ISO date on which waivers are judged
    databases: tuple[Database, ...] = ()
    work: str = ""  # directory for decoded payloads


class Report(NamedTuple):
    """Everything one run found. Renderers see this and nothing else."""

    schema: str
    verdict: Verdict
    summary: str
    policy: Policy
    rules_digest: str
    free_bytes: int
    tool_versions: dict[str, str]
    members: tuple[Member, ...]
    source: dict[str, object] | None = None
    build: dict[str, object] | None = None
    problems: tuple[Problem, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    seconds: float = 0.0
    complete: bool = True
    artifacts: tuple[Artifact, ...] = ()  # what the verdict speaks of, in full
    inputs: Inputs | None = None
    makers: tuple[Maker, ...] = ()
    causes: tuple[Cause, ...] = ()
    gate: Gate | None = None
