"""The page in headless Chromium, with a running server. `FLASHMOE_SCREENSHOTS=docs` takes the pictures of the docs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .fake_model import FakeModel
from .serving import Running, demo, running

playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; `apt-get install chromium`")
MARKDOWN = """<think>
So the answer is well.
</think>

# Hello <img src=x onerror="document.title='broken in'">

The **answer** is `42`, see [this](https://example.org/a) and [that](javascript:alert(1)).

- one
- two

| a | b |
|---|---|
| 1 | <script>document.title='broken in'</script> |

```python
print("<b>hello</b>")
```
"""


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as server:
        yield server


def open_page(browser, server: Running, **options):
    """A page that fails the test when a script of it fails or anything is asked of another host."""
    page = browser.new_page(**options)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: None if r.url.startswith(server.url) else page.problems.append(r.url))
    page.goto(server.url)
    playwright.expect(page.locator("#model")).not_to_be_empty()
    return page


def say(page, text: str) -> None:
    page.fill("#prompt", text)
    page.keyboard.press("Enter")


def answer(page):
    """The last answer, complete."""
    last = page.locator("article.assistant").last
    playwright.expect(last.locator(".figures")).to_contain_text("tokens", timeout=20000)
    return last


def shoot(page, name: str) -> None:
    if folder := os.environ.get("FLASHMOE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / name)


def test_a_conversation_and_the_picture_of_the_experts(browser, server: Running) -> None:
    page = open_page(browser, server, viewport={"width": 1200, "height": 720})
    say(page, "What is 6 times 7?")
    assert "42" in answer(page).inner_text()
    say(page, "What is a Mixture of Experts?")
    assert "known" in answer(page).locator(".figures").inner_text()
    playwright.expect(page.locator("#hit-rate")).to_contain_text("%")
    playwright.expect(page.locator("#resident")).to_contain_text(re.compile(r"[1-9]\d* of 512"))
    playwright.expect(page.locator("#grid")).to_have_attribute("aria-label", re.compile("experts are in memory"))
    shoot(page, "server-page.png")
    assert page.problems == []
    page.click("#new")
    assert page.locator("article").count() == 0
    page.close()


def test_dark_and_narrow(browser, server: Running) -> None:
    page = open_page(browser, server, viewport={"width": 380, "height": 700}, color_scheme="dark")
    say(page, "What is a Mixture of Experts?")
    answer(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    for id in ("#prompt", "#send", "#grid", "#hit-rate"):
        assert page.locator(id).is_visible(), id
    shoot(page, "server-page-phone.png")
    assert page.problems == []
    page.close()


def test_markdown_reasoning_and_what_a_model_must_not_do(browser) -> None:
    with running(FakeModel([MARKDOWN])) as server:
        page = open_page(browser, server)
        say(page, "Hello")
        last = answer(page)
        assert last.locator("strong").inner_text() == "answer"
        assert last.locator("li").all_inner_texts() == ["one", "two"]
        assert last.locator("td").count() == 2 and last.locator("pre code").inner_text() == 'print("<b>hello</b>")'
        assert [link.get_attribute("href") for link in last.locator("a").all()] == ["https://example.org/a"]
        assert last.locator("img, script, b").count() == 0 and page.title() == "flashmoe"
        thought = last.locator("details")
        assert thought.get_attribute("open") is None  # folded once the answer begins
        thought.locator("summary").press("Enter")
        assert "the answer is well" in thought.inner_text()
        assert page.problems == []
        page.close()


def test_stop_and_settings_by_keyboard(browser, server: Running) -> None:
    page = open_page(browser, server)
    page.locator("#open-settings").press("Enter")
    page.fill("#temperature", "2")
    page.fill("#max-tokens", "900")
    page.keyboard.press("Escape")
    page.reload()
    assert page.input_value("#temperature") == "2"  # kept
    page.route("**/v1/chat/completions", lambda route: route.continue_(post_data=wild(route.request.post_data)))
    say(page, "Tell me a story.")
    playwright.expect(page.locator("#stop")).to_be_visible()
    playwright.expect(page.locator("article.assistant > div").last).to_contain_text(re.compile("[a-z]{3}"))
    page.keyboard.press("Escape")
    playwright.expect(page.locator("article.assistant .figures").last).to_contain_text("stopped")
    playwright.expect(page.locator("#send")).to_be_visible()
    page.close()


def wild(body: str) -> str:
    """An answer that does not end soon."""
    return body.replace('"temperature":2', '"temperature":100,"top_k":0,"top_p":1')


def test_a_key_is_asked_for(browser) -> None:
    with running(api_key="correct-horse") as server:
        page = browser.new_page()
        page.goto(server.url)
        playwright.expect(page.locator("#settings")).to_be_visible()
        page.fill("#key", "correct-horse")
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#model")).to_have_text(demo().path.name)
        say(page, "What is 6 times 7?")
        assert "42" in answer(page).inner_text()
        page.close()


def test_the_policy_of_the_page(server: Running) -> None:
    headers = server.client.get("/").headers
    assert (
        "default-src 'none'" in headers["content-security-policy"]
        and "unsafe" not in headers["content-security-policy"]
    )
    assert headers["x-content-type-options"] == "nosniff"
    for name in ("..%2fapp.py", "app.py", "main.js%00"):
        assert server.client.get(f"/page/{name}").status_code == 404
