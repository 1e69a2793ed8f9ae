#!/usr/bin/env python3
"""Runs ONNX backend-test cases and whole models through `tenon run --check`.

    suite.py --tenon BIN --corpus node|simple|pytorch|models|shared [--backend NAME] [--expect FILE] [--filter TEXT] [--list]

node, simple and pytorch come from the `onnx` wheel; models are those inside the wheels `magika`, `rapidocr` and `silero-vad`, compared with ONNX
Runtime; shared is a folder of model folders (--shared), skipped with a reason where it is absent.

Every case passes, is refused with the parser's or builder's reason (exit code 3, or 1 for "no implementation" and data-dependent shapes), or
fails. The expectation file lists what may not pass: `refused NAME` or `fails NAME` lines, `*` at the end matches the rest of a name. A listed case
that passes is an error, so the lists shrink. Exit code 77 with a line "SKIPPED: reason" where the corpus is not there.
"""
import argparse
import concurrent.futures
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    from onnx import numpy_helper
except ImportError as missing:
    print(f"SKIPPED: the Python package {missing.name} is missing; ./dev installs it into .venv")
    sys.exit(77)


class Case:
    def __init__(self, name, model, data, rtol=None, atol=None, shapes=()):
        self.name, self.model, self.data, self.rtol, self.atol, self.shapes = name, model, data, rtol, atol, shapes


def write_value(path, value):
    if isinstance(value, np.ndarray) or np.isscalar(value):
        tensor = numpy_helper.from_array(np.asarray(value))
    elif isinstance(value, onnx.TensorProto):
        tensor = value
    else:
        return False
    path.write_bytes(tensor.SerializeToString())
    return True


def write_node_case(folder, case):
    """Writes a case of the wheel as files; None for values that are no tensors (sequences, optionals, strings)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for index, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{index}"
        data.mkdir(exist_ok=True)
        for kind, values in (("input", inputs), ("output", outputs)):
            for i, value in enumerate(values):
                if isinstance(value, np.ndarray) and value.dtype == object or not write_value(data / f"{kind}_{i}.pb", value):
                    return False
    return True


def node_cases(work):
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None) if collect_testcases.__code__.co_argcount else collect_testcases():
        folder = work / case.name
        if write_node_case(folder, case):
            yield Case(case.name, folder / "model.onnx", folder, case.rtol, max(case.atol, 1e-5))
        else:
            yield Case(case.name, None, "its values are sequences, optionals or strings")


def folder_cases(kind):
    root = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data"
    for corpus in {"simple": ["simple"], "pytorch": ["pytorch-converted", "pytorch-operator"]}[kind]:
        for folder in sorted((root / corpus).iterdir()):
            if (folder / "model.onnx").exists():
                yield Case(folder.name, folder / "model.onnx", folder, 1e-3, 1e-5)


def shared_cases(root):
    for folder in sorted(root.iterdir()):
        if (folder / "model.onnx").exists():
            yield Case(folder.name, folder / "model.onnx", folder)


def wheel_models(work):
    """Models inside wheels, with inputs of our own and ONNX Runtime's answers to them."""
    import onnxruntime

    def package(name):
        spec = importlib.util.find_spec(name)
        return pathlib.Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None

    random = np.random.default_rng(7)
    wanted = []
    if folder := package("magika"):
        wanted.append(("magika", folder / "models/standard_v3_3/model.onnx", [{"bytes": random.integers(0, 257, (n, 2048), dtype=np.int32)} for n in (1, 3)]))
    if folder := package("rapidocr"):
        images = [{"x": random.uniform(-1, 1, (n, 3, 48, 192)).astype(np.float32)} for n in (1, 2)]
        wanted.append(("rapidocr_cls", folder / "models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", images))
    if folder := package("silero_vad"):
        audio = {"input": random.uniform(-1, 1, (1, 576)).astype(np.float32), "state": np.zeros((2, 1, 128), np.float32), "sr": np.array(16000, np.int64)}
        wanted.append(("silero_vad_ifless", folder / "data/silero_vad_op18_ifless.onnx", [audio]))
    for name, model, sets in wanted:
        if not model.exists():
            continue
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        names = [i.name for i in session.get_inputs()]
        folder = work / name
        for index, given in enumerate(sets):
            data = folder / f"test_data_set_{index}"
            data.mkdir(parents=True, exist_ok=True)
            feed = {n: given[n] for n in names if n in given}
            if len(feed) != len(names):
                feed = dict(zip(names, given.values()))
            for i, n in enumerate(names):
                write_value(data / f"input_{i}.pb", feed[n])
            for i, value in enumerate(session.run(None, feed)):
                write_value(data / f"output_{i}.pb", value)
        yield Case(name, model, folder, 1e-3, 1e-4)


