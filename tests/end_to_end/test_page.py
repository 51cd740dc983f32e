"""The HTML report in a real Chromium: opens, filters, unfolds, is usable, and asks for nothing."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.pages import samples
from tests.pages.browser import View, chromium, viewed
from verifier.model import Report, Strength
from verifier.report import document, page
from verifier.report.page import islands

Open = Callable[..., View]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a report's page. In the end it must have said nothing and asked for itself alone."""
    views = []

    def opened(report: Report, fragment: str = "", **context: Any) -> View:
        path = tmp_path / "report.html"
        page.write(report, path)
        scope = viewed(browser, path, **context)
        view = scope.__enter__()
        views.append((scope, view))
        view.open(fragment)
        return view

    yield opened
    try:
        for _, view in views:
            assert view.said == []
            assert {address.partition("#")[0] for address in view.asked} == {f"file://{view.path}"}
    finally:
        for scope, _ in views:
            scope.__exit__(None, None, None)


def _number(view: View, name: str) -> int:
    return int(view.page.inner_text(f"[data-count={name}]"))


def _rows(view: View) -> list[str]:
    return view.page.locator("#rows .row .name").all_inner_texts()


def test_the_page_tells_the_verdict_and_counts_of_the_json(show: Open) -> None:
    report = samples.differing()
    view = show(report)
    told = json.loads(document.text(report))
    assert view.page.inner_text("#verdict-word").lower() == told["verdict"]
    assert view.page.inner_text("#summary") == told["summary"]
    members = told["members"]
    for verdict, count in Counter(member["verdict"] for member in members).items():
        assert _number(view, verdict) == count
    assert _number(view, "members") == len(members)
    assert _number(view, "differences") == sum(len(member["differences"]) for member in members)
    assert _number(view, "free_bytes") == told["free_bytes"]
    weaker = [e for member in members for e in member["differences"] if e.get("weakening")]
    assert _number(view, "weakenings") == len(weaker) > 0
    patches = [patch for member in members for patch in member["patches"]]
    assert _number(view, "patched_bytes") == sum(patch["length"] for patch in patches)
    assert view.page.inner_text("#shown") == f"{len(members)} members of {len(members)}"


def test_members_are_searched_filtered_and_folded(show: Open) -> None:
    view = show(samples.differing())
    tree = view.page
    assert [name.strip() for name in _rows(view)] == [
        "package/", "rules.tar", "rules/", "common.yar", "example.ndb", "linux.yar",
        "rules/", "common.yar", "example.ndb", "linux.yar", "libz.so.1",
    ]  # fmt: skip
    tree.fill("#search", "FUNCTION-changed")
    assert _rows(view) == ["libz.so.1"]
    assert tree.inner_text("#shown") == "1 member of 8"
    tree.fill("#search", "")
    tree.click("#verdicts button:has-text('different')")
    assert set(_rows(view)) == {"package/", "rules.tar", "rules/", "linux.yar"}
    assert tree.inner_text("#shown") == "2 members of 8"
    tree.click("#verdicts button:has-text('different')")
    tree.select_option("#format", label="elf")
    assert _rows(view) == ["libz.so.1"]
    tree.select_option("#format", label="all")
    tree.select_option("#order", "worst")
    assert _rows(view)[-1].endswith("linux.yar")
    tree.select_option("#order", "tree")
    tree.click("#rows .row:has-text('package/')")
    assert _rows(view)[:2] == ["package/", "rules/"]


def test_a_function_is_shown_side_by_side(show: Open) -> None:
    report = samples.differing()
    at = next(n for n, each in enumerate(report.members) if each.path == "libz.so.1")
    view = show(report, f"#m{at}")
    assert view.page.inner_text("#member h3").endswith("libz.so.1")
    table = view.page.locator("#member table.sides").first
    assert table.locator("th").all_inner_texts() == ["rebuilt from the source", "shipped"]
    said = next(item.detail for item in report.members[at].differences if item.detail).splitlines()
    for name, sign in (("old", "-"), ("new", "+")):
        cells = table.locator(f"td.{name}").all_inner_texts()
        assert [cell[1:] for cell in cells] == [line[2:] for line in said if line[0] == sign]
        assert cells
        assert table.locator(f"td.{name} mark").count() == len(cells)


def test_a_rule_of_a_database_is_shown_side_by_side_and_found_on_the_map(show: Open) -> None:
    report = samples.differing()
    at = next(n for n, each in enumerate(report.members) if each.path == "rules/common.yar")
    view = show(report, f"#m{at}")
    text = view.page.inner_text("#member table.sides")
    assert "7.9" in text
    assert "7.1" in text
    assert view.page.inner_text("#member .kind.bad") == "weakens: condition-changed"
    view.page.click("#member .finding .linkish")
    assert view.page.inner_text("#member .said").startswith("difference")
    assert view.page.evaluate("() => document.activeElement.className") == "grid"


