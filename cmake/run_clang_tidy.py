#!/usr/bin/env python3
"""Runs clang-tidy on the sources that the build compiles, on all processors, the ones changed last first.

    run_clang_tidy.py BUILD_DIR [--minutes M] [FILES...]      exit code 1 when there is a finding

A file that was clean is not checked again before it, a header that it includes or the list of checks changes: BUILD_DIR/clang-tidy.json
remembers that. With --minutes no new file is begun after that time, and the output says how many are left.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def newest_first(files: list[pathlib.Path]) -> list[pathlib.Path]:
    """By the last commit that touched them; what is not committed comes first. Without git, as they are."""
    log = subprocess.run(["git", "-C", str(ROOT), "log", "--format=", "--name-only", "-200"], capture_output=True, text=True, check=False)
    dirty = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain"], capture_output=True, text=True, check=False)
    names = [line[3:] for line in dirty.stdout.splitlines()] + log.stdout.split()
    age: dict[pathlib.Path, int] = {}
    for name in names:
        age.setdefault(ROOT / name, len(age))
    return sorted(files, key=lambda file: age.get(file, len(age)))


class Fingerprints:
    """Of a source with everything of the project that it includes, as the build found out."""

    def __init__(self, build: pathlib.Path) -> None:
        self.contents: dict[pathlib.Path, bytes] = {}
        self.includes: dict[pathlib.Path, list[pathlib.Path]] = {}
        listing = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True, check=False).stdout
        for block in listing.split("\n\n"):
            paths = [pathlib.Path(os.path.normpath(build / line.strip())) for line in block.splitlines()[1:]]
            paths = [path for path in paths if path.is_relative_to(ROOT)]
            if paths:
                self.includes[paths[0]] = paths

    def content(self, path: pathlib.Path) -> bytes:
        if path not in self.contents:
            self.contents[path] = hashlib.sha256(path.read_bytes() if path.exists() else b"").digest()
        return self.contents[path]

    def of(self, file: pathlib.Path) -> str:
        whole = hashlib.sha256(self.content(ROOT / ".clang-tidy"))
        for path in sorted(set([file, *self.includes.get(file, [])])):
            whole.update(self.content(path))
        return whole.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    memory = build / "clang-tidy.json"
    clean: dict[str, str] = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    compiled = {pathlib.Path(entry["directory"], entry["file"]).resolve() for entry in commands}
    wanted = {file.resolve() for file in arguments.files} or compiled
    files = sorted(file for file in compiled & wanted if file.suffix == ".cpp" and file.is_relative_to(ROOT) and
                   not file.is_relative_to(build) and ".cache" not in file.parts)
    prints = Fingerprints(build)
    # Taken before anything runs: a file that is edited meanwhile is checked again next time.
    print_of = {file: prints.of(file) for file in files}
    pending = newest_first([file for file in files if clean.get(str(file)) != print_of[file]])
    end = time.monotonic() + 60 * arguments.minutes

    def check(file: pathlib.Path):
        if time.monotonic() > end:
            return file, None, ""
        # The build is gcc's: clang does not know all of its options.
        command = ["clang-tidy-14", "-p", str(build), "--quiet", "--extra-arg=-Wno-unknown-warning-option",
                   "--extra-arg=-Wno-ignored-optimization-argument", str(file)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return file, result.returncode == 0 and "warning:" not in result.stdout, result.stdout + (result.stderr if result.returncode else "")

    failed = left = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (file, good, output) in enumerate(pool.map(check, pending), 1):
            if good is None:
                left += 1
            elif good:
                clean[str(file)] = print_of[file]
            else:
                failed += 1
                print(output)
            if sys.stderr.isatty():
                print(f"\r{done}/{len(pending)} {str(file):60.60}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    memory.write_text(json.dumps(clean, indent=1, sort_keys=True), encoding="utf-8")
    print(f"{len(files)} files: {len(files) - len(pending)} unchanged since they were clean, {len(pending) - left} checked, {failed} with findings")
    if left:
        print(f"{left} files not checked within {arguments.minutes:g} minutes; ./dev lint checks all")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
