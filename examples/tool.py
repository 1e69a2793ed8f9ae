"""What the examples' checks share: running the installed tools, and making and reading data."""
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import onnx
from onnx import numpy_helper


class Tool:
    def __init__(self, prefix, build):
        self.binary = str(pathlib.Path(prefix) / "bin" / "tenon")
        self.trtexec = str(pathlib.Path(prefix) / "bin" / "trtexec")
        self.build = pathlib.Path(build)

    def run(self, *words, environment=None, code=0, binary=None):
        binary = binary or self.binary
        done = subprocess.run([binary, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, **(environment or {})})
        print(f"$ {pathlib.Path(binary).name} {' '.join(map(str, words))}\n{done.stdout}{done.stderr}", end="")
        if done.returncode != code:
            sys.exit(f"expected exit code {code}, got {done.returncode}")
        return done.stdout

    def chosen(self, plan):
        """Provider of every chosen region, by its first source."""
        document = json.loads(self.run_quiet("inspect", plan, "--json"))
        return {r["sources"][0]: r["tactic"]["provider"] for r in document["Decisions"]["profiles"][0]["regions"] if r["chosen"]}

    def run_quiet(self, *words):
        return subprocess.run([self.binary, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True).stdout

    def data(self, name, model, inputs, outputs):
        """A model folder with one data set, as `tenon run --check` takes it."""
        folder = self.build / name
        (folder / "test_data_set_0").mkdir(parents=True, exist_ok=True)
        onnx.save(model, str(folder / "model.onnx"))
        for kind, values in (("input", inputs), ("output", outputs)):
            for i, value in enumerate(values):
                (folder / "test_data_set_0" / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(value)).SerializeToString())
        return folder


def model(nodes, inputs, outputs, domains=()):
    """Inputs and outputs as (name, shape), all f32."""
    info = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in inputs]
    out = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in outputs]
    opsets = [onnx.helper.make_opsetid("", 17)] + [onnx.helper.make_opsetid(d, 1) for d in domains]
    made = onnx.helper.make_model(onnx.helper.make_graph(nodes, "example", info, out), opset_imports=opsets)
    made.ir_version = 8
    return made


def expect(condition, message):
    if not condition:
        sys.exit(f"WRONG: {message}")
