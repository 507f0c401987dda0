"""`trireme sim` as its user sees it: what it prints and how it ends."""
import re
import subprocess
import sys
import unittest

TRIREME = sys.argv.pop(1)
# Nobody is given time to elect after the last fault, so this world fails.
FAILING = ['--seed', '1', '--with', 'settle_ms=0', 'crash_ms=500', 'safety_ms=2000']


def sim(*arguments):
    done = subprocess.run([TRIREME, 'sim', *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class SimCommandTest(unittest.TestCase):
    def test_one_world(self):
        status, out, err = sim('--seed', '7')
        self.assertEqual((status, err), (0, ''))
        self.assertRegex(out, r'^seed 7: [0-9.]+ s, \d+ events, \d+ operations, \d+ entries committed\n$')

    def test_a_trace_is_the_same_to_the_byte(self):
        traces = [sim('--seed', '3', '--trace') for _ in range(2)]
        self.assertEqual(traces[0], traces[1])
        self.assertEqual(traces[0][0], 0)
        self.assertGreater(len(traces[0][1]), 10_000)

    def test_threads_do_not_matter(self):
        alone = sim('--seeds', '1..8')
        self.assertEqual(alone[0], 0)
        self.assertRegex(alone[1], r'^seeds 1\.\.8: 0 fail; ')
        self.assertEqual(sim('--seeds', '1..8', '--jobs', '2'), alone)

    def test_a_sharded_store(self):
        status, out, err = sim('--sharded', '--seed', '7')
        self.assertEqual((status, err), (0, ''))
        self.assertRegex(out, r'^seed 7: [0-9.]+ s, \d+ events, \d+ operations, \d+ entries committed\n$')
        trace = sim('--sharded', '--seed', '7', '--trace')
        self.assertEqual(trace[0], 0)
        self.assertIn(' applies ', trace[1])
        self.assertIn(' freeze ', trace[1])
        status, out, _ = sim('--sharded', *FAILING)
        self.assertEqual(status, 1)
        self.assertRegex(out, r'  trireme sim --sharded --seed 1 --trace ')

    def test_a_failure_says_how_to_see_it_again(self):
        status, out, _ = sim(*FAILING)
        self.assertEqual(status, 1)
        self.assertRegex(out, r'^seed 1 fails at [0-9.]+ s: no progress ')
        self.assertIn('seed=1 voters=', out)
        commands = re.findall(r'^  trireme (sim --seed 1 --trace .*)$', out, re.MULTILINE)
        self.assertEqual(len(commands), 2, out)
        self.assertIn('the shortest found in', out)
        for command in commands:
            again = sim(*command.split()[1:])
            self.assertEqual(again[0], 1)
            self.assertIn('violation: no progress', again[1])

    def test_of_many_the_first_failure_is_shrunk(self):
        status, out, _ = sim('--seeds', '1..3', '--with', 'settle_ms=0', 'crash_ms=500', 'safety_ms=2000')
        self.assertEqual(status, 1)
        self.assertEqual(out.count('the shortest found in'), 1)
        self.assertRegex(out, r'seeds 1\.\.3: [1-3] fail; ')

    def test_options_are_listed_and_set(self):
        status, out, _ = sim('--seed', '7', '--options', '--with', 'voters=5')
        self.assertEqual(status, 0)
        self.assertIn('\nvoters=5\n', out)
        self.assertIn('\nlog_storage=', out)

    def test_wrong_use(self):
        for arguments, message in (
                (['--seeds', '9..1'], "--seeds '9..1': give two numbers, the lower one first"),
                (['--seeds', '1..2', '--trace'], '--trace and --options are for one world'),
                (['--with', 'crush_ms=1'], "no option of the simulator is named 'crush_ms'"),
                (['--with', 'crash_ms'], "--with 'crash_ms': give name=value"),
                (['--with', 'voters=0'], 'voters: give 1 to 9'),
                (['--sharded', '--kv'], '--kv excludes --sharded'),
                (['--with', 'groups=13'], 'groups: give at most 12'),
                (['--sharded', '--with', 'groups=0'], 'groups, controllers: with --sharded, give 1 or more'),
                (['--jobs', '0'], 'see `trireme sim --help`')):
            status, out, err = sim(*arguments)
            self.assertEqual((status, out), (2, ''), arguments)
            self.assertIn(message, err)

    def test_help(self):
        status, out, _ = sim('--help')
        self.assertEqual(status, 0)
        for word in ('--seed', '--seeds', '--jobs', '--trace', '--with', 'Exit status'):
            self.assertIn(word, out)


if __name__ == '__main__':
    unittest.main()