def test_the_map_is_read_with_the_keyboard(show: Open) -> None:
    view = show(samples.each_kind())
    grid = view.page.locator("canvas.grid")
    names = [strength.value for strength in Strength]
    assert grid.get_attribute("role") == "application"
    label = grid.get_attribute("aria-label") or ""
    assert label == (
        "Byte map of 2,000 bytes: 1,520 equal, "
        + ", ".join(f"40 {name}" for name in names)
        + ", 50 around, 100 unsettled, 50 difference"
    )
    grid.focus()
    said = view.page.locator("#member .said")
    for at, name in enumerate(names, 1):
        grid.press("ArrowRight")
        expect(said).to_contain_text(f"{name} · {at * 100:#x} to {at * 100 + 39:#x}, 40 bytes")
        expect(said).to_contain_text(f"pe.{name} · field")
    grid.press("+")
    grid.press("+")
    assert "one square is one byte" in view.page.inner_text("#member .where")
    rows = view.page.locator("#member .spans tbody tr")
    assert 0 < rows.count() < 10
    grid.press("0")
    assert rows.count() == 10
    view.page.check("#with-equal")
    assert rows.count() == 20
    total = sum(int(row.locator("td").nth(1).inner_text().replace(",", "")) for row in rows.all())
    assert total == 2000


