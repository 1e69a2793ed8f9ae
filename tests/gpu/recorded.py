"""Plans for an H200 that is not here: recorded.py TENON [NETWORK...]

Builds each network in half precision for the device that h200.tuning.gz describes, and compares how many steps the plan has, by operation and
provider, with kernels.json. A pass or pattern that stops matching shows here, on any machine. For the small networks the database has times, which
must be found: what libraries offer without a device is not all that they offer with it, so some tactics are estimated all the same.

TENON_UPDATE_GOLDENS=1 writes kernels.json anew. On a machine with an H200, `recorded.py TENON --record` writes h200.tuning.gz anew.
"""
import ctypes
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import onnx
    import networks
except ImportError as problem:
    print(f"SKIPPED: {problem}")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
DATABASE, GOLDEN = HERE / "h200.tuning.gz", HERE / "kernels.json"
MODULES = ("cuda", "cudnn", "cublaslt")


def build(tenon, make, work, level, database):
    model, plan = work / "model.onnx", work / "model.plan"
    onnx.save(make(), model)
    # Without the host's kernels: their times are measured here and differ from run to run.
    done = subprocess.run([tenon, "build", str(model), "-o", str(plan), "--fp16", "--level", str(level), "--tuning-db", str(database),
                           "--backend", ",".join(MODULES)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"the build fails with code {done.returncode}:\n{done.stdout}")
    if ", for cuda device NVIDIA H200 " not in done.stdout:
        sys.exit(f"the build does not say which device its plan is for:\n{done.stdout}")
    text = subprocess.run([tenon, "inspect", "--json", str(plan)], stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(text)["Layers"], done.stdout


def described(layers):
    counts = {}
    for layer in layers:
        key = f"{layer['LayerType']} by {layer.get('TacticName', '').split('/')[0] or 'the core'}"
        counts[key] = counts.get(key, 0) + 1
    return {"steps": len(layers), **dict(sorted(counts.items()))}


def estimated(said):
    found = re.search(r"(\d+) tactics for the recorded device", said)
    return int(found.group(1)) if found else 0


def without_times(database):
    document = json.loads(database.read_text())
    document["times"]["targets"] = {}
    bare = database.with_suffix(".bare")
    bare.write_text(json.dumps(document))
    return bare


def requirements(tenon):
    """Why nothing can be said here, or None."""
    try:
        ctypes.CDLL("libcuda.so.1")
        return "there is a driver here, with which cuDNN offers more than without: the goldens are of machines that have none"
    except OSError:
        pass
    listed = json.loads(subprocess.run([tenon, "modules", "--json"], stdout=subprocess.PIPE, text=True).stdout)
    modules = listed["modules"] if isinstance(listed, dict) else listed
    for name in MODULES:
        module = next((each for each in modules if each.get("name") == name), None)
        if module is None or not str(module.get("state", "")).startswith("loaded"):
            return f"the module {name} is not loaded here: {(module or {}).get('reason', 'it is not part of this build')}"
    return None


def main():
    tenon, *names = sys.argv[1:]
    record = "--record" in names
    names = [name for name in names if name != "--record"]
    if not record:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the recorded device may be here
    if not record and (why := requirements(tenon)):
        print(f"SKIPPED: {why}")
        sys.exit(77)
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    update, failed = not record and "TENON_UPDATE_GOLDENS" in os.environ, False
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        database = work / "h200.tuning"
        if not record:
            database.write_bytes(gzip.decompress(DATABASE.read_bytes()))  # a copy: builds extend it
        for name, make in (networks.RECORDED if record else {**networks.RECORDED, **networks.ESTIMATED}).items():
            if names and name not in names:
                continue
            recorded = name in networks.RECORDED
            layers, said = build(tenon, make, work, 3 if recorded else 0, database)
            if record:
                continue
            found = described(layers)
            if recorded:
                _, without = build(tenon, make, work, 3, without_times(database))
                print(f"{name}: {estimated(said)} tactics are estimated, {estimated(without)} without the recorded times")
                if not estimated(said) < estimated(without):
                    print("  the recorded times are not found")
                    failed = True
            if update:
                golden[name] = found
            expected = golden.get(name, {})
            differing = {key: (expected.get(key, 0), found.get(key, 0)) for key in sorted({*expected, *found}) if expected.get(key, 0) != found.get(key, 0)}
            for key, (before, now) in differing.items():
                print(f"{name}: {key}: {before} expected, {now} found")
            failed |= bool(differing)
            print(f"{name}: {found['steps']} steps")
        if record:
            DATABASE.write_bytes(gzip.compress(database.read_bytes(), mtime=0))
    if update:
        GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
