#!/usr/bin/env python3
"""Models with random weights for benchmarks: models.py NAME FILE. Names: see MODELS.

Architectures as published; weights are scaled so that activations keep their size (He et al. 2015), because zeros and infinities run at
other speeds than numbers.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Nodes and initializers of one model, with names that count up."""

    def __init__(self, seed=0):
        self.random = np.random.default_rng(seed)
        self.nodes, self.initializers = [], []

    def constant(self, value):
        name = f"w{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weights(self, *shape, fan_in):
        return self.constant((self.random.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32))

    def near(self, value, count):
        return self.constant((value + self.random.uniform(-0.1, 0.1, count)).astype(np.float32))

    def node(self, op, *inputs, **attributes):
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def conv_bn(self, x, inputs, outputs, size, stride=1, groups=1, gain=1):
        weights = self.weights(outputs, inputs // groups, size, size, fan_in=inputs // groups * size * size)
        y = self.node("Conv", x, weights, strides=[stride] * 2, pads=[size // 2] * 4, group=groups)
        statistics = [self.near(gain, outputs), self.near(0, outputs), self.near(0, outputs), self.near(1, outputs)]
        return self.node("BatchNormalization", y, *statistics)

    def dense(self, x, inputs, outputs):
        product = self.node("MatMul", x, self.constant((self.random.standard_normal((inputs, outputs)) / np.sqrt(inputs)).astype(np.float32)))
        return self.node("Add", product, self.near(0, outputs))

    def layer_norm(self, x, width):
        return self.node("LayerNormalization", x, self.near(1, width), self.near(0, width), axis=-1, epsilon=1e-12)

    def model(self, name, input_shape, output, output_shape, input_type=TensorProto.FLOAT):
        self.nodes[-1].output[0] = output
        graph = helper.make_graph(self.nodes, name, [helper.make_tensor_value_info("x", input_type, input_shape)],
                                  [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)], self.initializers)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="tenon-benchmarks")
        made.ir_version = 8
        return made


def resnet50(batch=1):
    g = Graph()
    x = g.node("Relu", g.conv_bn("x", 3, 64, 7, 2))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            y = g.node("Relu", g.conv_bn(x, channels, width, 1))
            y = g.node("Relu", g.conv_bn(y, width, width, 3, stride))
            y = g.conv_bn(y, width, 4 * width, 1, gain=0.3)  # residual sums must not grow
            shortcut = x if block else g.conv_bn(x, channels, 4 * width, 1, stride)
            x = g.node("Relu", g.node("Add", y, shortcut))
            channels = 4 * width
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    g.node("Gemm", x, g.weights(1000, 2048, fan_in=2048), g.near(0, 1000), transB=1)
    return g.model("resnet50", [batch, 3, 224, 224], "y", [batch, 1000])


def mobilenet_v2(batch=1):
    g = Graph()

    def relu6(x):
        return g.node("Clip", x, g.constant(np.float32(0)), g.constant(np.float32(6)))

    x = relu6(g.conv_bn("x", 3, 32, 3, 2))
    channels = 32
    for expand, outputs, repeats, first_stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(repeats):
            stride = first_stride if i == 0 else 1
            hidden = channels * expand
            y = x if expand == 1 else relu6(g.conv_bn(x, channels, hidden, 1))
            y = relu6(g.conv_bn(y, hidden, hidden, 3, stride, groups=hidden))
            y = g.conv_bn(y, hidden, outputs, 1)
            x = g.node("Add", x, y) if stride == 1 and channels == outputs else y
            channels = outputs
    x = g.node("Flatten", g.node("GlobalAveragePool", relu6(g.conv_bn(x, channels, 1280, 1))))
    g.node("Gemm", x, g.weights(1000, 1280, fan_in=1280), g.near(0, 1000), transB=1)
    return g.model("mobilenet_v2", [batch, 3, 224, 224], "y", [batch, 1000])


def bert(batch=1, layers=12, tokens=128, width=768, heads=12):
    """An encoder on embeddings that are looked up, without a mask; primitives as PyTorch's exporter writes them."""
    g = Graph()
    ids = "x"
    x = g.node("Gather", g.constant((g.random.standard_normal((8192, width)) * 0.5).astype(np.float32)), ids)
    x = g.layer_norm(g.node("Add", x, g.constant((g.random.standard_normal((1, tokens, width)) * 0.1).astype(np.float32))), width)
    split = g.constant(np.array([0, 0, heads, width // heads], np.int64))
    merge = g.constant(np.array([0, 0, width], np.int64))
    scale = g.constant(np.float32(np.sqrt(width / heads)))
    for _ in range(layers):
        q, k, v = (g.node("Reshape", g.dense(x, width, width), split) for _ in range(3))
        scores = g.node("MatMul", g.node("Transpose", q, perm=[0, 2, 1, 3]), g.node("Transpose", k, perm=[0, 2, 3, 1]))
        weights = g.node("Softmax", g.node("Div", scores, scale), axis=-1)
        y = g.node("Transpose", g.node("MatMul", weights, g.node("Transpose", v, perm=[0, 2, 1, 3])), perm=[0, 2, 1, 3])
        x = g.layer_norm(g.node("Add", g.dense(g.node("Reshape", y, merge), width, width), x), width)
        y = g.dense(x, width, 4 * width)
        erf = g.node("Erf", g.node("Div", y, g.constant(np.float32(np.sqrt(2)))))
        y = g.node("Mul", g.node("Mul", y, g.node("Add", erf, g.constant(np.float32(1)))), g.constant(np.float32(0.5)))
        x = g.layer_norm(g.node("Add", g.dense(y, 4 * width, width), x), width)
    return g.model("bert", [batch, tokens], "y", [batch, tokens, width], TensorProto.INT64)


def mlp(batch=1):
    g = Graph()
    x = "x"
    for inputs, outputs in ((64, 128), (128, 128), (128, 10)):
        x = g.dense(x, inputs, outputs)
        x = g.node("Relu", x) if outputs != 10 else x
    return g.model("mlp", [batch, 64], "y", [batch, 10])


MODELS = {
    "resnet50": resnet50,
    "mobilenet_v2": mobilenet_v2,
    "bert_base_128": bert,
    "mlp": mlp,
}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in MODELS:
        sys.exit(f"usage: models.py NAME FILE, with one of {', '.join(MODELS)}")
    onnx.save(MODELS[sys.argv[1]](), sys.argv[2])
