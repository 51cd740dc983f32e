"""Rules of Suricata and Snort: what they mean, what weakens them, what neither engine may hide."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from tests.unit.sigdb import asking
from verifier.errors import ParseError
from verifier.sigdb import family_of, named
from verifier.sigdb.base import Effect
from verifier.sigdb.suricata import rule

FAMILY = named("suricata")
HTTP = (
    'alert http $HOME_NET any -> $EXTERNAL_NET [80,8080] (msg:"MALWARE one\\; two \\"three\\""; '
    'flow:established,to_server; http.uri; content:"/gate.php"; fast_pattern; nocase; '
    'pcre:"/id=[0-9]{4}\\;x/U"; reference:url,example.org; classtype:trojan-activity; '
    "sid:2000001; rev:3; metadata:created_at 2024_01_02, service http;)"
)
DNS = 'drop dns any any -> any 53 (msg:"D"; dns.query; content:"evil|2e|example"; sid:2000002;)'
BITS = "alert tcp any any <> any any (flow:established; flowbits:set,seen; sid:2000003; rev:1;)"
PASS = "pass ip 10.0.0.1 any -> any any (sid:2000004;)"
ALL = f"{HTTP}\n{DNS}\n{BITS}\n"


def changes(rebuilt: asking.Side, shipped: asking.Side) -> list[tuple[str, str, str]]:
    found = asking.changes(FAMILY, rebuilt, shipped, "local.rules")
    return [(item.kind, item.where, item.weakening) for item in found]


def test_a_rule_is_read() -> None:
    (record,) = asking.records(FAMILY, HTTP, "local.rules")
    assert record.name == "1:2000001"
    assert record.value("destination-port") == "[80,8080]"
    assert record.value("pcre") == '"/id=[0-9]{4}\\;x/U"'
    assert record.value("metadata") == "service http"
    assert [name for name, _ in record.body][-4:] == ["nocase", "pcre", "classtype", "metadata"]
    assert record.place == ("local.rules", 0, len(HTTP))


@pytest.mark.parametrize(
    "shipped",
    [
        f"{BITS}\n{HTTP}\n{DNS}",
        f"# another comment\n\n{ALL}# the end",
        ALL.replace("\n", "\r\n"),
        ALL.replace("; ", ";\\\n   "),
        ALL.replace("; ", ";  ").replace(":established", ": established"),
        ALL.replace("(msg", "( msg").replace("any any", "any   any"),
        ALL.replace("rev:3", "rev:7"),
        ALL.replace("MALWARE one", "TROJAN one").replace("example.org", "example.net"),
        ALL.replace("2024_01_02", "2025_03_04"),
        ALL + "# " + HTTP.replace("gate", "date") + "\n",
        ALL + ALL,
        ALL + HTTP.replace("gate", "date").replace("rev:3", "rev:2"),
        {"a.rules": DNS, "b.rules": f"{HTTP}\n{BITS}"},
    ],
)
def test_what_no_engine_heeds_is_no_change(shipped: asking.Side) -> None:
    assert not changes(ALL, shipped)
    assert not changes(shipped, ALL)


@pytest.mark.parametrize(
    ("rebuilt", "shipped", "kind", "weakening"),
    [
        (ALL, f"{HTTP}\n{BITS}", "detection-removed", "signature-removed"),
        (HTTP, "# nothing\n", "detection-removed", "signature-removed"),
        (ALL, ALL.replace("drop dns", "# drop dns"), "detection-disabled", "disabled"),
        (ALL, ALL.replace("drop dns", "#drop dns"), "detection-disabled", "disabled"),
        (ALL, ALL.replace("drop dns", " drop dns"), "detection-disabled", "disabled"),
        (DNS, DNS.replace("drop", "alert"), "detection-changed", "action-weakened"),
        (HTTP, HTTP.replace("alert", "pass"), "allowlist-changed", "action-weakened"),
        (HTTP, HTTP.replace("alert", "log"), "detection-changed", "action-weakened"),
        (HTTP, f"{HTTP}\n{PASS}", "allowlist-added", "pass-added"),
        (f"{HTTP}\n#{PASS}", f"{HTTP}\n{PASS}", "allowlist-changed", "pass-added"),
        (PASS, PASS.replace("10.0.0.1", "any"), "allowlist-changed", "pass-added"),
        (HTTP, HTTP.replace("$HOME_NET", "10.0.0.1"), "detection-changed", "changed"),
        (DNS, DNS.replace("any 53", "any 54"), "detection-changed", "changed"),
        (HTTP, HTTP.replace("gate", "date"), "detection-changed", "changed"),
        (HTTP, HTTP.replace("nocase; ", ""), "detection-changed", "changed"),
        (HTTP, HTTP.replace("service http", "service ftp"), "detection-changed", "changed"),
        (
            BITS,
            BITS.replace("seen;", "seen; flowbits:noalert;"),
            "detection-changed",
            "noalert-added",
        ),
        (BITS, BITS.replace("seen;", "seen; noalert;"), "detection-changed", "noalert-added"),
        (
            HTTP,
            HTTP.replace("nocase;", "nocase; threshold:type limit,track by_src,count 1,seconds 9;"),
            "detection-changed",
            "threshold-added",
        ),
        (
            DNS,
            DNS.replace("sid", "detection_filter:track by_src,count 9,seconds 9; sid"),
            "detection-changed",
            "threshold-added",
        ),
        (HTTP, HTTP.replace("nocase;", "nocase; bypass;"), "detection-changed", "bypass-added"),
        (DNS, f"{DNS}\n{HTTP.replace('nocase', 'bypass')}", "detection-added", "bypass-added"),
        (BITS, BITS.replace("set,", "unset,"), "detection-changed", "bits-cleared"),
        (DNS, f"{DNS}\n{BITS.replace('set,', 'unset,')}", "detection-added", "bits-cleared"),
        (
            HTTP,
            f"{HTTP}\nsuppress gen_id 1, sig_id 2000001",
            "setting-added",
            "suppress-added",
        ),
        (
            f"{HTTP}\nsuppress gen_id 1, sig_id 2000001, track by_src, ip 10.0.0.1",
            f"{HTTP}\nsuppress gen_id 1, sig_id 2000001, track by_src, ip 0.0.0.0/0",
            "setting-changed",
            "suppress-added",
        ),
        (
            HTTP,
            HTTP + "\nthreshold gen_id 1,sig_id 2000001,type limit,track by_src,count 1,seconds 6",
            "setting-added",
            "threshold-added",
        ),
        (
            HTTP,
            HTTP + "\nevent_filter gen_id 1, sig_id 1, type both, track by_dst, count 1, seconds 6",
            "setting-added",
            "threshold-added",
        ),
        (
            "rate_filter gen_id 1, sig_id 7, track by_src, count 9, new_action drop, timeout 9",
            "# none",
            "setting-removed",
            "setting-changed",
        ),
        (
            "threshold gen_id 1, sig_id 7, type limit, track by_src, count 1, seconds 60",
            "threshold gen_id 1, sig_id 7, type limit, track by_src, count 1, seconds 600",
            "setting-changed",
            "setting-changed",
        ),
    ],
)
def test_each_weakening_has_its_class(
    rebuilt: str, shipped: str, kind: str, weakening: str
) -> None:
    assert [(item[0], item[2]) for item in changes(rebuilt, shipped)] == [(kind, weakening)]


@pytest.mark.parametrize(
    ("rebuilt", "shipped", "kind"),
    [
        (HTTP, ALL, "detection-added"),
        (f"#{HTTP}", HTTP, "detection-enabled"),
        (f"#{HTTP}", f"#{HTTP.replace('gate', 'date')}", "detection-changed"),
        (f"#{HTTP}\n{DNS}", DNS, "detection-removed"),
        (DNS, f"{DNS}\n#{HTTP}", "detection-added"),
        (f"{HTTP}\n{PASS}", HTTP, "allowlist-removed"),
        (PASS, f"#{PASS}", "allowlist-changed"),
        (f"{HTTP}\nsuppress gen_id 1, sig_id 9", HTTP, "setting-removed"),
        (HTTP, HTTP.replace("2000001", "2000009"), "detection-renamed"),
    ],
)
def test_what_weakens_nothing_is_still_told(rebuilt: str, shipped: str, kind: str) -> None:
    found = changes(rebuilt, shipped)
    assert {item[0] for item in found} == {kind}
    assert not any(item[2] for item in found)


def test_of_two_rules_of_one_id_the_higher_revision_counts() -> None:
    late = HTTP.replace("gate", "date").replace("rev:3", "rev:4")
    assert not changes(late, f"{HTTP}\n{late}")
    assert not changes(late, f"{late}\n{HTTP}")
    assert changes(HTTP, f"{HTTP}\n{late}") == [("detection-changed", "rule: 1:2000001", "changed")]


def test_of_two_rules_of_one_revision_the_first_in_a_file_counts() -> None:
    rival = HTTP.replace("gate", "date")
    assert not changes(HTTP, f"{HTTP}\n{rival}")
    assert changes(HTTP, f"{rival}\n{HTTP}")


def test_rivals_in_two_files_are_no_equality() -> None:
    rival = HTTP.replace("gate", "date")
    one, other = {"a.rules": HTTP, "b.rules": rival}, {"a.rules": rival, "b.rules": HTTP}
    assert not changes(one, one)
    assert changes(one, other)
    assert changes(HTTP, one)


TOKEN = re.compile(r"[A-Za-z0-9_]+")
VOLATILE = re.compile(r"msg:(?:[^;\\]|\\.)*;|reference:[^;]*;|rev:[0-9]+;|created_at [0-9_]+")


def test_every_changed_token_is_reported_as_that_rule() -> None:
    rules = [
        HTTP.replace("2000001", str(3_000_000 + index)).replace("gate", f"gate{index}")
        for index in range(40)
    ]
    text = "\n".join(rules)
    chance = random.Random(3)
    for _ in range(300):
        index = chance.randrange(len(rules))
        chosen = rules[index]
        hidden = [found.span() for found in VOLATILE.finditer(chosen)]
        tokens = [
            found
            for found in TOKEN.finditer(chosen)
            if found[0] not in {"msg", "reference", "rev", "sid", "metadata"}
            and not any(start <= found.start() < end for start, end in hidden)
            and not found[0].startswith("30000")
        ]
        found = chance.choice(tokens)
        new = f"{chosen[: found.start()]}{found[0]}z{chosen[found.end() :]}"
        shipped = "\n".join([*rules[:index], new, *rules[index + 1 :]])
        if new.startswith("alertz"):
            with pytest.raises(ParseError, match="no rule"):
                changes(text, shipped)
            continue
        result = changes(text, shipped)
        assert [(item[0], item[1]) for item in result] == [
            ("detection-changed", f"rule: 1:{3_000_000 + index}")
        ], new


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HTTP} \\", "is not there"),
        (f"{HTTP[:40]}\\ \n{HTTP[40:]}", "read differently"),
        (f" {HTTP[:40]}\\\n{HTTP[40:]}", "read differently"),
        (f"{HTTP[:90]}\\\n# pass\n{HTTP[90:]}", "joins? this line"),
        (f"{HTTP[:90]}\\\n\n{HTTP[90:]}", "joins? this line"),
        ("#" + "x" * 8190 + PASS, "splits"),
        (HTTP.replace("gate", "gate" * 3000), "splits"),
        ((HTTP[:90] + "\\\n") + "x" * 8180, "splits"),
        (HTTP.replace("gate", "ga\0te"), "control character"),
        (HTTP.replace("any ->", "any\t->"), "header"),
        (HTTP.replace("->", "<-"), "direction"),
        (HTTP.replace("any ->", "any any ->"), "more than six"),
        (HTTP.replace("(msg", "((msg"), "cannot be read"),
        (f"{HTTP} trailing", "cannot be read"),
        (HTTP.replace("gate.php", "gate;php"), "differ in where"),
        (HTTP.replace('gate.php"', "gate.php"), "cannot be read|differ in where"),
        (HTTP.replace("sid:2000001", "sid:1; sid:2"), "single number"),
        (HTTP.replace("sid:2000001", "sid:x"), "single number"),
        (HTTP.replace("sid:2000001", "sid:99999999999"), "single number"),
        (HTTP.replace("sid:2000001;", ""), "without a sid"),
        ("include other.rules", "no rule"),
        ("suppress gen_id 1, sig_id x", "setting"),
        ("suppress gen_id 1, sig_id 1, colour red", "parameter"),
        ("suppress gen_id 1, sig_id 1, ip 1.1.1.1, ip 2.2.2.2", "twice"),
        ("/* Snort 3 */ " + HTTP, "no rule"),
    ],
)
def test_what_engines_could_read_otherwise_is_refused(text: str, said: str) -> None:
    with pytest.raises(ParseError, match=said):
        asking.records(FAMILY, text, "local.rules")


def test_snort_3_may_name_the_service_alone() -> None:
    text = 'alert http ( msg:"x"; http_uri; content:"a;b",nocase; sid:9; )'.replace(";b", "b")
    (record,) = asking.records(FAMILY, text, "local.rules")
    assert record.body[2:] == (("proto", "http"), ("http_uri", ""), ("content", '"ab",nocase'))


def test_pass_rules_allow_and_config_rules_set() -> None:
    text = f"{PASS}\nconfig dns any any -> any any (config:logging disable, type tx; sid:5;)"
    assert [record.effect for record in asking.records(FAMILY, text, "a.rules")] == [
        Effect.ALLOW,
        Effect.SETTING,
    ]


@pytest.mark.parametrize(
    ("name", "data", "claimed"),
    [
        ("emerging.rules", f"# comment\n\n{HTTP}\n", True),
        ("emerging.rules", f"# comment\n#{HTTP}\n", True),
        ("emerging.rules", HTTP.replace("; ", "; \\\n  "), True),
        ("threshold.config", "# a\nsuppress gen_id 1, sig_id 2\n", True),
        ("threshold.config", "a = 1\n", False),
        ("emerging.txt", HTTP, False),
        ("70-usb.rules", 'SUBSYSTEM=="usb", ATTR{idVendor}=="1234", MODE="0666"\n', False),
        ("70-usb.rules", '# alert\nACTION=="add", RUN+="/bin/x (sid:1;)"\n', False),
        ("70-usb.rules", f'ACTION=="add", RUN+="/bin/x"\n{HTTP}\n', False),
        ("polkit.rules", "polkit.addRule(function(action, subject) {\n", False),
        ("audit.rules", "-w /etc/passwd -p wa\n", False),
        ("empty.rules", "", False),
        ("debian.rules", "#!/usr/bin/make -f\n%:\n\tdh $@\n", False),
    ],
)
def test_only_rules_are_claimed(name: str, data: str, claimed: bool) -> None:
    assert (family_of(name, memoryview(data.encode())) == "suricata") == claimed


def test_hostile_rules_end_in_an_error_or_records() -> None:
    seeds = [ALL.encode(), f"{PASS}\nsuppress gen_id 1, sig_id 2, track by_src, ip [1,2]".encode()]
    parsed = [asking.survives(FAMILY, data, "a.rules") for data in asking.mutants(seeds, 400)]
    assert any(parsed)
    assert not all(parsed)
    bombs = [
        b"\\\n" * 500_000,
        b"#\n" * 500_000,
        b"alert " + b"[" * 8000,
        b"alert tcp any any -> any any (" + b"a:" + b'"\\' * 4000,
        b"alert tcp any any -> any any (" + b"a;" * 4000,
        b"alert tcp any any -> any any (a:" + b'"' * 8000 + b";",
        b"alert" + b" " * 8000,
        b"suppress gen_id 1, sig_id 1," + b"," * 8000,
        b"suppress gen_id 1, sig_id 1," + b"[" * 8000,
        b"x" * 10_000_000,
    ]
    for bomb in bombs:
        asking.survives(FAMILY, bomb, "a.rules")


def test_actions_are_ordered_by_what_they_do() -> None:
    for weak, strong in itertools.pairwise(["pass", "log", "alert", "drop", "reject"]):
        assert rule.ACTIONS[weak] < rule.ACTIONS[strong]
