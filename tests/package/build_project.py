#!/usr/bin/env python3
"""Builds a project against an installed Tenon and runs commands in it.

    build_project.py --cmake CMAKE --generator G --c CC --cxx CXX [--flags F] --prefix P --source S --build B
                     [-- COMMAND WORD... [+ COMMAND WORD...]...]

In the commands {prefix}, {source} and {build} stand for the three folders. The first failure ends it; exit code 77 of a
command is passed on as a skip.
"""
import argparse
import os
import subprocess
import sys


def run(words: list[str], env: dict[str, str], quiet: bool) -> None:
    result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, check=False)
    if not quiet or result.returncode != 0:
        print(f"$ {' '.join(words)}\n{result.stdout}", end="", flush=True)
    if result.returncode != 0:
        print(f"exit code {result.returncode}")
        sys.exit(77 if result.returncode == 77 and not quiet else 1)


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("cmake", "generator", "c", "cxx", "prefix", "source", "build"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--flags", default="")
    parser.add_argument("commands", nargs="*")
    options = parser.parse_args()
    # Nothing of the machine's environment may be what makes it work.
    env = {key: value for key, value in os.environ.items() if not key.startswith(("TENON_", "LD_LIBRARY_PATH"))}
    run([options.cmake, "-S", options.source, "-B", options.build, "-G", options.generator,
         f"-DCMAKE_PREFIX_PATH={options.prefix}", f"-DCMAKE_C_COMPILER={options.c}",
         f"-DCMAKE_CXX_COMPILER={options.cxx}", f"-DCMAKE_C_FLAGS={options.flags}",
         f"-DCMAKE_CXX_FLAGS={options.flags}"], env, quiet=True)
    run([options.cmake, "--build", options.build], env, quiet=True)
    folders = {"{prefix}": options.prefix, "{source}": options.source, "{build}": options.build}
    command: list[str] = []
    for word in [*options.commands, "+"]:
        if word != "+":
            for mark, folder in folders.items():
                word = word.replace(mark, folder)
            command.append(word)
        elif command:
            run(command, env, quiet=False)
            command = []
    return 0


if __name__ == "__main__":
    sys.exit(main())
