"""A quorum counts independent auditors, and nothing that was forged, replayed or doubled."""

import copy
import datetime as dt
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.unit.attest import material
from tests.unit.attest.cli import verifier
from verifier.attest import auditors, dsse, entries, evidence, journal, make, note, quorum, strict
from verifier.errors import UsageError
from verifier.model import Policy, Strength, Verdict

SOURCE = "sha256:" + "5" * 64
NAMES = ("alice", "bob", "carol")
DAY = dt.timedelta(days=1)


class Board:
    """Three auditors with keys of their own, and what they sign."""

    def __init__(self, folder: Path, good: material.Run, bad: material.Run) -> None:
        self.folder, self.good, self.bad = folder, good, bad
        self.keys = folder / "keys"
        self.keys.mkdir()
        for number, name in enumerate(NAMES):
            (self.keys / f"{name}.pem").write_bytes(material.public_pem(number=number))

    def says(self, name: str, found: material.Run | None = None, **changes: Any) -> bytes:
        """One attestation; of the equivalent run unless told otherwise."""
        changes.setdefault("source", SOURCE)
        changes.setdefault("auditor", make.Auditor(name))
        number = NAMES.index(name) if name in NAMES else 9
        return material.attested(found or self.good, self.folder, number=number, **changes)

    def lies(self, name: str, **changes: Any) -> bytes:
        """A negative statement of the very files that the others find equivalent."""
        said = make.statement(material.basis(self.good, source=SOURCE, **changes))
        said["predicate"] |= {"verdict": "different", "proof": None}
        said["predicate"]["artifacts"][0]["relation"] = "unproven"
        said["predicate"]["differences"] = {
            "count": "1", "weakenings": "0", "kinds": {"bytes": "1"},
        }  # fmt: skip
        return material.signed(strict.canonical(said), self.folder, number=NAMES.index(name))

    def hold(self, *given: bytes, threshold: int = 2, **changes: Any) -> quorum.Outcome:
        digests = changes.pop("digests", frozenset())
        demands = evidence.Demands(**{"now": material.NOW, **changes})
        named = [(f"{number}.json", data) for number, data in enumerate(given)]
        return quorum.hold(named, auditors.load(self.keys), threshold, demands, digests)


@pytest.fixture
def board(tmp_path: Path, good: material.Run, bad: material.Run) -> Board:
    return Board(tmp_path, good, bad)


def _standings(found: quorum.Outcome) -> list[str]:
    return [vote.standing.value for vote in found.votes]


def _digest(data: bytes) -> str:
    return make.sha256(dsse.parse(data, "it").payload)


def test_two_of_three_agree(board: Board) -> None:
    found = board.hold(board.says("alice"), board.says("carol"))
    assert (found.verdict, found.summary) == (
        Verdict.EQUIVALENT,
        "Agreed: 2 of 2 needed attest it (alice, carol).",
    )
    assert board.hold(*map(board.says, NAMES), threshold=3).verdict is Verdict.EQUIVALENT


def test_too_few_is_not_attested(board: Board) -> None:
    for given in ([], [board.says("alice")]):
        found = board.hold(*given)
        assert found.verdict is Verdict.INCONCLUSIVE
        assert found.summary.startswith("Not attested")


def test_one_who_says_no_is_a_mismatch_in_any_order(board: Board) -> None:
    given = [board.says("alice"), board.says("bob"), board.lies("carol")]
    for order in (given, given[::-1]):
        found = board.hold(*order)
        assert found.verdict is Verdict.DIFFERENT
        assert "carol attests that it differs" in found.summary


def test_an_old_no_still_counts_and_an_old_yes_does_not(board: Board) -> None:
    """Deleting or outwaiting a negative statement must not help."""
    later = {"now": material.NOW + 30 * DAY, "max_age": DAY}
    fresh = [board.says(name, issued=later["now"]) for name in ("alice", "bob")]
    assert board.hold(*fresh, **later).verdict is Verdict.EQUIVALENT
    assert board.hold(*fresh, board.lies("carol"), **later).verdict is Verdict.DIFFERENT
    found = board.hold(fresh[0], board.says("bob"), **later)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert _standings(found) == ["counted", "stale"]
    assert _standings(board.hold(board.says("bob", issued=material.NOW + DAY))) == ["stale"]


