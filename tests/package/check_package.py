#!/usr/bin/env python3
"""Makes the package of a build and checks what is said of it, and what is in it.

    check_package.py PACKAGE_PY BUILD_DIR
"""
import pathlib
import subprocess
import sys
import tarfile
import tempfile


def main() -> int:
    script, build = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="tenon-package-") as folder:
        tree = pathlib.Path(folder) / "tenon"
        done = subprocess.run([sys.executable, script, "--build-dir", build, "--output", str(tree)], capture_output=True, text=True)
        print(done.stdout + done.stderr, end="")
        if done.returncode != 0:
            return 1
        built = {file.name for file in (pathlib.Path(build) / "lib" / "tenon" / "modules").glob("libtenon_*.so")}
        packed = {file.name for file in (tree / "lib" / "tenon" / "modules").glob("libtenon_*.so")}
        missing = sorted(name.removeprefix("libtenon_").removesuffix(".so") for name in built - packed)
        unsaid = [name for name in missing if f"left out: module {name}: " not in done.stdout]
        if unsaid:
            print(f"modules that are left out without a word: {', '.join(unsaid)}")
            return 1
        with tarfile.open(f"{tree}.tar.gz") as archive:
            if "tenon/bin/tenon" not in archive.getnames():
                print("the archive has no bin/tenon")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
