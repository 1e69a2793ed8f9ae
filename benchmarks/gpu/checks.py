"""Correctness on a GPU: the conformance table, models against their reference outputs, and compute-sanitizer on small cases."""
import concurrent.futures
import json
import os
import shutil
import subprocess
import time
import xml.etree.ElementTree

MODULES = ("cuda", "cublaslt", "cudnn")
SHARDS = 8
# Small kernels of every family; under the sanitizer each launch takes a hundred times longer.
SANITIZED = ("activation", "attention", "fused", "gather", "matmul", "normalization", "pool", "reduce", "scatter", "softmax")


def conformance_environment(package):
    return {**os.environ, "TENON_CONFORMANCE_PREFIX": str(package)}


def without(environment, *libraries):
    """The environment in which these libraries are not found beside PyTorch."""
    folders = environment.get("LD_LIBRARY_PATH", "").split(":")
    kept = [f for f in folders if not any(os.path.exists(os.path.join(f, library)) for library in libraries)]
    return {**environment, "LD_LIBRARY_PATH": ":".join(kept)}


def run_shard(program, shard, filters, environment, work, seconds):
    report = work / f"shard_{shard}.xml"
    report.unlink(missing_ok=True)
    environment = {**environment, "GTEST_TOTAL_SHARDS": str(SHARDS), "GTEST_SHARD_INDEX": str(shard)}
    try:
        done = subprocess.run([program, f"--gtest_filter={filters}", f"--gtest_output=xml:{report}"], env=environment, timeout=seconds,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        text = done.stdout
    except subprocess.TimeoutExpired:
        return {"passed": 0, "skipped": 0, "failed": [f"shard {shard} ran longer than {seconds:.0f} s"]}
    if not report.exists():
        return {"passed": 0, "skipped": 0, "failed": [f"shard {shard} ended with code {done.returncode}: {text[-1500:]}"]}
    counts = {"passed": 0, "skipped": 0, "failed": []}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        failures = case.findall("failure")
        if failures:
            counts["failed"].append(f"{case.get('name')}: {failures[0].get('message')[:600]}")
        else:
            counts["skipped" if case.get("result") == "skipped" else "passed"] += 1
    return counts


def conformance(package, work, seconds):
    """The table on the GPU modules with the libraries of cuDNN and cuBLASLt present, and with each absent."""
    program = package / "tests" / "bin" / "conformance_test"
    base = conformance_environment(package)
    end = time.monotonic() + seconds
    results = {}
    for label, environment, modules in (
            ("all present", base, MODULES),
            ("cudnn absent", without(base, "libcudnn.so.9"), ("cudnn",)),
            ("cublaslt absent", without(base, "libcublasLt.so.13"), ("cublaslt",))):
        filters = ":".join(f"Modules/Conformance.Cases/{module}_*" for module in modules)
        left = max(end - time.monotonic(), 10)
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(SHARDS) as pool:
            parts = list(pool.map(lambda shard: run_shard(program, shard, filters, environment, work, left), range(SHARDS)))
        results[label] = {"passed": sum(part["passed"] for part in parts), "skipped": sum(part["skipped"] for part in parts),
                          "failed": [each for part in parts for each in part["failed"]], "seconds": time.monotonic() - begin}
    return results


def check_model(tenon, folder, flags, seconds):
    command = [tenon, "run", str(folder / "model.onnx"), "--check", str(folder), "--json", "--quiet", *flags]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"outcome": "not run", "reason": f"did not end within {seconds:.0f} s"}
    if done.returncode == 3 or (done.returncode == 1 and "not supported" in done.stderr):
        return {"outcome": "refused", "reason": done.stderr.strip()[:300]}
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return {"outcome": "failed", "reason": (done.stderr or done.stdout).strip()[-400:]}
    outputs = [output for data in document.get("data_sets", []) for output in data["outputs"]]
    result = {"outcome": "passed" if done.returncode == 0 and document.get("passed") else "failed",
              "max_abs": max((o["max_abs"] for o in outputs if o.get("max_abs") is not None), default=None)}
    if result["outcome"] == "failed":
        result["reason"] = "; ".join(o.get("reason", "") for o in outputs if not o.get("ok"))[:400]
    return result


def models(package, folder, seconds, level):
    """Each model folder in f32 (without TF32, at the usual tolerance) and with f16 allowed (rtol and atol 2e-2)."""
    tenon = package / "bin" / "tenon"
    end = time.monotonic() + seconds
    jobs = [(model, label, flags) for model in sorted(folder.iterdir()) if (model / "model.onnx").exists()
            for label, flags in (("f32", ["--no-tf32"]), ("f16", ["--fp16", "--rtol", "2e-2", "--atol", "2e-2"]))]
    extra = ["--level", str(level)]

    def one(job):
        model, label, flags = job
        left = end - time.monotonic()
        return model.name, label, check_model(tenon, model, [*flags, *extra], min(left, 180)) if left > 5 else {"outcome": "not run", "reason": "no time left"}

    results = {}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for name, label, result in pool.map(one, jobs):
            results.setdefault(name, {})[label] = result
    return results


def sanitizer(package, seconds):
    """memcheck and racecheck; each file of cases that did not end in time is listed as such."""
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not os.path.exists(tool):
        return {"reason": "compute-sanitizer is not installed"}
    program = package / "tests" / "bin" / "conformance_test"
    end = time.monotonic() + seconds
    jobs = [(check, family) for family in SANITIZED for check in ("memcheck", "racecheck")]

    def one(job):
        check, family = job
        left = end - time.monotonic()
        if left < 5:
            return job, "not run: no time left"
        command = [tool, "--tool", check, "--error-exitcode", "77", program, f"--gtest_filter=Modules/Conformance.Cases/cuda_{family}"]
        try:
            done = subprocess.run(command, env=conformance_environment(package), timeout=left, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        except subprocess.TimeoutExpired:
            return job, "not finished in time"
        summary = [line for line in done.stdout.splitlines() if "ERROR SUMMARY" in line or "RACECHECK SUMMARY" in line]
        if done.returncode == 0 and summary:
            return job, "clean"
        return job, f"exit code {done.returncode}: " + " ".join(summary or done.stdout.splitlines()[-3:])[:500]

    results = {}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for (check, family), outcome in pool.map(one, jobs):
            results.setdefault(check, {})[family] = outcome
    return results
