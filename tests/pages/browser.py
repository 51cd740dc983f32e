"""A page in Debian's Chromium, without a network, and whatever it says or asks for."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM = "/usr/bin/chromium"
_MILLISECONDS = 60_000


@dataclass
class View:
    """One page, what its console said, and every address it asked for."""

    page: Page
    path: Path
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, fragment: str = "") -> None:
        """Load the page and wait until its script has run."""
        self.page.goto(f"file://{self.path}{fragment}", wait_until="commit")
        self.page.wait_for_selector("html[data-ready]", state="attached")

    def violations(self) -> list[tuple[str, str]]:
        """What axe-core finds. It is evaluated, so that the page's own policy stays on."""
        self.page.evaluate(axe())
        found: Any = self.page.evaluate("() => axe.run().then((result) => result.violations)")
        return [(each["id"], node["html"][:300]) for each in found for node in each["nodes"]]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; as root it runs only without its sandbox."""
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=root)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def viewed(browser: Browser, path: Path, **context: Any) -> Iterator[View]:
    """A page that is not loaded yet, in a context of its own."""
    made = browser.new_context(viewport={"width": 1360, "height": 900}, **context)
    made.set_default_timeout(_MILLISECONDS)
    try:
        view = View(made.new_page(), path)
        view.page.on("console", lambda message: view.said.append(f"{message.type}: {message.text}"))
        view.page.on("pageerror", lambda error: view.said.append(f"error: {error}"))
        view.page.on("request", lambda request: view.asked.append(request.url))
        yield view
    finally:
        made.close()


@contextlib.contextmanager
def opened(path: Path, **context: Any) -> Iterator[View]:
    """One page in a browser of its own."""
    with chromium() as browser, viewed(browser, path, **context) as view:
        yield view


def axe() -> str:
    """The source of axe-core, which this package brings along."""
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
