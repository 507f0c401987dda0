"""What the tests of live pages share."""
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("kv", "cluster"):  # both have a module `cluster`: this way it is the latter's
    sys.path.insert(0, str(HERE.parent / folder))
from browser import Browser  # noqa: E402

CHECKS = (HERE / "checks.js").read_text()
LOOKS = [(1280, False), (1280, True), (360, False), (360, True)]
HOSTILE = "<img src=x onerror=alert(1)>'\"&"
TAB, ENTER, LEFT = "\ue004", "\ue007", "\ue012"


class LiveClusterTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def text(self, selector):
        return self.browser.run("return [...document.querySelectorAll(arguments[0])]"
                                ".map(e => e.textContent)", selector)

    def shown(self, selector):
        return self.browser.run("const e = document.querySelector(arguments[0]);"
                                "return !!e && e.getClientRects().length > 0", selector)

    def check_page(self, origin):
        """What must hold of the page at hand in every look, and of what it has loaded."""
        for width, dark in LOOKS:
            with self.subTest(width=width, dark=dark):
                self.browser.look(width, dark, still=True)
                self.assertEqual(self.browser.run(CHECKS, width, True), [])
        self.browser.look(*LOOKS[0])

    def check_manners(self, origin):
        """No errors, nothing from elsewhere, since the page was opened."""
        self.assertEqual(self.browser.console(), [])
        asked = self.browser.requests()
        self.assertTrue(asked)
        self.assertEqual([url for url in asked if not url.startswith(origin)], [])

    def walk(self, steps):
        """Where the Tab key leads from the top, as the names of what it meets."""
        self.browser.run("document.activeElement.blur(); scrollTo(0, 0)")
        names = []
        for _ in range(steps):
            self.browser.press(TAB)
            names.append(self.browser.run("""
                const e = document.activeElement, style = getComputedStyle(e);
                if (e.matches(":focus-visible") && style.outlineStyle === "none") return "no outline: " + e.outerHTML;
                return (e.getAttribute("aria-label") || e.textContent.trim() || e.id).slice(0, 60)"""))
        return names
