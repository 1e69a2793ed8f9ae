"""What the tests of the tools share: small models, running a tool, and statements that are counted."""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    print(f"SKIPPED: the Python package {missing.name} is missing; ./dev installs it into .venv")
    sys.exit(77)

OK, WRONG, USAGE, BAD_INPUT, ENVIRONMENT = range(5)
STOPPED = 130
WITHOUT_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}  # the same plans on every machine


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made


def small_network():
    """A convolution, an activation, a sum; the batch has a name."""
    weights = numpy_helper.from_array(np.random.default_rng(0).uniform(-1, 1, (8, 3, 3, 3)).astype(np.float32), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], name="conv1", pads=[1, 1, 1, 1]),
             helper.make_node("Relu", ["a"], ["r"], name="relu1"),
             helper.make_node("ReduceMean", ["r"], ["y"], name="mean", axes=[2, 3], keepdims=0)]
    return model(nodes, [tensor("x", ["batch", 3, 16, 16])], [tensor("y", None)], [weights])


def quantized_network():
    """A convolution between quantize and dequantize nodes, with the real numbers and the bytes as outputs."""
    weights = np.round(np.random.default_rng(0).uniform(-127, 127, (8, 3, 3, 3))).astype(np.int8)
    values = {"wq": weights, "ws": np.float32(1 / 127), "xs": np.float32(1 / 127), "ys": np.float32(10 / 127), "zero": np.int8(0)}
    nodes = [helper.make_node("QuantizeLinear", ["x", "xs", "zero"], ["xq"]), helper.make_node("DequantizeLinear", ["xq", "xs", "zero"], ["xd"]),
             helper.make_node("DequantizeLinear", ["wq", "ws", "zero"], ["wd"]), helper.make_node("Conv", ["xd", "wd"], ["c"], name="conv", pads=[1, 1, 1, 1]),
             helper.make_node("QuantizeLinear", ["c", "ys", "zero"], ["yq"]), helper.make_node("DequantizeLinear", ["yq", "ys", "zero"], ["y"])]
    return model(nodes, [tensor("x", [1, 3, 16, 16])], [tensor("y", [1, 8, 16, 16]), tensor("yq", [1, 8, 16, 16], TensorProto.INT8)],
                 [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()])


class Harness:
    def __init__(self, folder, tenon, trtexec):
        self.work, self.tenon, self.trtexec, self.failures = pathlib.Path(folder), tenon, trtexec, 0

    def save(self, name, made):
        path = self.work / name
        path.write_bytes(made.SerializeToString())
        return path

    def save_data(self, folder, index, inputs, outputs):
        """A data set as the ONNX backend tests have them."""
        data = self.work / folder / f"test_data_set_{index}"
        data.mkdir(parents=True)
        for kind, values in (("input", inputs), ("output", outputs)):
            for i, (name, value) in enumerate(values.items()):
                (data / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(value), name).SerializeToString())

    @staticmethod
    def environment(more=None):
        return {**os.environ, **WITHOUT_GPU, **(more or {})}

    def run(self, tool, *words, code=OK, environment=None):
        done = subprocess.run([tool, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, env=self.environment(environment))
        self.check(f"exit code of {' '.join(map(str, words))}", done.returncode == code, f"{done.returncode}, expected {code}\n{done.stdout}{done.stderr}")
        return done

    def check(self, what, holds, detail=""):
        if holds:
            print(f"ok    {what}")
        else:
            self.failures += 1
            print(f"WRONG {what}: {str(detail)[:3000]}")

    def says(self, what, done, *texts):
        said = done.stdout + done.stderr
        missing = [text for text in texts if text not in said]
        self.check(what, not missing, f"missing {missing} in\n{said}")


def main(test):
    parser = argparse.ArgumentParser()
    parser.add_argument("--tenon", required=True)
    parser.add_argument("--trtexec", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tenon-tools-") as folder:
        harness = Harness(folder, arguments.tenon, arguments.trtexec)
        test(harness)
    print(f"{harness.failures} wrong" if harness.failures else "all as documented")
    sys.exit(1 if harness.failures else 0)
