#!/usr/bin/env python3
"""Checks the dynamic symbols of the libraries and modules of a build.

    check_exports.py LIB_DIR

The core exports C functions tenon_* to everybody, and C++ of namespace tenon under the private version only; a module
exports its query function and nothing else, but for those that say why below.
"""
import pathlib
import re
import subprocess
import sys


def exported(library: pathlib.Path) -> list[str]:
    """Names with their versions: "tenon_x@@TENON_0"."""
    output = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", str(library)],
                            capture_output=True, text=True, check=True).stdout
    # Absolute symbols (type A) are the version nodes themselves.
    return [fields[2] for fields in map(str.split, output.splitlines()) if len(fields) == 3 and fields[1] != "A"]


def demangled(names: list[str]) -> list[str]:
    result = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


# The part of the OpenMP runtime that oneDNN finds in the module: docs/adr/0007-thread-team.md.
EXPORTED_TOO = {
    "libtenon_onednn.so": ["GOMP_barrier", "GOMP_parallel", "omp_get_max_threads", "omp_get_num_threads", "omp_get_thread_num", "omp_in_parallel"]}


def main() -> int:
    lib = pathlib.Path(sys.argv[1])
    problems = []
    core = sorted(path for path in lib.glob("libtenon*.so") if path.is_file())
    modules = sorted((lib / "tenon/modules").glob("libtenon_*.so"))
    for library in core:
        names = exported(library)
        plain = demangled([name.split("@")[0] for name in names])
        for name, text in zip(names, plain):
            public = re.fullmatch(r"tenon_\w+@@TENON_\d+", name)
            private = "@@TENON_PRIVATE_" in name and re.match(
                r"(typeinfo for |typeinfo name for |vtable for )?tenon::", text)
            if not public and not private:
                problems.append(f"{library.name}: {text} ({name})")
    for module in modules:
        names = exported(module)
        if names != sorted(["tenon_module_query_v1", *EXPORTED_TOO.get(module.name, ())]):
            problems.append(f"{module.name}: exports {', '.join(names) or 'nothing'}")
    print("\n".join(problems) if problems else f"{len(core)} libraries and {len(modules)} modules checked")
    return 1 if problems or not core else 0


if __name__ == "__main__":
    sys.exit(main())