def test_a_click_on_the_map_chooses_what_is_there(show: Open) -> None:
    view = show(samples.each_kind())
    grid = view.page.locator("canvas.grid")
    box = grid.bounding_box()
    assert box is not None
    ratio = view.page.evaluate("() => devicePixelRatio")
    columns = int(grid.get_attribute("width") or 0) // (11 * ratio)
    rows = int(grid.get_attribute("height") or 0) // (11 * ratio)
    assert columns * rows >= 1000
    each = max(1, 2000 / (columns * rows))
    square = int(1270 / each)
    x = (square % columns + 0.5) * box["width"] / columns
    y = (square // columns + 0.5) * box["height"] / rows
    grid.click(position={"x": x, "y": y})
    assert view.page.inner_text("#member .said").startswith("difference · 0x4e2 to 0x513")


def test_classes_are_told_apart_without_colours(show: Open) -> None:
    view = show(samples.each_kind())
    pixels = view.page.evaluate(
        """() => Array.from(document.querySelectorAll('.legend li'), (item) => {
          const canvas = item.querySelector('canvas');
          const pixels = canvas.getContext('2d').getImageData(0, 0, 18, 18).data;
          let shape = '';
          const ground = 4 * (9 * 18 + 1);
          for (let n = 0; n < pixels.length; n += 4) {
            const far = [0, 1, 2].some((c) => Math.abs(pixels[n + c] - pixels[ground + c]) > 50);
            shape += far ? 'x' : '.';
          }
          return shape;
        })"""
    )
    assert len(pixels) == 11
    assert len(set(pixels)) == 11


def test_the_tree_is_walked_with_the_keyboard(show: Open) -> None:
    view = show(samples.differing())
    tree = view.page.locator("#tree")
    tree.focus()
    tree.press("Home")
    active = """() => document.getElementById(
      document.getElementById('tree').getAttribute('aria-activedescendant')).innerText"""
    assert view.page.evaluate(active).startswith("▾\npackage/")
    tree.press("ArrowLeft")
    assert _rows(view)[1] == "rules/"
    tree.press("ArrowRight")
    assert _rows(view)[1] == "rules.tar"
    tree.press("ArrowDown")
    tree.press("Enter")
    assert view.page.inner_text("#member h3").endswith("package/rules.tar")
    assert "#m" in view.page.url
    tree.press("End")
    tree.press("Enter")
    assert view.page.inner_text("#member h3").endswith("libz.so.1")


@pytest.mark.parametrize(
    ("which", "scheme"),
    [("differing", "light"), ("differing", "dark"), ("each_kind", "dark"), ("hostile", "light")],
)
def test_axe_finds_nothing(show: Open, which: str, scheme: str) -> None:
    view = show(getattr(samples, which)(), color_scheme=scheme)
    assert view.violations() == []


def test_light_and_dark_are_chosen_by_the_system_and_by_hand(show: Open) -> None:
    view = show(samples.each_kind(), color_scheme="dark")
    colour = "() => getComputedStyle(document.body).backgroundColor"
    dark = view.page.evaluate(colour)
    view.page.click("#theme")
    light = view.page.evaluate(colour)
    assert dark == "rgb(28, 33, 39)"
    assert light == "rgb(245, 246, 248)"
    assert view.violations() == []


def test_hostile_text_stays_text(show: Open) -> None:
    report = samples.hostile()
    view = show(report)
    for at in range(len(report.members)):
        view.page.evaluate(f"() => {{ location.hash = '#m{at}'; }}")
        view.page.wait_for_function(
            "(at) => document.querySelector('#member h3 .raw').textContent === at",
            arg=islands.visible(report.members[at].path),
        )
        assert view.page.evaluate("() => window.owned") is None
        assert view.page.locator("#member img, #member script, #member iframe").count() == 0
        said = view.page.inner_text("#member")
        assert not set(said) & set("\x1b\u202e\u2066\u200b\u2028\x00\x85\ufffd")
    assert view.page.evaluate("() => document.querySelectorAll('img, iframe, object').length") == 0
    assert view.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_the_policy_of_the_page_is_in_force(show: Open) -> None:
    view = show(samples.each_kind())
    found = view.page.evaluate(
        """async () => {
          const said = [];
          const told = (event) => said.push(event.effectiveDirective);
          addEventListener('securitypolicyviolation', told);
          const script = document.createElement('div');
          try { script.innerHTML = '<b>x</b>'; } catch { said.push('markup'); }
          const style = document.createElement('style');
          style.textContent = 'body { display: none }';
          document.head.append(style);
          try { await fetch('https://example.invalid/'); } catch { said.push('fetch'); }
          await new Promise((done) => setTimeout(done, 200));
          return said;
        }"""
    )
    assert {"markup", "style-src-elem", "connect-src", "fetch"} <= set(found)
    assert view.said
    view.said.clear()
    view.asked.remove(
        "https://example.invalid/"
    ) if "https://example.invalid/" in view.asked else None


def test_without_a_script_the_summary_is_there(
    show: Open, browser: Browser, tmp_path: Path
) -> None:
    report = samples.differing()
    path = tmp_path / "still.html"
    page.write(report, path)
    with viewed(browser, path, java_script_enabled=False) as view:
        view.page.goto(f"file://{path}")
        text = view.page.inner_text("main")
        assert "Scripts are off" in text
        for member in report.members:
            for difference in member.differences:
                assert difference.where in text
        assert "cmp" in text
        assert not view.page.is_visible("#explorer")


def test_print_has_all_findings_on_white(show: Open) -> None:
    report = samples.differing()
    view = show(report, color_scheme="dark")
    view.page.emulate_media(media="print")
    view.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    text = view.page.inner_text("main")
    for member in report.members:
        for difference in member.differences:
            assert difference.where in text
    assert not view.page.is_visible("#tree")
    assert view.page.evaluate("() => getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    view.page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert view.page.pdf().startswith(b"%PDF")


def test_ten_thousand_members_are_a_few_rows(show: Open) -> None:
    view = show(samples.large(10_000, 20_000))
    rows = view.page.locator("#rows .row")
    assert 10 < rows.count() < 60
    assert view.page.inner_text("#shown") == "10,000 members of 10,000"
    view.page.evaluate("() => { document.getElementById('tree').scrollTop = 1e9; }")
    view.page.wait_for_function(
        "() => Number(document.querySelector('#rows .row').dataset.place) > 9000"
    )
    assert rows.count() < 60
    view.page.fill("#search", "file-09999")
    assert view.page.inner_text("#shown") == "1 member of 10,000"
    assert rows.count() == 3
    assert view.page.evaluate("() => document.querySelectorAll('*').length") < 8_000


def test_a_member_of_many_spans_is_shown_in_portions(show: Open) -> None:
    view = show(samples.large(1, 30_000))
    rows = view.page.locator("#member .spans tbody tr")
    assert rows.count() == 100
    view.page.click("#member button.more:visible:last-of-type")
    assert rows.count() == 200


def test_inputs_tools_and_waivers_have_their_sections(show: Open) -> None:
    view = show(samples.accounted())
    text = view.page.inner_text("#inputs")
    assert "Not accounted for: 1" in text
    assert "/etc/secret" in text
    assert "make → cc" in text
    rows = view.page.locator("#toolchain tbody tr").all_inner_texts()
    assert rows[0].startswith("gcc\t")
    assert "drift" in rows[0]
    assert "waived because" in view.page.inner_text("#rules")
    assert "SOURCE_DATE_EPOCH" in view.page.inner_text("#environment")
    assert view.violations() == []
