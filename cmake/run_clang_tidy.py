#!/usr/bin/env python3
"""Runs clang-tidy on the files named on standard input that the build compiles, on all processors.

    git ls-files '*.cpp' | run_clang_tidy.py BUILD_DIR      exit code 1 when it has a finding
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys


def main() -> int:
    build = pathlib.Path(sys.argv[1]).resolve()
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    compiled = {str(pathlib.Path(entry["directory"], entry["file"]).resolve()) for entry in commands}
    files = [file for file in sys.stdin.read().splitlines() if str(pathlib.Path(file).resolve()) in compiled]

    def check(file: str) -> tuple[str, int, str]:
        # The build is gcc's: clang does not know all of its options.
        command = ["clang-tidy-14", "-p", str(build), "--quiet", "--extra-arg=-Wno-unknown-warning-option",
                   "--extra-arg=-Wno-ignored-optimization-argument", file]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return file, result.returncode, result.stdout + (result.stderr if result.returncode else "")

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (file, code, output) in enumerate(pool.map(check, files), 1):
            if code != 0 or "warning:" in output:
                failed += 1
                print(output)
            if sys.stderr.isatty():
                print(f"\r{done}/{len(files)} {file:60.60}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"{len(files)} files checked, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
