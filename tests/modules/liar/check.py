"""A tactic that wins by time and is wrong is found out, dropped with a warning, and another one chosen: check.py PREFIX BUILD"""
import pathlib
import subprocess
import sys

import numpy as np
import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples"))
from tool import Tool, expect, model

tool = Tool(*sys.argv[1:3])
module = tool.build / "modules" / "tenon_liar.tenonmod"
x = np.random.default_rng(1).uniform(-1, 1, (64, 1024)).astype(np.float32)
nodes = [
    onnx.helper.make_node("Constant", [], ["axis"], value=onnx.numpy_helper.from_array(np.array(1, np.int64))),
    onnx.helper.make_node("CumSum", ["x", "axis"], ["y"], name="running"),
]
folder = tool.data("liar", model(nodes, [("x", [64, 1024])], [("y", [64, 1024])]), [x], [np.cumsum(x.astype(np.float64), axis=1).astype(np.float32)])
plan, cache = tool.build / "liar.plan", tool.build / "liar.timing"
cache.unlink(missing_ok=True)

# Once with times that are measured, once with times and verdicts that a cache remembers.
for _ in range(2):
    done = subprocess.run([tool.binary, "build", str(folder / "model.onnx"), "-o", str(plan), "--module", str(module), "--timing-cache", str(cache)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout, end="")
    expect(done.returncode == 0, "the build should go on without the wrong tactic")
    expect("dropped tactic 'copy'" in done.stdout and "differs from the reference" in done.stdout, "a warning should name the tactic and the reason")
    expect(tool.chosen(plan)["running"] != "liar", "a wrong tactic was chosen")
    tool.run("run", plan, "--check", folder, "--rtol", "1e-3", "--atol", "1e-2", "--module", module)
print("PASSED")