def test_order_changes_nothing_and_no_statement_of_no_ever_helps(board: Board) -> None:
    wrong = board.lies("carol")
    given = {
        "alice": board.says("alice"),
        "bob": board.says("bob"),
        "again": board.says("bob", issued=material.NOW - DAY),
        "no": wrong,
        "sorry": board.says("carol", supersedes=(_digest(wrong),)),
        "early": board.says("carol", supersedes=(_digest(wrong),), issued=material.NOW - DAY),
        "other": board.says("carol", board.bad),
        "mallory": board.says("mallory"),
    }
    rank = [Verdict.EQUIVALENT, Verdict.INCONCLUSIVE, Verdict.DIFFERENT]
    for count in (2, 3, 4):
        for names in combinations(given, count):
            chosen = [given[name] for name in names]
            found = board.hold(*chosen)
            for order in (chosen[::-1], chosen[1:] + chosen[:1]):
                assert board.hold(*order)[:2] == found[:2]
            if "no" in names and "sorry" not in names:
                without = [given[name] for name in names if name != "no"]
                assert rank.index(board.hold(*without).verdict) <= rank.index(found.verdict)
                assert found.verdict is Verdict.DIFFERENT


def test_an_auditor_may_correct_an_own_no(board: Board) -> None:
    wrong = board.lies("carol")
    right = board.says("carol", supersedes=(_digest(wrong),), issued=material.NOW)
    found = board.hold(board.says("alice"), wrong, right)
    assert found.verdict is Verdict.EQUIVALENT
    assert _standings(found) == ["counted", "superseded", "counted"]


def test_nobody_corrects_anothers_no(board: Board) -> None:
    wrong = board.lies("carol")
    for name in ("alice", "bob"):
        right = board.says(name, supersedes=(_digest(wrong),))
        assert board.hold(board.says("alice"), right, wrong).verdict is Verdict.DIFFERENT


def test_signing_anothers_no_and_taking_it_back_hides_nothing(board: Board) -> None:
    wrong = board.lies("carol")
    stolen = material.signed(dsse.parse(wrong, "it").payload, board.folder, number=1)
    back = board.says("bob", supersedes=(_digest(wrong),))
    for given in ([stolen, back, wrong], [wrong, stolen, back]):
        assert board.hold(board.says("alice"), *given).verdict is Verdict.DIFFERENT


def test_a_correction_must_be_later_and_of_the_same_files(board: Board) -> None:
    wrong = board.lies("carol")
    digest = (_digest(wrong),)
    early = board.says("carol", supersedes=digest, issued=material.NOW - DAY)
    other = board.says("carol", board.bad, supersedes=digest)
    for right in (early, other):
        assert board.hold(wrong, right, board.says("alice")).verdict is Verdict.DIFFERENT


def test_one_auditor_counts_once(board: Board) -> None:
    first, second = board.says("alice"), board.says("alice", issued=material.NOW - DAY)
    found = board.hold(first, second, first)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert _standings(found) == ["counted", "repeated", "repeated"]


def test_one_auditor_with_two_keys_counts_once(board: Board) -> None:
    (board.keys / "alice.pem").unlink()
    (board.keys / "alice").mkdir()
    for number in (0, 3):
        (board.keys / "alice" / f"{number}.pem").write_bytes(material.public_pem(number=number))
    said = strict.canonical(make.statement(material.basis(board.good, source=SOURCE)))
    twice = [material.signed(said, board.folder, number=number) for number in (0, 3)]
    other = board.says("alice", issued=material.NOW - DAY)
    found = board.hold(*twice, other)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert _standings(found).count("counted") == 1


def test_one_statement_signed_by_two_counts_once(board: Board) -> None:
    said = strict.canonical(make.statement(material.basis(board.good, source=SOURCE)))
    twice = [material.signed(said, board.folder, number=number) for number in (0, 1)]
    found = board.hold(*twice)
    assert sorted(_standings(found)) == ["counted", "repeated"]
    both = [dsse.parse(each, "it") for each in twice]
    merged = both[0]._replace(signatures=both[0].signatures + both[1].signatures)
    found = board.hold(dsse.dump(merged))
    assert _standings(found) == ["refused"]
    assert "alice and bob" in found.votes[0].reason
    wrong = dsse.parse(board.lies("carol"), "it")
    more = dsse.parse(material.signed(wrong.payload, board.folder, number=1), "it").signatures
    hidden = dsse.dump(wrong._replace(signatures=wrong.signatures + more))
    assert board.hold(board.says("alice"), board.says("bob"), hidden).verdict is Verdict.DIFFERENT


