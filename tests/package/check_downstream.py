#!/usr/bin/env python3
"""Installs a build into a temporary folder, moves it, and builds and runs a project that only knows the package."""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile


def run(*command: object, env: dict[str, str] | None = None) -> str:
    words = [str(word) for word in command]
    result = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    if result.returncode != 0:
        print(f"$ {' '.join(words)}\n{result.stdout}{result.stderr}\nexit code {result.returncode}")
        sys.exit(1)
    return result.stdout


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("cmake", "generator", "build-dir", "c", "cxx"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--flags", default="")
    parser.add_argument("--sanitizer", default="")
    options = parser.parse_args()
    source = pathlib.Path(__file__).parent / "downstream"
    # Nothing of the machine's environment may be what makes it work.
    env = {key: value for key, value in os.environ.items() if not key.startswith(("TENON_", "LD_LIBRARY_PATH"))}
    with tempfile.TemporaryDirectory(prefix="tenon-package-") as folder:
        root = pathlib.Path(folder)
        run(options.cmake, "--install", options.build_dir, "--prefix", root / "first")
        prefix = (root / "first").rename(root / "moved here")
        run(options.cmake, "-S", source, "-B", root / "build", "-G", options.generator,
            f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_C_COMPILER={options.c}", f"-DCMAKE_CXX_COMPILER={options.cxx}",
            f"-DCMAKE_C_FLAGS={options.flags}", f"-DCMAKE_CXX_FLAGS={options.flags}",
            f"-DTENON_SANITIZER_NAME={options.sanitizer}", env=env)
        run(options.cmake, "--build", root / "build", env=env)
        print(run(root / "build/consumer", env=env), end="")
        manifest = (root / "build/modules/tenon_downstream.tenonmod").read_text(encoding="utf-8")
        expected = {"name = downstream", "version = 2.5.0", "library = libtenon_downstream.so",
                    "provides = backend:downstream, provider:downstream", "rank = 7",
                    f"sanitizer = {options.sanitizer}".rstrip()}
        missing = expected - {line.rstrip() for line in manifest.splitlines()}
        if missing:
            print(f"manifest lacks {sorted(missing)}:\n{manifest}")
            return 1
        tool = prefix / "bin/tenon"
        if tool.exists():
            # From any folder, with the module of the other project on the search path.
            listing = run(tool, "modules", env={**env, "TENON_MODULE_PATH": str(root / "build/modules")})
            if "downstream" not in listing:
                print(f"`tenon modules` does not list the module of the other project:\n{listing}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
