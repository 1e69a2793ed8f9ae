#!/usr/bin/env python3
"""./dev bench (benchmarks/run.py) without peers: its table, and that Ctrl-C keeps what is measured so far."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from harness import OK, STOPPED, helper, main, model, np, numpy_helper, tensor

RUN = pathlib.Path(__file__).resolve().parent.parent.parent / "benchmarks" / "run.py"


def product(size):
    weights = numpy_helper.from_array(np.random.default_rng(0).uniform(-1, 1, (size, size)).astype(np.float32), "w")
    return model([helper.make_node("MatMul", ["x", "w"], ["y"], name="product")], [tensor("x", [4, size])], [tensor("y", None)], [weights])


def test(t):
    first, second = t.save("first.onnx", product(16)), t.save("second.onnx", product(32))
    command = [sys.executable, str(RUN), "--build-dir", str(pathlib.Path(t.tenon).resolve().parent.parent), "--peers", "", "--models", f"{first},{second}"]
    table = t.work / "table.json"

    done = subprocess.run([*command, "--rounds", "1", "--seconds", "0.1", "--streams", "2", "--output", str(table)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, env=t.environment())
    document = json.loads(table.read_text()) if table.exists() else {}
    t.check("a table of two models", done.returncode == OK and [each["model"] for each in document["results"]] == ["first", "second"] and "stopped" not in document, done)
    several = [each.get("runs_per_second", {}).get("tenon", {}).get("median", 0) for each in document.get("results", [])]
    t.check("runs a second of two contexts", document.get("streams") == 2 and min(several, default=0) > 0 and "runs/s, 2 at once" in done.stdout, done)

    # As a terminal does it: everybody in the foreground gets the signal.
    slow = [*command, "--rounds", "1", "--seconds", "4", "--output", str(table)]
    process = subprocess.Popen(slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=t.environment(), start_new_session=True)
    said = ""
    for line in process.stdout:  # the first model is done once its times are printed
        said += line
        if line.startswith("  tenon "):
            break
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    document = json.loads(table.read_text())
    t.check("exit code after Ctrl-C", process.returncode == STOPPED, f"{process.returncode}\n{said}{rest}{errors}")
    t.check("the table of what was measured", "| first |" in rest and "stopped: these are the results so far" in errors, rest + errors)
    t.check("the document of what was measured", document["stopped"] and [each["model"] for each in document["results"]] == ["first"] and "| first |" in table.with_suffix(".md").read_text(), document)


main(test)
