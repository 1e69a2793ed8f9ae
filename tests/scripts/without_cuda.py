#!/usr/bin/env python3
"""Configures the preset cpu-only, and builds one module of it: a tree without CUDA must know no file or target that only CUDA brings.

    without_cuda.py CMAKE SOURCE_DIR BUILD_DIR C_COMPILER CXX_COMPILER
"""
import pathlib
import subprocess
import sys

GPU_MODULES = ("cuda", "cudnn", "cublaslt")


def run(*command: str, folder: str | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    cmake, source, build, c, cxx = sys.argv[1:]
    configured = run(cmake, "--preset", "cpu-only", "-B", build, f"-DCMAKE_C_COMPILER={c}", f"-DCMAKE_CXX_COMPILER={cxx}", folder=source)
    silent = [module for module in GPU_MODULES if f"backends/{module}: skipped, TENON_CUDA=OFF" not in configured]
    if silent:
        print(f"not said to be left out: {', '.join(silent)}\n{configured}")
        return 1
    run(cmake, "--build", build, "--target", "tenon_module_null")
    # Of all that would be built: what nobody makes must be there, and nothing may be of CUDA.
    made = {line.partition(": ")[0] for line in run(cmake, "--build", build, "--", "-t", "targets", "all").splitlines()}
    inputs = run(cmake, "--build", build, "--", "-t", "inputs", "all").splitlines()
    missing = [each for each in inputs if each not in made and not (pathlib.Path(build) / each).exists()]
    foreign = [each for each in inputs if any(f"backends/{module}/" in each for module in GPU_MODULES)]
    if missing or foreign:
        print("\n".join([f"made by nothing: {each}" for each in missing] + [f"of CUDA: {each}" for each in foreign]))
        return 1
    print(f"{len(inputs)} inputs, all there or made, none of CUDA")
    return 0


if __name__ == "__main__":
    sys.exit(main())