def test_the_same_key_under_two_names_is_refused(board: Board) -> None:
    (board.keys / "dave.pem").write_bytes(material.public_pem(number=0))
    with pytest.raises(UsageError, match="trusted under two names, alice"):
        board.hold(board.says("alice"))
    (board.keys / "dave.pem").unlink()
    ssh = material.private("ed25519", 1).public_key()
    (board.keys / "dave.pub").write_bytes(
        ssh.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b" dave\n"
    )
    with pytest.raises(UsageError, match="trusted under two names, bob"):
        board.hold(board.says("alice"))


def test_two_of_one_organisation_count_once(board: Board) -> None:
    given = [board.says("alice"), board.says("bob")]
    (board.keys / "auditors.toml").write_text(
        '[alice]\norganisation = "acme"\n[bob]\norganisation = "Acme"\n', "utf-8"
    )
    found = board.hold(*given)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert sorted(_standings(found)) == ["counted", "repeated"]
    (board.keys / "auditors.toml").unlink()
    named = [board.says(name, auditor=make.Auditor(name, "acme")) for name in ("alice", "bob")]
    assert board.hold(*named).verdict is Verdict.INCONCLUSIVE
    assert board.hold(*given).verdict is Verdict.EQUIVALENT


def test_different_sources_are_a_disagreement(board: Board) -> None:
    given = [board.says("alice"), board.says("bob", source="sha256:" + "6" * 64)]
    found = board.hold(*given)
    assert (found.verdict, found.summary) == (
        Verdict.DIFFERENT,
        "Mismatch: the auditors speak of different sources.",
    )
    found = board.hold(*given, source=SOURCE)
    assert _standings(found) == ["counted", "foreign"]
    assert _standings(board.hold(board.says("alice", source=""))) == ["refused"]


def test_a_replayed_statement_on_other_files_does_not_help(board: Board, tmp_path: Path) -> None:
    old = material.equivalent(tmp_path / "old", b"an older release")
    given = [board.says("alice"), board.says("bob", old)]
    assert "different files" in board.hold(*given).summary
    wanted = frozenset({make.sha256(board.good.shipped.read_bytes())})
    found = board.hold(*given, digests=wanted)
    assert (found.verdict, _standings(found)) == (Verdict.INCONCLUSIVE, ["counted", "foreign"])


def test_forged_confused_and_foreign_envelopes_are_refused_with_reasons(
    board: Board, tmp_path: Path
) -> None:
    good = board.says("bob")
    envelope = dsse.parse(good, "it")
    (one,) = envelope.signatures
    forged = json.loads(envelope.payload)
    forged["predicate"]["summary"] = "Trust me."
    text = material.private("ed25519", 1).sign(dsse.pae("text/plain", envelope.payload))
    kind = envelope._replace(payload_type="text/plain", signatures=(one._replace(value=text),))
    own = make.statement(material.basis(board.good, source=SOURCE))
    summary = make.vsa(own, strict.canonical(own), "urn:x", "")
    cases = {
        "not signed by a trusted key": [
            board.says("mallory"),
            dsse.dump(envelope._replace(payload=strict.canonical(forged))),
            dsse.dump(envelope._replace(signatures=())),
            dsse.dump(envelope._replace(signatures=(one._replace(value=bytes(64)),))),
        ],
        "two signatures of one key": [dsse.dump(envelope._replace(signatures=(one, one)))],
        "payload type": [dsse.dump(kind)],
        "A VSA": [material.signed(strict.canonical(summary), board.folder, number=1)],
        "strict JSON": [b"{", good.replace(b"{", b'{"payload":"",', 1)],
    }
    for reason, given in cases.items():
        for data in given:
            found = board.hold(board.says("alice"), data)
            assert found.verdict is Verdict.INCONCLUSIVE
            assert _standings(found) == ["counted", "refused"]
            assert reason in found.votes[1].reason


