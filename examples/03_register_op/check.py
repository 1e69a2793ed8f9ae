"""Ops and importers from a module and from an application: check.py PREFIX BUILD"""
import pathlib
import subprocess
import sys

import numpy as np
import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tool import Tool, expect, model

tool = Tool(*sys.argv[1:3])
module = tool.build / "modules" / "tenon_acme.tenonmod"
x = np.random.default_rng(3).uniform(-4, 4, (32, 100)).astype(np.float32)


def clip(values, limit):
    return (limit * np.tanh(values.astype(np.float64) / limit)).astype(np.float32)


# The registered op, by its name; the custom importer; the standard op, overridden.
nodes = [
    onnx.helper.make_node("soft_clip", ["x"], ["a"], name="plain", domain="acme", limit=3.0),
    onnx.helper.make_node("Softer", ["a"], ["b"], name="softer", domain="acme", limit=4.0),
    onnx.helper.make_node("Softsign", ["b"], ["y"], name="standard"),
]
folder = tool.data("ops", model(nodes, [("x", [32, 100])], [("y", [32, 100])], ["acme"]), [x], [clip(clip(clip(x, 3.0), 2.0), 1.0)])
plan = tool.build / "ops.plan"
tool.run("build", folder / "model.onnx", "-o", plan, "--module", module)
tool.run("run", plan, "--check", folder, "--module", module)
explained = tool.run("explain", plan, "softer")
expect("in float" in explained and "CHOSEN, verified against the reference" in explained, "the fast kernel should win and be checked by the op's own reference")
expect(tool.chosen(plan)["standard"] == "acme", "the module's importer should replace the built-in one")

# Without the module: every node that nobody knows, in one message, exit code 3.
tool.run("build", folder / "model.onnx", "-o", tool.build / "none.plan", code=3)

# By the API.
doubler = model([onnx.helper.make_node("Doubler", ["x"], ["y"], domain="acme")], [("x", [4])], [("y", [4])], ["acme"])
onnx.save(doubler, str(tool.build / "doubler.onnx"))
subprocess.run([str(tool.build / "by_api"), str(tool.build / "doubler.onnx")], check=True)
print("PASSED")
