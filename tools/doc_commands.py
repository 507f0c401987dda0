#!/usr/bin/env python3
"""Runs the commands that the documents show.

    tools/doc_commands.py BIN PAGE...    run every ```sh block of each page, with BIN on PATH

The blocks of a page run one after the other, each by `bash -euo pipefail`, in one new directory that has
`examples/` in it, as for a reader who follows the page from its top. A block ```output right after a block
is what that prints on standard output. Blocks of other languages (```console for what is not run here) are
passed over. Where a page has a section `## Flags`, its table must have the flags of `trireme mr run --help`, no
more and no fewer.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from markdown import fences  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
BLOCK_SECONDS_MAX = 60


def run_page(page, bin_folder):
    """The number of blocks run; raises SystemExit at the first that fails."""
    environment = dict(os.environ, PATH=f'{bin_folder}:{os.environ["PATH"]}', LC_ALL='C.UTF-8')
    blocks = fences(page.read_text())
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / 'examples', Path(folder) / 'examples')
        for place, block in enumerate(blocks):
            if block.language != 'sh':
                continue
            count += 1
            done = subprocess.run(['bash', '-euo', 'pipefail', '-c', block.text], cwd=folder,
                                  env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=BLOCK_SECONDS_MAX)
            if done.returncode != 0:
                raise SystemExit(f'{page.name}:{block.line}: exit status {done.returncode}\n'
                                 f'{block.text}--- stdout\n{done.stdout}--- stderr\n{done.stderr}')
            after = blocks[place + 1] if place + 1 < len(blocks) else None
            if after is not None and after.language == 'output' and after.text != done.stdout:
                raise SystemExit(f'{page.name}:{after.line}: shows\n{after.text}--- but got\n{done.stdout}')
    return count


def check_flags(page, bin_folder):
    """The flags in the page's table are those that the program knows."""
    section = re.search(r'^## Flags\n(.*?)^## ', page.read_text(), re.DOTALL | re.MULTILINE)
    if section is None:
        return
    rows = ''.join(re.findall(r'^\| (`-.*?) \|', section.group(1), re.MULTILINE))
    documented = set(re.findall(r'--[a-z][\w-]*', rows))
    help_text = subprocess.run([f'{bin_folder}/trireme', 'mr', 'run', '--help'], check=True,
                               capture_output=True, text=True).stdout
    known = set(re.findall(r'^\s+(?:-\w,\s*)?(--[a-z][\w-]*)', help_text, re.MULTILINE)) - {'--help'}
    if documented != known:
        raise SystemExit(f'{page.name}: flags in the table only: {sorted(documented - known)}; '
                         f'in --help only: {sorted(known - documented)}')


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    for name in sys.argv[2:]:
        count = run_page(ROOT / name, Path(sys.argv[1]).resolve())
        if count == 0:
            raise SystemExit(f'{name}: no ```sh block: nothing was checked')
        check_flags(ROOT / name, Path(sys.argv[1]).resolve())
        print(f'{name}: {count} blocks')
    return 0


if __name__ == '__main__':
    sys.exit(main())
