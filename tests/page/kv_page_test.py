"""A KV member's live page in a browser: keys, an election as it happens, what it may change."""
import importlib.util
import json
import os
import signal
import unittest
import urllib.error
import urllib.request

from live import ENTER, HOSTILE, HERE, LiveClusterTest
from cluster import wait_until

_SPEC = importlib.util.spec_from_file_location("kv_cluster", HERE.parent / "kv" / "cluster.py")
kv_cluster = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kv_cluster)


class KvPage(LiveClusterTest):
    def cluster(self, *flags, size=3):
        made = kv_cluster.Cluster(size)
        self.addCleanup(made.__exit__)
        for member in made.members:
            member.start(made.members, *flags)
        made.await_serving()
        return made

    def open(self, member, path="/ui"):
        self.browser.look(1280, False)
        self.browser.open(member.url + path)
        wait_until(lambda: self.text("#live") == ["live"] and self.shown("#page"),
                   "the page is live")

    def chips(self):
        """Each member's role by its name, as the page shows them."""
        names = [t.replace(" (this one)", "") for t in self.text("#members .name")]
        return dict(zip(names, self.text("#members .chip")))

    def ask(self, member, path, body=None, **headers):
        request = urllib.request.Request(
            member.url + path, data=None if body is None else json.dumps(body).encode(),
            headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def test_an_election_as_it_happens(self):
        made = self.cluster()
        leader = made.leader()
        watcher = next(m for m in made.members if m is not leader)
        self.open(watcher)
        wait_until(lambda: self.text("#leading")[0].startswith(f"{leader.name} leads"), "it is told who leads")
        wait_until(lambda: sorted(self.chips().values()) == ["follower", "follower", "leader"],
                   "all members are seen")
        before = made.ctl("endpoint", "status", "-w", "json", at=watcher)
        term = json.loads(before)[0]["Status"]["raftTerm"]
        leader.kill()
        wait_until(lambda: self.chips()[leader.name] == "unreachable", "its end is seen")
        wait_until(lambda: "leader" in self.chips().values() and
                   not self.text("#leading")[0].startswith(f"{leader.name} leads"), "another leads")
        new = next(name for name, chip in self.chips().items() if chip == "leader")
        self.assertRegex(self.text("#leading")[0], rf"^{new} leads in term (\d+)$")
        self.assertGreater(int(self.text("#leading")[0].rsplit(" ", 1)[1]), term)
        events = lambda: " | ".join(self.text("#elections li"))  # noqa: E731
        wait_until(lambda: f"{new} stands for election" in events() and
                   f"{new} leads from term" in events() and
                   f"{leader.name} does not answer" in events(), "the election is told")
        # As it happened: the newest is first.
        self.assertLess(events().index(f"{new} leads from term"), events().index(f"{new} stands for election"))
        roles = self.browser.run("""return [...document.querySelectorAll("#role-plot g[data-member]")]
            .map(g => [g.dataset.member, [...g.children].map(r => r.getAttribute("class"))])""")
        self.assertIn("role unreachable", dict(roles)[leader.name])
        self.assertIn("role leader", dict(roles)[new])
        self.check_page(watcher.url)
        leader.start(made.members)
        wait_until(lambda: self.chips()[leader.name] == "follower", "it is back")
        wait_until(lambda: f"{leader.name} answers again" in events(), "that is told too")
        self.check_manners(watcher.url)

    def test_keys(self):
        made = self.cluster(size=1)
        node = made.members[0]
        made.ctl("put", HOSTILE, "<script>alert(1)</script>")
        for number in range(120):
            made.ctl("put", f"/jobs/{number:03}", f"value {number}")
        made.ctl("put", os.fsdecode(b"\xff\xfe"), "not UTF-8")
        lease = made.ctl("lease", "grant", "600").split()[1]
        made.ctl("put", "/leased", "x" * 5000, f"--lease={lease}")
        self.open(node)
        wait_until(lambda: self.text("#keys tr"), "keys are shown")
        self.assertIn("50 and more", self.text("#keys-said")[0])
        self.browser.type("#prefix", "/jobs/")
        self.browser.run("document.querySelector('#prefix').focus()")
        self.browser.press(ENTER)
        first = lambda: self.text("#keys tr:first-child td:first-child")  # noqa: E731
        wait_until(lambda: first() == ["/jobs/000"], "the prefix is taken")
        self.browser.click("#next")
        wait_until(lambda: first() == ["/jobs/050"], "the next page is shown")
        self.browser.click("#next")
        wait_until(lambda: first() == ["/jobs/100"], "the last page is shown")
        self.assertEqual(len(self.text("#keys tr")), 20)
        self.assertFalse(self.shown("#next"))
        self.browser.click("#first")
        wait_until(lambda: first() == ["/jobs/000"], "the first page is shown again")
        self.browser.type("#prefix", "<img")
        self.browser.click("#find button")
        wait_until(lambda: first() == [HOSTILE], "names are text")
        self.assertIn("<script>alert(1)</script>", self.text("#keys td"))
        self.browser.type("#prefix", "\\xff")
        self.browser.click("#find button")
        wait_until(lambda: first() == ["\\xff\\xfe"], "bytes are shown, and found")
        self.browser.type("#prefix", "/leased")
        self.browser.click("#find button")
        wait_until(lambda: first() == ["/leased"], "the lease's key is shown")
        self.assertIn("… of 4.9 KiB", " ".join(self.text("#keys td")))
        self.assertIn(lease.lower().lstrip("0"), self.text("#keys td"))
        self.check_page(node.url)
        self.browser.type("#prefix", "nothing here")
        self.browser.click("#find button")
        wait_until(lambda: self.text("#keys-said")[0].startswith("none"), "it says that there are none")
        self.check_manners(node.url)
        tile = dict(zip(self.text("#tiles dt"), self.text("#tiles dd span")))
        self.assertEqual(tile["Leases"], "1")
        self.assertEqual(tile["Keys"], "123")

    def test_by_keyboard(self):
        made = self.cluster(size=1)
        self.open(made.members[0])
        names = self.walk(14)
        self.assertEqual(names[0], "To the cluster")
        for name in ("Elections, the newest first", "Requests per second", "prefix", "Show", "Keys"):
            self.assertTrue(any(n.startswith(name) for n in names), (name, names))

    def test_what_it_may_change(self):
        made = self.cluster("--http-admin")
        leader = made.leader()
        other = next(m for m in made.members if m is not leader)
        made.ctl("put", "k", "v")
        self.open(leader)
        wait_until(lambda: sorted(self.chips().values()) == ["follower", "follower", "leader"],
                   "all members are seen")
        ids = dict(zip(self.chips(), self.browser.run(
            "return [...document.querySelectorAll('#members > li')].map(e => e.dataset.key)")))
        self.browser.click(f"#members > li[data-key='{ids[other.name]}'] button")
        wait_until(lambda: self.text("#leading")[0].startswith(f"{other.name} leads"),
                   "the page shows that it leads")
        self.assertIs(made.leader(), other)
        self.check_manners(leader.url)

    def test_read_only_and_local(self):
        made = self.cluster(size=1)
        node = made.members[0]
        json_post = {"Content-Type": "application/json", "Origin": node.url}
        status, why = self.ask(node, "/ui/move-leader", {"to": "1"}, **json_post)
        self.assertEqual(status, 403)
        self.assertIn("--http-admin", why)
        self.assertEqual(self.ask(node, "/ui/status.json", Host="evil.example")[0], 403)
        status, page = self.ask(node, "/")
        self.assertEqual(status, 200)
        self.assertIn("leader", page)  # what is shown without scripts
        state = json.loads(self.ask(node, "/ui/status.json")[1])
        self.assertEqual([m["name"] for m in state["members"]], [node.name])
        self.assertEqual(json.loads(self.ask(node, "/ui/keys.json?prefix=none")[1])["keys"], [])
        self.assertEqual(self.ask(node, "/ui/nothing")[0], 404)

    def test_admin_refuses_what_does_not_fit(self):
        made = self.cluster("--http-admin", size=1)
        node = made.members[0]
        post = {"Content-Type": "application/json", "Origin": node.url}
        self.assertEqual(self.ask(node, "/ui/move-leader", {"to": "1"}, **post)[0], 409)
        self.assertIn("hexadecimal", self.ask(node, "/ui/move-leader", {"to": 7}, **post)[1])
        self.assertIn("NOSPACE", self.ask(node, "/ui/disarm", {"member": "1", "alarm": "x"}, **post)[1])
        self.assertEqual(self.ask(node, "/ui/disarm", {}, **{**post, "Origin": "http://evil.example"})[0], 403)

    def test_off(self):
        made = self.cluster("--http-pages", "off", size=1)
        node = made.members[0]
        self.assertEqual(self.ask(node, "/ui")[0], 404)
        self.assertEqual(self.ask(node, "/health")[0], 200)

    def test_a_paused_member(self):
        """One that neither answers nor is gone keeps nobody waiting."""
        made = self.cluster()
        leader = made.leader()
        watcher, paused = [m for m in made.members if m is not leader]
        self.open(watcher)
        wait_until(lambda: sorted(self.chips().values()) == ["follower", "follower", "leader"],
                   "all members are seen")
        paused.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.chips()[paused.name] == "unreachable", "it is missed")
        self.assertEqual(self.chips()[leader.name], "leader")
        paused.process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.chips()[paused.name] == "follower", "it is back")
        self.check_manners(watcher.url)


if __name__ == "__main__":
    unittest.main(verbosity=2)
