"""A short walk through the page in Firefox."""

from tests.firefox import ENTER, firefox
from tests.harness import Hearth

ANSWERED = "document.querySelector('article[data-index=\"1\"] .actions')"


def test_a_walk_in_firefox(hearth: Hearth) -> None:
    with firefox() as browser:
        browser.open(f"{hearth.url}/")
        browser.until("document.activeElement.id === 'prompt' && !document.querySelector('[inert]')")
        browser.type(f"Write quicksort in Python.{ENTER}")
        browser.until(ANSWERED)
        browser.until("document.querySelector('article.assistant pre code')")
        assert "def quicksort" in browser.evaluate("document.querySelector('article.assistant pre code').textContent")
        browser.until("document.querySelector('article.assistant .hljs-keyword')")
        browser.reload()
        browser.until("document.querySelector('article.assistant pre code')")
        assert browser.evaluate("document.querySelector('article.user .text').textContent.trim()").startswith("Write")
        assert browser.evaluate("document.querySelectorAll('#conversations a').length") == 1
        browser.evaluate("document.getElementById('language').click()")
        browser.until("document.getElementById('prompt')?.placeholder === '问点什么'")
        browser.evaluate("document.getElementById('theme').click()")
        browser.until("getComputedStyle(document.body).backgroundColor === 'rgb(25, 22, 19)'")
        browser.open(f"{hearth.url}/docs#createEmbedding")
        browser.until("document.getElementById('createEmbedding').offsetHeight > 0")
        assert browser.evaluate("document.getElementById('overview').offsetHeight") == 0
        browser.open(f"{hearth.url}/status")
        browser.until("document.querySelectorAll('#workers tr').length > 0")
        assert browser.faults == []