def test_an_inconclusive_statement_neither_helps_nor_hinders(board: Board) -> None:
    said = make.statement(material.basis(board.good, source=SOURCE))
    odd = copy.deepcopy(said)
    odd["predicate"] |= {"verdict": "inconclusive", "problems": {"timeout": "1"}}
    data = material.signed(strict.canonical(odd), board.folder, number=2)
    found = board.hold(board.says("alice"), board.says("bob"), data)
    assert found.verdict is Verdict.EQUIVALENT
    assert _standings(found)[-1] == "inconclusive"


def test_the_gates_own_policy_holds_for_all(board: Board) -> None:
    given = [board.says("alice"), board.says("bob")]
    found = board.hold(*given, policy=Policy("strict", accepts=Strength.SIGNED))
    assert _standings(found) == ["refused", "refused"]
    assert "gzip.mtime" in found.votes[0].reason


def test_wrong_use_of_keys_and_thresholds(board: Board, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be met"):
        board.hold(threshold=4)
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(UsageError):
            auditors.load(folder)
    for text in ("[dave]\norganisation='x'", "[alice]\norg='x'", "alice=1", "["):
        (board.keys / "auditors.toml").write_text(text, "utf-8")
        with pytest.raises(UsageError):
            board.hold()


def test_the_command_and_its_exit_statuses(board: Board, tmp_path: Path) -> None:
    now = strict.now()
    files = {}
    for name, data in (
        ("a", board.says("alice", issued=now)),
        ("b", board.says("bob", issued=now)),
        ("c", board.lies("carol", issued=now)),
    ):
        files[name] = tmp_path / f"{name}.json"
        files[name].write_bytes(data)
    asked = ["quorum", "--threshold", "2", "--keys", board.keys, "--max-age", "1d"]
    asked += ["--artifact", board.good.shipped, "--source", SOURCE]
    agreed = verifier(*asked, files["a"], files["b"])
    assert agreed.returncode == 0, agreed.stderr
    assert agreed.stdout.startswith("Agreed: 2 of 2")
    few = verifier(*asked, files["a"], files["a"])
    assert (few.returncode, few.stdout.split(":")[0]) == (3, "Not attested")
    against = verifier(*asked, files["a"], files["b"], files["c"])
    assert (against.returncode, against.stdout.split(":")[0]) == (1, "Mismatch")
    assert verifier(*asked, tmp_path / "missing").returncode == 2
    assert verifier(*asked[:-2], "--digest", "x", files["a"]).returncode == 2


def test_a_no_in_the_journal_counts_though_nobody_hands_it_over(
    board: Board, tmp_path: Path
) -> None:
    now = strict.now()
    private = material.private("ed25519", 7)
    signer = journal.Signer(private, note.key_of(private, "log", note.ED25519))
    path, vkey = tmp_path / "j", tmp_path / "j.vkey"
    journal.create(path, signer)
    vkey.write_text(f"{signer.key}\n", "utf-8")
    files = []
    for name in ("alice", "bob"):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_bytes(board.says(name, issued=now))
    asked = ["quorum", "--threshold", "2", "--keys", board.keys, *files, "--journal", path]
    with journal.opened(path, write=True) as found:
        found.append(entries.of_file("a", files[0].read_bytes(), now), signer)
    assert verifier(*asked, "--log", vkey).returncode == 0
    assert verifier(*asked).returncode == 2
    with journal.opened(path, write=True) as found:
        found.append(entries.of_file("c", board.lies("carol"), now), signer)
    bob = note.key_of(material.private("ed25519", 8), "bob.example", note.COSIGNATURE)
    (tmp_path / "bob.vkey").write_text(f"{bob}\n", "utf-8")
    unseen = verifier(*asked, "--log", vkey, "--witness", tmp_path / "bob.vkey")
    assert (unseen.returncode, "has not cosigned" in unseen.stderr) == (3, True)
    assert verifier(*asked[:-2], "--log", vkey).returncode == 2
    done = verifier(*asked, "--log", vkey)
    assert done.returncode == 1, done.stderr
    assert "carol attests that it differs" in done.stdout
