#!/usr/bin/env python3
"""`trireme raft inspect` on directories as they may be: help, wrong use, none, damaged, in use."""
import fcntl
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

TRIREME = str(pathlib.Path(os.environ['TRIREME_BIN']) / 'trireme')


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def with_checksum(fields):
    return fields + struct.pack('<I', crc32c(fields))


def inspect(*arguments):
    return subprocess.run([TRIREME, 'raft', 'inspect', *arguments], capture_output=True, text=True)


class InspectTest(unittest.TestCase):
    """Directories written by hand, from the format page."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def write_log(self):
        (self.path / 'identity').write_bytes(with_checksum(b'TRIRAFT1' + struct.pack('<QQ', 0x4d, 3)))
        block = with_checksum(b'TRIRWAL1' + struct.pack('<QQQQQI', 0x4d, 3, 1, 1, 65536, 1))
        # hard state (term 5, vote 2) and one entry (index 1, term 5, "hello") of group 9
        descriptor = (bytes([1, 1, 1, 9, 2 + 32, 5, 2, 1, 1, 5, 128, 5])
                      + struct.pack('<I', crc32c(b'hello')))
        header = struct.pack('<IQQIIII', 0x31425254, 1, 0, 1, len(descriptor), 5, crc32c(descriptor))
        seed = struct.unpack('<I', block[-4:])[0]
        # crc32c of header with a seed: the register starts from the seed's complement.
        crc = seed ^ 0xFFFFFFFF
        for byte in header:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        frame = struct.pack('<I', crc ^ 0xFFFFFFFF) + header + descriptor + b'hello'
        whole = block.ljust(4096, b'\0') + frame
        (self.path / 'wal-0000000000000001').write_bytes(whole.ljust(65536, b'\0'))
        return 4096 + 40 + len(descriptor)

    def test_reads_what_the_format_page_says(self):
        self.write_log()
        done = inspect(str(self.path))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn('node 3 of cluster 000000000000004d', done.stdout)
        self.assertIn('group 9: term 5, vote 2; log after 0 (term 0) up to 1 (term 5)', done.stdout)
        found = json.loads(inspect(str(self.path), '--json').stdout)
        self.assertTrue(found['sound'])
        self.assertEqual(found['segments'][0]['entries'], 1)
        self.assertEqual(found['groups'][0]['terms'], [{'first': 1, 'term': 5}])

    def test_a_damaged_block_is_named(self):
        self.write_log()
        file = self.path / 'wal-0000000000000001'
        file.write_bytes(file.read_bytes().replace(b'TRIRWAL1', b'TRIRWALX'))
        done = inspect(str(self.path))
        self.assertEqual(done.returncode, 1)
        self.assertIn('wal-0000000000000001: damaged at offset 0', done.stdout)
        self.assertTrue(done.stdout.endswith('DAMAGED\n'))

    def test_a_running_nodes_directory_is_left_alone(self):
        self.write_log()
        with open(self.path / 'lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = inspect(str(self.path))
        self.assertEqual(done.returncode, 1)
        self.assertIn('a running node has this directory', done.stderr)

    def test_other_directories_and_wrong_use(self):
        done = inspect(str(self.path))
        self.assertEqual(done.returncode, 1)
        self.assertIn('not the directory of a node', done.stderr)
        self.assertEqual(inspect(str(self.path / 'none')).returncode, 1)
        self.assertEqual(inspect().returncode, 2)
        self.assertEqual(inspect('a', 'b').returncode, 2)
        self.assertEqual(inspect('--help').returncode, 0)
        self.assertEqual(list(self.path.iterdir()), [])


if __name__ == '__main__':
    unittest.main()
