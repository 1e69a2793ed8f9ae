"""Builds the same model with and without the module, and says who computed what: check.py PREFIX BUILD"""
import pathlib
import sys

import numpy as np
import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tool import Tool, expect, model

tool = Tool(*sys.argv[1:3])
module = tool.build / "modules" / "tenon_fast_cumsum.tenonmod"
x = np.random.default_rng(1).uniform(-1, 1, (64, 4000)).astype(np.float32)
w = np.random.default_rng(2).uniform(-1, 1, (4000, 32)).astype(np.float32)
nodes = [
    onnx.helper.make_node("Constant", [], ["axis"], value=onnx.numpy_helper.from_array(np.array(1, np.int64))),
    onnx.helper.make_node("CumSum", ["x", "axis"], ["s"], name="running"),
    onnx.helper.make_node("Constant", [], ["w"], value=onnx.numpy_helper.from_array(w)),
    onnx.helper.make_node("MatMul", ["s", "w"], ["y"], name="product"),
]
sums = np.cumsum(x.astype(np.float64), axis=1).astype(np.float32)
folder = tool.data("swap", model(nodes, [("x", [64, 4000])], [("y", [64, 32])]), [x], [sums.astype(np.float64).dot(w).astype(np.float32)])
onnx_file, tolerance = folder / "model.onnx", ["--rtol", "1e-3", "--atol", "1e-2"]

# With everything present.
plan = tool.build / "swap.plan"
tool.run("build", onnx_file, "-o", plan)
expect("onednn" in tool.run("explain", plan, "product"), "oneDNN should be among the candidates")
tool.run("run", plan, "--check", folder, *tolerance)

# Without oneDNN: the same program, the same model.
without = {"TENON_MODULES": "-onednn"}
tool.run("build", onnx_file, "-o", plan, environment=without)
expect(tool.chosen(plan)["product"] != "onednn", "oneDNN was left out and chosen all the same")
tool.run("run", plan, "--check", folder, *tolerance, environment=without)

# With a stranger's module: it wins by time, and explain says so. It needs half the time of what Tenon brings; where
# others use the processor meanwhile, time may say otherwise now and then.
for _ in range(3):
    tool.run("build", onnx_file, "-o", plan, "--module", module)
    if tool.chosen(plan)["running"] == "fast_cumsum":
        break
expect(tool.chosen(plan)["running"] == "fast_cumsum", "the module's kernel should win")
explained = tool.run("explain", plan, "running")
expect("fast_cumsum" in explained and "CHOSEN, verified against the reference" in explained, "explain should say who won, and that it was checked")
tool.run("run", plan, "--check", folder, *tolerance, "--module", module)

# A plan names what it needs.
tool.run("run", plan, "--check", folder, *tolerance, code=4)

# Taking the module away goes back.
tool.run("build", onnx_file, "-o", plan)
expect(tool.chosen(plan)["running"] != "fast_cumsum", "the module is gone")
tool.run("run", plan, "--check", folder, *tolerance)
print("PASSED")