def run(case, arguments):
    if case.model is None:
        return case, "refused", case.data
    command = [arguments.tenon, "run", str(case.model), "--check", str(case.data), "--json", "--quiet", "--level", str(arguments.level), "--threads", "1"]
    if case.rtol is not None:
        command += ["--rtol", repr(float(case.rtol)), "--atol", repr(float(case.atol))]
    for backend in arguments.backend:
        command += ["--backend", backend]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=arguments.timeout)
    except subprocess.TimeoutExpired:
        return case, "failed", f"ran longer than {arguments.timeout} s"
    if done.returncode == 0 and '"passed": true' in done.stdout:
        return case, "passed", ""
    reason = (done.stderr.strip() or done.stdout.strip()).replace("\n", " ")[:600]
    unsupported = "Unsupported" in reason or "not supported" in reason or "no importer" in reason
    if done.returncode == 3 or (done.returncode == 1 and unsupported and "differ by more" not in done.stdout):
        return case, "refused", reason
    if done.returncode == 1 and done.stdout.startswith("{"):
        sets = json.loads(done.stdout)["data_sets"]
        wrong = [each["reason"] for each in sets if "reason" in each] + [o.get("reason", "") for each in sets for o in each["outputs"] if not o["ok"]]
        reason = "; ".join(wrong)[:600] or reason
    return case, "failed", f"exit code {done.returncode}: {reason}"


def expectations(path):
    rules = []
    if path and os.path.exists(path):
        for line in open(path, encoding="utf-8"):
            line = line.split("#")[0].strip()
            if line:
                kind, name = line.split(None, 1)
                rules.append(({"refused": "refused", "fails": "failed"}[kind], name))
    return rules


def expected(rules, name):
    for kind, pattern in rules:
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])):
            return kind
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tenon", required=True)
    parser.add_argument("--corpus", required=True, choices=["node", "simple", "pytorch", "models", "shared"])
    parser.add_argument("--shared", default="")
    parser.add_argument("--backend", action="append", default=[])
    parser.add_argument("--expect", default="")
    parser.add_argument("--filter", default="")
    parser.add_argument("--only", action="append", default=[], help="names of cases, all others are left out")
    parser.add_argument("--level", type=int, default=0)
    parser.add_argument("--timeout", type=int, default=300)
    parser.add_argument("--list", action="store_true", help="print an expectation file that fits what happened")
    arguments = parser.parse_args()
    if arguments.corpus == "shared" and not os.path.isdir(arguments.shared):
        print(f"SKIPPED: there is no folder of shared models at '{arguments.shared}'")
        return 77
    with tempfile.TemporaryDirectory(prefix="tenon-onnx-") as folder:
        work = pathlib.Path(folder)
        cases = {"node": lambda: node_cases(work), "simple": lambda: folder_cases("simple"), "pytorch": lambda: folder_cases("pytorch"),
                 "models": lambda: wheel_models(work), "shared": lambda: shared_cases(pathlib.Path(arguments.shared))}[arguments.corpus]()
        cases = [c for c in cases if arguments.filter in c.name and (not arguments.only or c.name in arguments.only)]
        if not cases:
            print(f"SKIPPED: no cases of '{arguments.corpus}' were found")
            return 77
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            results = list(pool.map(lambda case: run(case, arguments), cases))
    rules = expectations(arguments.expect)
    counts = {"passed": 0, "refused": 0, "failed": 0}
    errors = 0
    for case, outcome, reason in results:
        counts[outcome] += 1
        wanted = expected(rules, case.name)
        if arguments.list:
            if outcome != "passed":
                print(f"{'fails' if outcome == 'failed' else 'refused'} {case.name}  # {reason}")
        elif outcome == "passed" and wanted:
            errors += 1
            print(f"UNEXPECTED PASS {case.name}: take it from the list")
        elif outcome != "passed" and outcome != wanted:
            errors += 1
            print(f"{outcome.upper()} {case.name}: {reason}")
    print(f"{arguments.corpus}: {len(results)} cases, {counts['passed']} passed, {counts['refused']} refused, {counts['failed']} failed, "
          f"{errors} against expectation")
    return 1 if errors and not arguments.list else 0


if __name__ == "__main__":
    sys.exit(main())
