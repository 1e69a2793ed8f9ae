#!/usr/bin/env python3
"""Fails when a file includes what its folder may not: core folders follow cmake/layers.txt, modules see the SDK only.

    check_includes.py [REPOSITORY]
"""
import pathlib
import re
import sys

SUFFIXES = {".h", ".hpp", ".c", ".cc", ".cpp", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')
# Folders of modules: they may include the public headers and their own files.
MODULE_FOLDERS = ("backends", "plugins", "parsers")


def read_layers(repository: pathlib.Path) -> dict[str, set[str]]:
    """Folder -> folders that it may include, itself among them. Checks that the table only points upwards."""
    layers: dict[str, set[str]] = {}
    for line in (repository / "cmake/layers.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        folder, _, allowed = (column.strip() for column in line.split("|"))
        for name in allowed.split():
            if name not in layers:
                sys.exit(f"cmake/layers.txt: {folder} may not include {name}, which is not above it")
        layers[folder] = set(allowed.split()) | {folder}
    return layers


def layer_of(path: str, layers: dict[str, set[str]]) -> str | None:
    return next((folder for folder in layers if path.startswith(folder + "/")), None)


# Folders whose sources a module compiles into itself. cpu runs the oracle's loops for ops that it has nothing faster for.
# cublaslt and cudnn, and what they share, launch on the streams of cuda.
SHARES = {
    "backends/cpu/": ("backends/reference/",),
    "backends/cublaslt/": ("backends/nvidia/", "backends/cuda/stream.h"),
    "backends/cudnn/": ("backends/nvidia/", "backends/cuda/stream.h"),
    "backends/nvidia/": ("backends/cuda/stream.h",),
}

# The module ABI in C, which every folder of the core may use.
C_HEADERS = tuple(f"tenon/module/{name}.h" for name in ("abi", "capture", "host_memory", "trace"))


def problem(path: str, include: str, layers: dict[str, set[str]]) -> str | None:
    """Why `path` may not include `include`, or None."""
    target = layer_of(include, layers)
    is_core_header = target is not None or include.startswith("core/")
    layer = layer_of(path, layers)
    if layer is not None:
        if target is not None and target not in layers[layer]:
            return f"{layer} may not include {target} (cmake/layers.txt)"
        if include.startswith(MODULE_FOLDERS + ("tools/", "tests/")):
            return "the core knows no module, tool or test"
        if include.startswith("tenon/") and layer != "core/api" and include not in C_HEADERS:
            return "only core/api includes public headers; the rest of the core may use the C headers of tenon/module"
        return None
    if path.startswith("include/"):
        if is_core_header:
            return "a public header includes no internal one"
        return None
    if path.startswith(MODULE_FOLDERS):
        if is_core_header:
            return "a module sees the public headers (include/tenon) only"
        # Modules of one kind may share code in <kind>/common, which is compiled into each of them.
        own = "/".join(path.split("/")[:2]) + "/"
        common = path.split("/")[0] + "/common/"
        if include.startswith(MODULE_FOLDERS) and not include.startswith((own, common, *SHARES.get(own, ()))):
            return f"a module includes its own files ({own}) and {common} only"
    return None


def main() -> int:
    repository = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    layers = read_layers(repository)
    problems = []
    checked = 0
    for top in ("core", "registry", "include", *MODULE_FOLDERS):
        for file in sorted((repository / top).rglob("*")):
            if file.suffix not in SUFFIXES:
                continue
            checked += 1
            path = file.relative_to(repository).as_posix()
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                reason = problem(path, match.group(1), layers) if match else None
                if reason:
                    problems.append(f"{path}:{number}: {match.group(1)}: {reason}")
    print("\n".join(problems) if problems else f"{checked} files checked")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
