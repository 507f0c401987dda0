"""A browser for tests: Chromium without a screen, driven over WebDriver's plain HTTP."""
import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--disable-extensions", "--hide-scrollbars"]
DEADLINE = 60  # seconds that one answer may take on a loaded machine


class Browser:
    def __init__(self):
        for program in ("chromedriver", "chromium"):
            if not shutil.which(program):
                sys.exit(f"{program} is missing: ./dev deps installs it")
        self.profile = tempfile.mkdtemp(prefix="trireme-browser-")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
        self.base = None
        try:
            self.base = f"http://127.0.0.1:{self._port()}/session"
            options = {"binary": shutil.which("chromium"),
                       "args": FLAGS + ["--user-data-dir=" + self.profile]}
            answer = self._ask("POST", "", {"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
            self.base += "/" + answer["sessionId"]
        except BaseException:
            self.close()
            raise

    def _port(self):
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                return int(line.split()[-1].rstrip("."))
        raise AssertionError("chromedriver ended before it was ready")

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def command(self, name, **parameters):
        """One of the DevTools protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def look(self, width, dark, still=False, height=900):
        """The size of the window and the reader's theme; a phone's where it is narrow."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=1, mobile=width < 600)
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])

    def open(self, path):
        """A file, or an address."""
        self._log("browser"), self._log("performance")  # forgets what was before
        self._ask("POST", "/url", {"url": path if "://" in path else "file://" + path})

    def _find(self, selector):
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        return "/element/" + next(iter(found.values()))

    def click(self, selector):
        """As a hand does: scrolls there, and fails when something else is in the way."""
        self._ask("POST", self._find(selector) + "/click", {})

    def type(self, selector, text):
        element = self._find(selector)
        self._ask("POST", element + "/clear", {})
        self._ask("POST", element + "/value", {"text": text})

    def address(self):
        return self._ask("GET", "/url")

    def picture(self, path):
        """The window as a PNG."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._ask("GET", "/screenshot")))

    def run(self, script, *arguments):
        """What the JavaScript function body returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, key):
        keys = {"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}
        self._ask("POST", "/actions", {"actions": [keys]})

    def _log(self, kind):
        return self._ask("POST", "/se/log", {"type": kind})

    def console(self):
        """Messages since open()."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self):
        """Addresses asked for since open(), but for those that hold their own data."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        asked = [event["params"]["request"]["url"] for event in events
                 if event["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith("data:")]

    def close(self):
        if self.base and self.base.count("/") > 3:
            try:
                self._ask("DELETE", "")
            except (AssertionError, OSError):
                pass  # it is killed below
        self.driver.terminate()
        self.driver.wait()
        self.driver.stdout.close()
        end = time.monotonic() + 10
        while time.monotonic() < end:  # the browser may still write to its profile
            shutil.rmtree(self.profile, ignore_errors=True)
            try:
                open(self.profile).close()
            except FileNotFoundError:
                return
            except OSError:
                pass
            time.sleep(0.05)
