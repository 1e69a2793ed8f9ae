#!/usr/bin/env python3
"""Models with random weights for benchmarks: models.py NAME FILE. Names: see MODELS; and, quantized, QUANTIZED.

Architectures as published; the int8 forms have Q/DQ nodes with scales from random inputs, weights per channel. Weights are scaled so that activations keep their size (He et al. 2015), because zeros and infinities run at
other speeds than numbers.
"""
import contextlib
import logging
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Nodes and initializers of one model, with names that count up."""

    def __init__(self, folded=False):
        self.folded = folded  # batch norms are in the weights, as quantizers want them
        self.random = np.random.default_rng(0)
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
        window = {"strides": [stride] * 2, "pads": [size // 2] * 4, "group": groups}
        if self.folded:
            return self.node("Conv", x, weights, self.near(0, outputs), **window)
        y = self.node("Conv", x, weights, **window)
        statistics = [self.near(gain, outputs), self.near(0, outputs), self.near(0, outputs), self.near(1, outputs)]
        return self.node("BatchNormalization", y, *statistics)

    def conv(self, x, inputs, outputs, size, stride=1, pad=0):
        weights = self.weights(outputs, inputs, size, size, fan_in=inputs * size * size)
        return self.node("Conv", x, weights, self.near(0, outputs), strides=[stride] * 2, pads=[pad] * 4)

    def dense(self, x, inputs, outputs):
        product = self.node("MatMul", x, self.constant((self.random.standard_normal((inputs, outputs)) / np.sqrt(inputs)).astype(np.float32)))
        return self.node("Add", product, self.near(0, outputs))

    def layer_norm(self, x, width):
        return self.node("LayerNormalization", x, self.near(1, width), self.near(0, width), axis=-1, epsilon=1e-12)

    def gelu(self, x):
        erf = self.node("Erf", self.node("Div", x, self.constant(np.float32(np.sqrt(2)))))
        return self.node("Mul", self.node("Mul", x, self.node("Add", erf, self.constant(np.float32(1)))), self.constant(np.float32(0.5)))

    def attention(self, x, width, heads):
        """Of tokens among each other; primitives as PyTorch's exporter writes them."""
        split, merge = self.constant(np.array([0, 0, heads, width // heads], np.int64)), self.constant(np.array([0, 0, width], np.int64))
        q, k, v = (self.node("Reshape", self.dense(x, width, width), split) for _ in range(3))
        scores = self.node("MatMul", self.node("Transpose", q, perm=[0, 2, 1, 3]), self.node("Transpose", k, perm=[0, 2, 3, 1]))
        weights = self.node("Softmax", self.node("Div", scores, self.constant(np.float32(np.sqrt(width / heads)))), axis=-1)
        y = self.node("Transpose", self.node("MatMul", weights, self.node("Transpose", v, perm=[0, 2, 1, 3])), perm=[0, 2, 1, 3])
        return self.dense(self.node("Reshape", y, merge), width, width)

    def model(self, name, input_shape, output, output_shape, input_type=TensorProto.FLOAT):
        self.nodes[-1].output[0] = output
        graph = helper.make_graph(self.nodes, name, [helper.make_tensor_value_info("x", input_type, input_shape)],
                                  [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)], self.initializers)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="tenon-benchmarks")
        made.ir_version = 8
        return made


def resnet50(batch=1, folded=False):
    g = Graph(folded)
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


def mobilenet_v2(batch=1, folded=False):
    g = Graph(folded)

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


def efficientnet_b0(batch=1, folded=False):
    g = Graph(folded)

    def swish(x):
        return g.node("Mul", x, g.node("Sigmoid", x))

    x = swish(g.conv_bn("x", 3, 32, 3, 2))
    channels = 32
    for expand, outputs, size, repeats, first_stride in ((1, 16, 3, 1, 1), (6, 24, 3, 2, 2), (6, 40, 5, 2, 2), (6, 80, 3, 3, 2), (6, 112, 5, 3, 1), (6, 192, 5, 4, 2), (6, 320, 3, 1, 1)):
        for i in range(repeats):
            stride = first_stride if i == 0 else 1
            hidden, squeezed = channels * expand, max(1, channels // 4)
            y = x if expand == 1 else swish(g.conv_bn(x, channels, hidden, 1))
            y = swish(g.conv_bn(y, hidden, hidden, size, stride, groups=hidden))
            gate = swish(g.conv(g.node("GlobalAveragePool", y), hidden, squeezed, 1))
            y = g.node("Mul", y, g.node("Sigmoid", g.conv(gate, squeezed, hidden, 1)))
            y = g.conv_bn(y, hidden, outputs, 1)
            x = g.node("Add", x, y) if stride == 1 and channels == outputs else y
            channels = outputs
    x = g.node("Flatten", g.node("GlobalAveragePool", swish(g.conv_bn(x, channels, 1280, 1))))
    g.node("Gemm", x, g.weights(1000, 1280, fan_in=1280), g.near(0, 1000), transB=1)
    return g.model("efficientnet_b0", [batch, 3, 224, 224], "y", [batch, 1000])


def unet_256(batch=1, base=32, depth=4):
    g = Graph()

    def double(x, inputs, outputs):
        x = g.node("Relu", g.conv_bn(x, inputs, outputs, 3))
        return g.node("Relu", g.conv_bn(x, outputs, outputs, 3))

    x, channels, skips = "x", 3, []
    for level in range(depth):
        x = double(x, channels, base << level)
        channels = base << level
        skips.append(x)
        x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = double(x, channels, base << depth)
    for level in reversed(range(depth)):
        outputs = base << level
        x = g.node("ConvTranspose", x, g.weights(2 * outputs, outputs, 2, 2, fan_in=2 * outputs), g.near(0, outputs), strides=[2, 2])
        x = double(g.node("Concat", skips[level], x, axis=1), 2 * outputs, outputs)
    g.conv(x, base, 2, 1)
    return g.model("unet", [batch, 3, 256, 256], "y", [batch, 2, 256, 256])


def bert(batch=1, layers=12, tokens=128, width=768, heads=12):
    """An encoder on embeddings that are looked up, without a mask."""
    g = Graph()
    x = g.node("Gather", g.constant((g.random.standard_normal((8192, width)) * 0.5).astype(np.float32)), "x")
    x = g.layer_norm(g.node("Add", x, g.constant((g.random.standard_normal((1, tokens, width)) * 0.1).astype(np.float32))), width)
    for _ in range(layers):
        x = g.layer_norm(g.node("Add", g.attention(x, width, heads), x), width)
        x = g.layer_norm(g.node("Add", g.dense(g.gelu(g.dense(x, width, 4 * width)), 4 * width, width), x), width)
    return g.model("bert", [batch, tokens], "y", [batch, tokens, width], TensorProto.INT64)


def vit_b_16(batch=1, layers=12, width=768, heads=12):
    g = Graph()
    patches = g.node("Reshape", g.conv("x", 3, width, 16, 16), g.constant(np.array([0, width, 196], np.int64)))
    first = g.constant(np.tile((g.random.standard_normal((1, 1, width)) * 0.1).astype(np.float32), (batch, 1, 1)))
    x = g.node("Concat", first, g.node("Transpose", patches, perm=[0, 2, 1]), axis=1)
    x = g.node("Add", x, g.constant((g.random.standard_normal((1, 197, width)) * 0.1).astype(np.float32)))
    for _ in range(layers):
        x = g.node("Add", x, g.attention(g.layer_norm(x, width), width, heads))
        x = g.node("Add", x, g.dense(g.gelu(g.dense(g.layer_norm(x, width), width, 4 * width)), 4 * width, width))
    x = g.node("Gather", g.layer_norm(x, width), g.constant(np.int64(0)), axis=1)
    g.dense(x, width, 1000)
    return g.model("vit_b_16", [batch, 3, 224, 224], "y", [batch, 1000])


def mlp(batch=1):
    g = Graph()
    x = "x"
    for inputs, outputs in ((64, 128), (128, 128), (128, 10)):
        x = g.dense(x, inputs, outputs)
        x = g.node("Relu", x) if outputs != 10 else x
    return g.model("mlp", [batch, 64], "y", [batch, 10])


@contextlib.contextmanager
def quiet():
    """The quantizer warns of what is meant here: models that need no preparation, weights of one dimension."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def quantized(made, folder):
    """With Q/DQ nodes: activations per tensor from eight random inputs, weights per channel and symmetric.

    Activations are unsigned, as ONNX Runtime advises for x86: it is several times slower with signed ones, to which other engines are indifferent.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class RandomInputs(CalibrationDataReader):
        def __init__(self):
            self.inputs = iter([random_input(made, seed) for seed in range(8)])

        def get_next(self):
            return next(self.inputs, None)

    floats, integers = f"{folder}/floats.onnx", f"{folder}/integers.onnx"
    onnx.save(made, floats)
    with quiet():
        quantize_static(floats, integers, RandomInputs(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8)
    return onnx.load(integers)


def quantized_dynamically(made, folder):
    """Weights as integers, activations quantized while it runs, each product by the range of its input."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    floats, integers = f"{folder}/floats.onnx", f"{folder}/integers.onnx"
    onnx.save(made, floats)
    with quiet():
        quantize_dynamic(floats, integers, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
    return onnx.load(integers)


def random_input(made, seed=0):
    """Values for the one input, by its name."""
    value = made.graph.input[0]
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    random = np.random.default_rng(seed)
    integers = np.issubdtype(dtype, np.integer)
    return {value.name: (random.integers(0, 1000, shape) if integers else random.standard_normal(shape)).astype(dtype)}


MODELS = {
    "resnet50": resnet50,
    "mobilenet_v2": mobilenet_v2,
    "efficientnet_b0": efficientnet_b0,
    "unet_256": unet_256,
    "bert_base_128": bert,
    "vit_b_16": vit_b_16,
    "mlp": mlp,
}
QUANTIZED = {
    "resnet50_int8": lambda folder: quantized(resnet50(folded=True), folder),
    "mobilenet_v2_int8": lambda folder: quantized(mobilenet_v2(folded=True), folder),
    "bert_base_128_int8": lambda folder: quantized(bert(), folder),
    "bert_base_128_dynamic": lambda folder: quantized_dynamically(bert(), folder),
}


def make(name):
    """The model of a name; KeyError where there is none."""
    if name not in QUANTIZED:
        return MODELS[name]()
    with tempfile.TemporaryDirectory() as folder:
        return QUANTIZED[name](folder)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in {**MODELS, **QUANTIZED}:
        sys.exit(f"usage: models.py NAME FILE, with one of {', '.join([*MODELS, *QUANTIZED])}")
    onnx.save(make(sys.argv[1]), sys.argv[2])
