"""Plugins of both generations from ONNX nodes, by library and by module, through a plan: check.py PREFIX BUILD"""
import pathlib
import sys

import numpy as np
import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tool import Tool, expect, model

tool = Tool(*sys.argv[1:3])
library = next(tool.build.glob("libexample_plugins.*"))
module = tool.build / "modules" / "tenon_example_plugins.tenonmod"
x = np.random.default_rng(4).uniform(-1, 1, (16, 512)).astype(np.float32)
nodes = [
    onnx.helper.make_node("GainPlugin", ["x"], ["a"], name="gain", gain=2.5),
    onnx.helper.make_node("Relu", ["a"], ["b"], name="relu"),
    onnx.helper.make_node("RowSumPlugin", ["b"], ["y"], name="rows"),
]
expected = np.maximum(2.5 * x, 0).astype(np.float64).sum(axis=1).astype(np.float32)
folder = tool.data("plugins", model(nodes, [("x", [16, 512])], [("y", [16])]), [x], [expected])
onnx_file, plan = folder / "model.onnx", tool.build / "plugins.plan"

# What the model needs, with the library that brings its ops.
expect("input  x" in tool.run("inspect", onnx_file, "--plugins", library), "inspect should read the model with its plugins")
tool.run("inspect", onnx_file, code=3)

# By library: both tactics of the first plugin are timed, its field came from the node, the plan finds it again.
tool.run("build", onnx_file, "-o", plan, "--plugins", library)
explained = tool.run("explain", plan, "gain")
expect(explained.count("plugin") >= 2, "both tactics of the plugin should be listed")
tool.run("run", plan, "--check", folder, "--plugins", library)

# By trtexec.
tool.run(f"--onnx={onnx_file}", f"--saveEngine={plan}", f"--plugins={library}", "--iterations=5", "--duration=0", "--warmUp=0", binary=tool.trtexec)
tool.run(f"--loadEngine={plan}", f"--plugins={library}", "--iterations=5", "--duration=0", "--warmUp=0", binary=tool.trtexec)

# By module.
tool.run("build", onnx_file, "-o", plan, "--module", module)
tool.run("run", plan, "--check", folder, "--module", module)

# An attribute that the creator would misread.
wrong = tool.data("wrong", model([onnx.helper.make_node("GainPlugin", ["x"], ["y"], name="gain", gain="loud")], [("x", [16, 512])], [("y", [16, 512])]), [x], [x])
tool.run("build", wrong / "model.onnx", "-o", tool.build / "wrong.plan", "--plugins", library, code=3)

# Without either, the plan says what it lacks.
tool.run("run", plan, "--check", folder, code=4)
print("PASSED")
