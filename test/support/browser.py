"""A browser that is there, and what it has to say of a page."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Browser, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """Return the path of Chromium or of what is made of it."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """Run the browser without a window for as long as the context lasts."""
    with sync_playwright() as playwright:
        # Root has no sandbox.
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Visit:
    """What was seen of a page."""

    text: str
    width: int
    scroll_width: int
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def visit(browser: Browser, url: str, width: int, scheme: str) -> Visit:
    """Open a page in a window of some width, in a light or dark scheme."""
    messages: list[str] = []
    requests: list[str] = []
    with browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(url, wait_until="networkidle")
        width, scroll_width = page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
        return Visit(page.inner_text("body"), width, scroll_width, messages, requests)
