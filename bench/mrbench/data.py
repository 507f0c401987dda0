"""The benchmark's data: made once by baseline_generate, used again while it is complete."""
import fcntl
import hashlib
import json
import os
import shutil
import subprocess

MARKER = "this-is-trireme-bench-data"
GIB = 1 << 30
# Beside the data: the largest outputs of one row, intermediate data, and some air.
WORKING_SPACE_FACTOR = 2.5


class DataError(Exception):
    pass


def default_dir():
    return os.environ.get("TRIREME_BENCH_DIR") or "/var/tmp/trireme-bench"


class Data:
    """Text of `files` files and a file of records under `root`, each of the asked size."""

    def __init__(self, root, bin_dir, source_dir, file_bytes):
        self.root = os.path.abspath(root)
        self.generator = os.path.join(bin_dir, "baseline_generate")
        self.source = os.path.join(source_dir, "baseline", "generate.cc")
        self.file_bytes = file_bytes
        self.dir = os.path.join(self.root, f"data-{file_bytes >> 20}m")
        self.scratch = os.path.join(self.root, "work")
        self.lock = None  # held until the benchmark ends: its outputs have fixed names

    def open(self):
        """Makes the folder ours, or refuses one that is somebody else's."""
        os.makedirs(self.root, exist_ok=True)
        marker = os.path.join(self.root, MARKER)
        if not os.path.exists(marker) and os.listdir(self.root):
            raise DataError(f"{self.root} is not empty and was not made by this benchmark; "
                            "set TRIREME_BENCH_DIR to a new folder")
        self.lock = open(marker, "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another benchmark uses {self.root}; wait for it, or set "
                            "TRIREME_BENCH_DIR to another folder") from None
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.scratch)
        os.makedirs(self.dir, exist_ok=True)

    def clean(self):
        if not os.path.exists(self.root):
            return
        if not os.path.exists(os.path.join(self.root, MARKER)):
            raise DataError(f"{self.root} was not made by this benchmark; not deleted")
        shutil.rmtree(self.root)

    def text(self, files):
        """The first `files` text files, in name order."""
        return [os.path.join(self.dir, f"text-{i:02d}.txt") for i in range(files)]

    def text_dir(self, files):
        """A folder that holds just the first `files` text files, by hard links."""
        folder = os.path.join(self.dir, f"first-{files}")
        os.makedirs(folder, exist_ok=True)
        for path in self.text(files):
            link = os.path.join(folder, os.path.basename(path))
            if not (os.path.exists(link) and os.path.samefile(link, path)):
                if os.path.exists(link):
                    os.remove(link)
                os.link(path, link)
        return folder

    def records(self, size):
        return os.path.join(self.dir, f"records-{size >> 20}m.dat")

    def tiny(self):
        path = os.path.join(self.dir, "tiny.txt")
        with open(path, "w") as file:
            file.write("the quick brown fox jumps over the lazy dog\n" * 20)
        return path

    def manifest_path(self):
        return os.path.join(self.dir, "complete.json")

    def load_manifest(self):
        """Sizes of complete files; empty when the generator has changed since."""
        with open(self.source, "rb") as file:
            source = hashlib.sha256(file.read()).hexdigest()
        try:
            with open(self.manifest_path()) as file:
                manifest = json.load(file)
        except (FileNotFoundError, json.JSONDecodeError):
            manifest = {}
        return manifest if manifest.get("generator") == source else {"generator": source, "sizes": {}}

    def is_complete(self, manifest, path):
        size = manifest["sizes"].get(os.path.basename(path))
        return size is not None and os.path.exists(path) and os.path.getsize(path) == size

    def require(self, files, records_bytes, say):
        """Makes what is missing of `files` text files and of a records file."""
        manifest = self.load_manifest()
        missing = [i for i, path in enumerate(self.text(files)) if not self.is_complete(manifest, path)]
        records = self.records(records_bytes) if records_bytes else None
        needs_records = records is not None and not self.is_complete(manifest, records)
        new_bytes = len(missing) * self.file_bytes + (records_bytes if needs_records else 0)
        largest = max(files * self.file_bytes, records_bytes)
        self.check_space(new_bytes + int(largest * WORKING_SPACE_FACTOR))
        if missing:
            say(f"making {len(missing)} text files of {self.file_bytes >> 20} MiB in {self.dir}")
        for first, last in ranges_of(missing):
            self.generate("text", self.dir, first, last, self.file_bytes)
        if needs_records:
            say(f"making {records_bytes >> 20} MiB of records in {self.dir}")
            self.generate("records", records, records_bytes)
        made = [self.text(files)[i] for i in missing]
        for path in made + ([records] if needs_records else []):
            manifest["sizes"][os.path.basename(path)] = os.path.getsize(path)
        with open(self.manifest_path() + ".new", "w") as file:
            json.dump(manifest, file)
        os.replace(self.manifest_path() + ".new", self.manifest_path())

    def generate(self, *arguments):
        subprocess.run([self.generator, *map(str, arguments)], check=True)

    def check_space(self, needed):
        free = shutil.disk_usage(self.root).free
        if free < needed:
            raise DataError(f"{self.root} has {free / GIB:.1f} GiB free; the benchmark needs "
                            f"{needed / GIB:.1f} GiB: set TRIREME_BENCH_DIR to a larger disk, or use "
                            "--gib 0.5 or --quick")


def ranges_of(numbers):
    """[1, 2, 3, 7] as [(1, 3), (7, 7)]."""
    ranges = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def warm(paths):
    """Reads the files once, so that every contender finds them in the page cache."""
    buffer = bytearray(4 << 20)
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
