#!/usr/bin/env python3
"""Installs the build and builds examples/outside against nothing but what was installed.

    package_test.py SOURCE BUILD SANITIZERS     SANITIZERS as in TRIREME_SANITIZE, may be empty
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile


def run(*command):
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")


def lines(output):
    return sorted(line for part in output.glob("part-r-*") for line in part.read_text().splitlines())


def check(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found}, not {wanted}")


def main():
    source, build, sanitizers = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        here = pathlib.Path(name)
        prefix, outside = here / "prefix", here / "build"
        run("cmake", "--install", build, "--prefix", prefix)
        shutil.copytree(pathlib.Path(source) / "examples", here / "examples")
        flags = f"-fsanitize={sanitizers}" if sanitizers else ""
        run("cmake", "-S", here / "examples/outside", "-B", outside, "-G", "Ninja",
            f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_FLAGS={flags}")
        run("cmake", "--build", outside)
        (here / "in").write_text("b a\nb\n")
        run(outside / "wordcount", "--input", here / "in", "--output", here / "counts", "--quiet")
        check("wordcount", lines(here / "counts"), ["a\t1", "b\t2"])
        run(prefix / "bin/trireme", "mr", "run", "--plugin", outside / "longest_line.so",
            "--input", here / "in", "--output", here / "longest", "--quiet")
        check("plugin", lines(here / "longest"), ["b\tb a"])


if __name__ == "__main__":
    main()
