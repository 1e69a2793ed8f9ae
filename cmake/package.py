#!/usr/bin/env python3
"""Makes a package of a build: a tree that runs where nothing of Tenon's is installed, and its archive.

    package.py --build-dir build/release --output dist/tenon-0.1.0-linux-x86_64

In the tree: the installation (libraries, modules, tools, headers), the test programs with the conformance cases, and the
third-party libraries that they need and a plain Linux does not have, each beside whoever needs it. All is stripped and finds
its libraries relative to itself, so that the tree can be moved. Left out: the module onednn, whose library is large and of no
use on a machine with a GPU. The script fails when the tree grows too large or a program in it does not start from a copy.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

# Modules that a package does not bring, and why; said when one is made.
LEFT_OUT = {
    "onednn": "its library takes most of the room (libdnnl, 38 MiB) and computes on CPUs only, and the package is for machines with a GPU; "
              "what a plan leaves to the host the module cpu computes",
}
LIMIT_MIB = 60
# What every Linux with a C++ runtime has: never brought along.
OF_THE_SYSTEM = (
    "linux-vdso", "ld-linux", "libc.so", "libm.so", "libdl.so", "libpthread.so", "librt.so", "libresolv.so", "libutil.so",
    "libstdc++.so", "libgcc_s.so",
)
# Found on the machine when they are needed: the driver, and libraries of hundreds of megabytes.
OF_THE_MACHINE = ("libcuda.so", "libnvrtc", "libcudnn", "libcublas")


def run(*command: str, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"package: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def is_elf(path: pathlib.Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def is_test(path: pathlib.Path) -> bool:
    return is_elf(path) and os.access(path, os.X_OK)


def install(build: pathlib.Path, tree: pathlib.Path) -> list[str]:
    """Gives the modules that were built and stay out of the tree."""
    run("cmake", "--install", str(build), "--prefix", str(tree), "--strip")
    modules = tree / "lib" / "tenon" / "modules"
    left_out = []
    for name in LEFT_OUT:
        files = (modules / f"libtenon_{name}.so", modules / f"tenon_{name}.tenonmod")
        if any(file.exists() for file in files):
            left_out.append(name)
        for file in files:
            file.unlink(missing_ok=True)
    return left_out


def copy_tests(source: pathlib.Path, build: pathlib.Path, tree: pathlib.Path) -> None:
    """Test programs that stand alone: those that look for the source tree are of no use elsewhere."""
    target = tree / "tests" / "bin"
    for name in ("conformance_test", "device_test"):
        for folder in (build / "tests" / "bin", build / "tests", build / "bin"):
            program = folder / name
            if is_test(program):
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(program, target / name)
                run("strip", str(target / name))
                break
        else:
            print(f"package: no test program {name} in {build}", file=sys.stderr)
    write_gpu_tests(source, tree)
    cases = tree / "share" / "tenon" / "conformance"
    shutil.copytree(source / "tests" / "conformance" / "cases", cases, dirs_exist_ok=True)
    shutil.copytree(source / "tests" / "conformance" / "lists", cases / "lists", dirs_exist_ok=True)


def write_gpu_tests(source: pathlib.Path, tree: pathlib.Path) -> None:
    """What has the label gpu in the build, for ctest where only the package is: ctest --test-dir TREE/tests -L gpu."""
    lines = ["# Made by cmake/package.py; paths are relative to this file, beside which ctest runs the tests."]
    for module in ("cuda", "cublaslt", "cudnn"):
        for cases in sorted((source / "tests" / "conformance" / "cases").glob("*.cases")):
            name = f"Modules/Conformance.Cases/{module}_{cases.stem}"
            lines.append(f'add_test("conformance.{name}" "bin/conformance_test" "--gtest_filter={name}")')
            lines.append(f'set_tests_properties("conformance.{name}" PROPERTIES LABELS "conformance;gpu" TIMEOUT 600 '
                         'ENVIRONMENT "TENON_CONFORMANCE_PREFIX=.." SKIP_REGULAR_EXPRESSION "[[]  SKIPPED ")')
    lines += gpu_api_tests(tree)
    (tree / "tests" / "CTestTestfile.cmake").write_text("\n".join(lines) + "\n")


def gpu_api_tests(tree: pathlib.Path) -> list[str]:
    """One ctest test for each test of device_test, if the build has it: it needs the CUDA runtime."""
    program = tree / "tests" / "bin" / "device_test"
    lines, suite = [], ""
    for line in run(str(program), "--gtest_list_tests").splitlines() if program.exists() else []:
        if not line.startswith(" "):
            suite = line.strip()
            continue
        name = suite + line.strip()
        lines.append(f'add_test("gpu.{name}" "bin/device_test" "--gtest_filter={name}")')
        lines.append(f'set_tests_properties("gpu.{name}" PROPERTIES LABELS "gpu" TIMEOUT 120 '
                     'SKIP_REGULAR_EXPRESSION "[[]  SKIPPED ")')
    return lines


def needed(file: pathlib.Path) -> list[tuple[str, str]]:
    """Direct and indirect shared libraries: name and where the loader finds it, "" for nowhere."""
    environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    found = []
    for line in run("ldd", str(file), env=environment).splitlines():
        name, arrow, place = line.strip().partition(" => ")
        if arrow:
            found.append((name, "" if place.startswith("not found") else place.split(" (")[0].strip()))
    return found


def bring_libraries(tree: pathlib.Path) -> list[str]:
    problems = []
    for file in sorted(tree.rglob("*")):
        if not is_elf(file):
            continue
        # Programs look into ../lib, libraries and modules beside themselves.
        beside = tree / "lib" if file.parent.name == "bin" else file.parent
        for name, place in needed(file):
            if name.startswith(OF_THE_SYSTEM + OF_THE_MACHINE) or pathlib.Path(place).is_relative_to(tree):
                continue
            if not place:
                problems.append(f"{file.relative_to(tree)} needs {name}, which is nowhere")
                continue
            target = beside / name
            if not target.exists():
                shutil.copy2(pathlib.Path(place).resolve(), target)
                target.chmod(0o755)
                run("strip", "--strip-unneeded", str(target))
    return problems


def foreign_paths(tree: pathlib.Path) -> list[str]:
    """Run paths that point out of the tree would bind other libraries on another machine."""
    problems = []
    for file in sorted(tree.rglob("*")):
        if not is_elf(file):
            continue
        for line in run("readelf", "-d", str(file)).splitlines():
            if "(RUNPATH)" in line or "(RPATH)" in line:
                paths = line.split("[", 1)[1].rstrip("]").split(":")
                bad = [path for path in paths if path and not path.startswith("$ORIGIN")]
                if bad:
                    problems.append(f"{file.relative_to(tree)} looks for libraries in {', '.join(bad)}")
    return problems


def try_copy(tree: pathlib.Path) -> list[str]:
    """Starts the tool from a copy elsewhere, in an empty environment: what it lists must be there."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "moved"
        shutil.copytree(tree, copy, symlinks=True)
        done = subprocess.run([str(copy / "bin" / "tenon"), "modules"], capture_output=True, text=True, env={}, timeout=120)
        if done.returncode != 0:
            return [f"tenon modules fails in a copy of the tree:\n{done.stdout}{done.stderr}"]
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--source-dir", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="the tree; the archive is written beside it")
    parser.add_argument("--limit-mib", type=float, default=LIMIT_MIB)
    arguments = parser.parse_args()
    tree = arguments.output.resolve()
    shutil.rmtree(tree, ignore_errors=True)
    left_out = install(arguments.build_dir.resolve(), tree)
    copy_tests(arguments.source_dir, arguments.build_dir.resolve(), tree)
    problems = bring_libraries(tree) + foreign_paths(tree) + try_copy(tree)
    size = sum(file.stat().st_size for file in tree.rglob("*") if file.is_file() and not file.is_symlink()) / 2**20
    if size > arguments.limit_mib:
        problems.append(f"the tree has {size:.1f} MiB; {arguments.limit_mib:g} are allowed")
    if problems:
        sys.exit("package: " + "\npackage: ".join(problems))
    archive = tree.with_name(tree.name + ".tar.gz")
    with tarfile.open(archive, "w:gz") as stream:
        stream.add(tree, tree.name)
    for name in left_out:
        print(f"left out: module {name}: {LEFT_OUT[name]}")
    print(f"{tree}: {size:.1f} MiB; {archive.name}: {archive.stat().st_size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
