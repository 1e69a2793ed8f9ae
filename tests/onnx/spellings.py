#!/usr/bin/env python3
"""Networks as exporters write them: is what they mean found, and do the answers stay the same?

    spellings.py --tenon BIN [--filter TEXT] [--list]

Each spelling is one small ONNX graph. It is optimised (`tenon opt`), and the labels of the regions that are found in it, or the operations that are
left of it, must hold those that the table names; and it is built without timing and run on random inputs, and compared with ONNX Runtime. A spelling
that is known not to be found, or only looks like what it names, says why: then what it names must not be there, so that the reason goes when it no
longer holds. Exit code 2 where no spelling has the text of the filter, 77 with "SKIPPED: reason" where ONNX Runtime is not there.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    print(f"SKIPPED: the Python package {missing.name} is missing; ./dev installs it into .venv")
    sys.exit(77)

SPELLINGS = []


class Spelling:
    def __init__(self, name, found, make, opset, why_not, tolerance):
        self.name, self.found, self.make, self.opset, self.why_not, self.tolerance = name, found, make, opset, why_not, tolerance


def spelling(name, found, make, opset=17, why_not=None, tolerance=(1e-3, 1e-4)):
    """`found`: the label of a region, or an operation that is left."""
    SPELLINGS.append(Spelling(name, found, make, opset, why_not, tolerance))


class Graph:
    """Nodes by name of their operation; constants, inputs and weights by shape. Values are names."""

    def __init__(self, opset):
        self.opset, self.nodes, self.inputs, self.constants = opset, [], [], []
        self.random = np.random.default_rng(3)
        self.feed = {}

    def __getattr__(self, op):
        return lambda *inputs, n=1, **attributes: self.node(op, inputs, n, attributes)

    def node(self, op, inputs, n, attributes):
        outputs = [f"{op}_{len(self.nodes)}_{i}" for i in range(n)]
        inputs = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self.nodes.append(helper.make_node(op, inputs, outputs, name=outputs[0], **attributes))
        return outputs[0] if n == 1 else outputs

    def constant(self, value):
        """Numbers are f32, lists of integers i64."""
        if not isinstance(value, np.ndarray):
            integers = isinstance(value, list) or isinstance(value, tuple)
            value = np.array(value, np.int64 if integers else np.float32)
        self.constants.append(numpy_helper.from_array(value, f"c{len(self.constants)}"))
        return self.constants[-1].name

    def weights(self, *shape, dtype=np.float32):
        return self.constant((self.random.standard_normal(shape) * 0.2).astype(dtype))

    def input(self, dims, shape, integers=None):
        """`dims` may have names, `shape` is what it is run with; integers below a bound, else floats."""
        name = f"x{len(self.inputs)}"
        kind = TensorProto.FLOAT if integers is None else TensorProto.INT64
        self.inputs.append(helper.make_tensor_value_info(name, kind, dims))
        self.feed[name] = self.random.standard_normal(shape).astype(np.float32) if integers is None else self.random.integers(0, integers, shape)
        return name

    def reduced(self, op, x, axes, keepdims=1):
        as_input = self.opset >= 18 or (op == "ReduceSum" and self.opset >= 13)
        return self.node(op, [x, list(axes)] if as_input else [x], 1, {"keepdims": keepdims, **({} if as_input else {"axes": list(axes)})})

    def model(self, result):
        graph = helper.make_graph(self.nodes, "spelling", self.inputs, [onnx.ValueInfoProto(name=result)], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)


# --- Activations ----------------------------------------------------------------------------------------------------------


def activation(name, found, formula, **more):
    spelling(f"activation: {name}", found, lambda g: formula(g, g.input(["N", 64], [3, 64])), **more)


def tanh_gelu(g, x, cube):
    inner = g.Mul(0.7978845608, g.Add(x, g.Mul(0.044715, cube(x))))
    return g.Mul(g.Mul(0.5, x), g.Add(1.0, g.Tanh(inner)))


activation("silu, x * sigmoid(x)", "activation.silu", lambda g, x: g.Mul(g.Sigmoid(x), x))
activation("silu, x / (1 + exp(-x))", "activation.silu", lambda g, x: g.Div(x, g.Add(1.0, g.Exp(g.Neg(x)))))
activation("silu, x * (1 / (exp(-x) + 1))", "activation.silu", lambda g, x: g.Mul(x, g.Div(1.0, g.Add(g.Exp(g.Neg(x)), 1.0))))
activation("silu, quick gelu", "activation.silu", lambda g, x: g.Mul(x, g.Sigmoid(g.Mul(x, 1.702))))
activation("gelu, PyTorch", "activation.gelu_erf", lambda g, x: g.Mul(g.Mul(x, g.Add(g.Erf(g.Div(x, 2**0.5)), 1.0)), 0.5))
activation("gelu, TensorFlow", "activation.gelu_erf", lambda g, x: g.Mul(g.Mul(0.5, x), g.Add(1.0, g.Erf(g.Mul(x, 0.5**0.5)))))
activation("gelu, Keras by erfc", "activation.gelu_erf", lambda g, x: g.Mul(g.Mul(x, 0.5), g.Sub(1.0, g.Erf(g.Mul(g.Neg(x), 0.5**0.5)))))
activation("gelu by tanh, cube by power", "activation.gelu_tanh", lambda g, x: tanh_gelu(g, x, lambda x: g.Pow(x, 3.0)))
activation("gelu by tanh, cube by products", "activation.gelu_tanh", lambda g, x: tanh_gelu(g, x, lambda x: g.Mul(x, g.Mul(x, x))))
activation("gelu by tanh, as a sigmoid", "activation.gelu_tanh", lambda g, x: g.Mul(x, g.Sigmoid(g.Mul(1.5957691216, g.Add(x, g.Mul(0.044715, g.Pow(x, 3.0)))))))
activation("hard swish, clip and divide", "activation.hard_swish", lambda g, x: g.Div(g.Mul(x, g.Clip(g.Add(x, 3.0), 0.0, 6.0)), 6.0))
activation("hard swish, Keras 3", "activation.hard_swish", lambda g, x: g.Mul(x, g.Clip(g.Add(g.Mul(x, 1 / 6), 0.5), 0.0, 1.0)))
activation("mish, softplus", "activation.mish", lambda g, x: g.Mul(x, g.Tanh(g.Softplus(x))))
activation("mish, log and exp", "activation.mish", lambda g, x: g.Mul(x, g.Tanh(g.Log(g.Add(g.Exp(x), 1.0)))))
activation("mish, softplus with a threshold", "activation.mish", lambda g, x: g.Mul(x, g.Tanh(g.Where(g.Greater(x, 20.0), x, g.Softplus(x)))))


# --- Norms ----------------------------------------------------------------------------------------------------------------


def rows(g):
    return g.input(["N", 16, 64], [2, 16, 64])


def image(g):
    return g.input(["N", 32, 14, 14], [2, 32, 14, 14])


def image_channels_last(g):
    return g.input(["N", 14, 14, 32], [2, 14, 14, 32])


def norm(name, found, formula, x=rows, **more):
    spelling(f"norm: {name}", found, lambda g: formula(g, x(g)), **more)


def layer_norm(g, x, axes=(-1,), shape=(64,), end="div"):
    centred = g.Sub(x, g.reduced("ReduceMean", x, axes))
    shifted = g.Add(g.reduced("ReduceMean", g.Pow(centred, 2.0), axes), 1e-5)
    if end == "div":
        y = g.Div(centred, g.Sqrt(shifted))
    elif end == "reciprocal":
        y = g.Mul(centred, g.Reciprocal(g.Sqrt(shifted)))
    else:
        y = g.Mul(centred, g.Pow(shifted, -0.5))
    return g.Add(g.Mul(y, g.weights(*shape)), g.weights(*shape))


def moments_norm(g, x, of_squares, axes=(-1,), shape=(64,)):
    """x * inverse + (bias - mean * inverse), the variance one way or the other."""
    mean = g.reduced("ReduceMean", x, axes)
    if of_squares:
        variance = g.Sub(g.reduced("ReduceMean", g.Mul(x, x), axes), g.Mul(mean, mean))
    else:
        centred = g.Sub(x, mean)
        variance = g.reduced("ReduceMean", g.Mul(centred, centred), axes)
    inverse = g.Mul(g.Reciprocal(g.Sqrt(g.Add(variance, 1e-3))), g.weights(*shape))
    return g.Add(g.Mul(x, inverse), g.Sub(g.weights(*shape), g.Mul(mean, inverse)))


def rms_norm(g, x, mean_of_squares):
    return g.Mul(g.weights(64), g.Mul(x, g.Reciprocal(g.Sqrt(g.Add(mean_of_squares(g, x), 1e-6)))))


def group_norm(g, x, shape, axes, scale):
    grouped = g.Reshape(x, shape)
    centred = g.Sub(grouped, g.reduced("ReduceMean", grouped, axes))
    y = g.Div(centred, g.Sqrt(g.Add(g.reduced("ReduceMean", g.Mul(centred, centred), axes), 1e-5)))
    return g.Add(g.Mul(g.Reshape(y, g.Shape(x)), g.weights(*scale)), g.weights(*scale))


for end in ("div", "reciprocal", "power"):
    norm(f"layer norm, PyTorch before opset 17, {end}", "layer_norm", lambda g, x, end=end: layer_norm(g, x, end=end), opset=11)
norm("layer norm, axes as an input", "layer_norm", layer_norm, opset=18)
norm("layer norm, TensorFlow", "layer_norm", lambda g, x: moments_norm(g, x, False))
norm("layer norm, Keras 3, E[x^2] - E[x]^2", "layer_norm", lambda g, x: moments_norm(g, x, True))
norm("layer norm over channels in front", "layer_norm", lambda g, x: layer_norm(g, x, (1,), (32, 1, 1)), image,
     why_not="the parts are faster than the op between transposes")
norm("instance norm in primitives", "layer_norm", lambda g, x: layer_norm(g, x, (2, 3), (1, 32, 1, 1)), image)
norm("instance norm in primitives, channels last", "layer_norm", lambda g, x: layer_norm(g, x, (1, 2), (32,)), image_channels_last,
     why_not="the parts are faster than the op between transposes")
norm("instance norm in primitives, channels last between transposes", "layer_norm",
     lambda g, x: g.Transpose(layer_norm(g, g.Transpose(x, perm=[0, 2, 3, 1]), (1, 2), (32,)), perm=[0, 3, 1, 2]), image)
norm("rms norm, Llama", "rms_norm", lambda g, x: rms_norm(g, x, lambda g, x: g.reduced("ReduceMean", g.Pow(x, 2.0), (-1,))))
norm("rms norm, a sum of squares", "rms_norm", lambda g, x: rms_norm(g, x, lambda g, x: g.Div(g.reduced("ReduceSumSquare", x, (-1,)), 64.0)))
norm("rms norm, the L2 norm", "rms_norm", lambda g, x: g.Mul(g.Div(x, g.Mul(g.reduced("ReduceL2", x, (-1,)), 64**-0.5)), g.weights(64)))
norm("group norm, PyTorch", "group_norm", lambda g, x: g.Add(g.Mul(g.Reshape(g.InstanceNormalization(g.Reshape(x, [0, 8, -1]), np.ones(8, np.float32), np.zeros(8, np.float32)), g.Shape(x)), g.weights(32, 1, 1)), g.weights(32, 1, 1)), image)
norm("group norm in primitives, rank 3", "group_norm", lambda g, x: group_norm(g, x, [0, 8, -1], (-1,), (1, 32, 1, 1)), image)
norm("group norm in primitives, rank 5", "group_norm", lambda g, x: group_norm(g, x, [0, 8, 4, 14, 14], (2, 3, 4), (1, 32, 1, 1)), image)
norm("group norm, Keras, channels last", "layer_norm", lambda g, x: group_norm(g, x, [0, 14, 14, 8, 4], (1, 2, 4), (32,)), image_channels_last)
norm("residual and layer norm in primitives", "add+layer_norm", lambda g, x: layer_norm(g, g.Add(g.MatMul(x, g.weights(64, 64)), x)))


def embedding(g, of_positions, norm, kind_count=2):
    ids = g.input(["N", 16], [2, 16], 100)
    kinds = g.input(["N", 16], [2, 16], kind_count)
    a = g.Reshape(g.Gather(g.weights(100, 64), g.Reshape(ids, [-1])), [-1, 16, 64]) if of_positions else g.Gather(g.weights(100, 64), ids)
    if of_positions:
        picks = g.OneHot(g.Reshape(kinds, [-1]), [2], np.array([0, 1], np.float32), axis=-1)
        b = g.Reshape(g.MatMul(picks, g.weights(2, 64)), [-1, 16, 64])
    else:
        b = g.Gather(g.weights(kind_count, 64), kinds)
    return norm(g, g.Add(g.Add(a, b), g.weights(1, 16, 64)))


spelling("embedding: PyTorch, norm in primitives", "embedding+layer_norm", lambda g: embedding(g, False, layer_norm))
spelling("embedding: PyTorch, one kind of token", "embedding+layer_norm", lambda g: embedding(g, False, layer_norm, 1))
spelling("embedding: TensorFlow, one-hot", "embedding+layer_norm", lambda g: embedding(g, True, lambda g, x: moments_norm(g, x, False)))


# --- Squeeze and excite -----------------------------------------------------------------------------------------------------


def excite(g, x, squeezed):
    hidden = g.Relu(g.Conv(squeezed, g.weights(8, 32, 1, 1), g.weights(8)))
    return g.Mul(x, g.Sigmoid(g.Conv(hidden, g.weights(32, 8, 1, 1), g.weights(32))))


def excite_channels_last(g, x):
    y = g.Transpose(g.Conv(x, g.weights(32, 32, 1, 1)), perm=[0, 2, 3, 1])
    squeezed = g.Transpose(g.reduced("ReduceMean", y, (1, 2)), perm=[0, 3, 1, 2])
    hidden = g.Relu(g.Conv(squeezed, g.weights(8, 32, 1, 1)))
    gate = g.Sigmoid(g.Conv(hidden, g.weights(32, 8, 1, 1)))
    return g.Conv(g.Transpose(g.Mul(y, g.Transpose(gate, perm=[0, 2, 3, 1])), perm=[0, 3, 1, 2]), g.weights(8, 32, 1, 1))


def squeeze(name, formula, **more):
    spelling(f"squeeze and excite: {name}", "squeeze+excite+scale", lambda g: formula(g, image(g)), **more)


squeeze("torchvision", lambda g, x: excite(g, x, g.GlobalAveragePool(x)))
squeeze("timm", lambda g, x: excite(g, x, g.reduced("ReduceMean", x, (2, 3))))
squeeze("an average pool of the whole image", lambda g, x: excite(g, x, g.AveragePool(x, kernel_shape=[14, 14])))
squeeze("the mean in two steps", lambda g, x: excite(g, x, g.reduced("ReduceMean", g.reduced("ReduceMean", x, (3,)), (2,))))
squeeze("Keras, channels last", excite_channels_last)
squeeze("a mean of flattened positions", lambda g, x: excite(g, x, g.Reshape(g.reduced("ReduceMean", g.Reshape(x, [0, 32, -1]), (2,)), [-1, 32, 1, 1])),
        why_not="the mean is of another tensor than the one that is scaled, a reshape of it")


# --- Attention --------------------------------------------------------------------------------------------------------------

S, H, D = 16, 4, 16
E = H * D


def attention(name, found, formula, dynamic=False, **more):
    spelling(f"attention: {name}", found, lambda g: formula(g, g.input(["B", "S" if dynamic else S, E], [2, S, E])), **more)


def linear(g, x, columns=E):
    return g.Add(g.MatMul(x, g.weights(E, columns)), g.weights(columns))


def heads(g, x, perm=(0, 2, 1, 3), n=H):
    return g.Transpose(g.Reshape(x, [0, 0, n, D]), perm=list(perm))


def joined(g, y):
    return g.Reshape(g.Transpose(y, perm=[0, 2, 1, 3]), [0, 0, E])


def scaled(g, x, mask=lambda g, scores: scores, softmax=lambda g, scores: g.Softmax(scores, axis=-1)):
    q, k, v = heads(g, linear(g, x)), heads(g, linear(g, x), (0, 2, 3, 1)), heads(g, linear(g, x))
    return joined(g, g.MatMul(softmax(g, mask(g, g.Div(g.MatMul(q, k), 4.0))), v))


def causal(g, scores, fill=-3.4e38):
    return g.Where(np.tril(np.ones((1, 1, S, S), bool)), scores, fill)


def causal_by_range(g, scores):
    length = g.Squeeze(g.Slice(g.Shape(scores), [3], [4], [0]))
    positions = g.Range(np.array(0), length, np.array(1))
    return g.Where(g.LessOrEqual(g.Unsqueeze(positions, [0]), g.Unsqueeze(positions, [1])), scores, -1e9)


def padded(g, scores):
    return g.Add(scores, g.Mul(g.Sub(1.0, g.Cast(g.Unsqueeze(g.input(["B", S], [2, S], 2), [1, 2]), to=TensorProto.FLOAT)), -1e4))


def biased(g, scores):
    return g.Add(scores, g.weights(1, H, S, S))


def softmax_in_primitives(g, scores):
    e = g.Exp(g.Sub(scores, g.reduced("ReduceMax", scores, (-1,))))
    return g.Div(e, g.reduced("ReduceSum", e, (-1,)))


def in_halves(g, x):
    half = lambda value: g.Cast(value, to=TensorProto.FLOAT16)
    q, k, v = [half(heads(g, linear(g, x), perm)) for perm in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3))]
    scores = g.Cast(g.Mul(g.MatMul(q, k), np.array(0.25, np.float16)), to=TensorProto.FLOAT)
    return joined(g, g.Cast(g.MatMul(half(g.Softmax(scores, axis=-1)), v), to=TensorProto.FLOAT))


def fused_qkv(g, x):
    parts = g.Transpose(g.Reshape(linear(g, x, 3 * E), [0, S, 3, H, D]), perm=[2, 0, 3, 1, 4])
    q, k, v = [g.Gather(parts, np.array(i), axis=0) for i in range(3)]
    scores = g.MatMul(g.Mul(q, 0.25), g.Transpose(k, perm=[0, 1, 3, 2]))
    return joined(g, g.MatMul(g.Softmax(scores, axis=-1), v))


def products_of_rank_3(g, x):
    flat = lambda value: g.Reshape(heads(g, value), [-1, S, D])
    scores = g.MatMul(flat(g.Mul(linear(g, x), 0.25)), g.Transpose(flat(linear(g, x)), perm=[0, 2, 1]))
    scores = g.Reshape(padded(g, g.Reshape(scores, [-1, H, S, S])), [-1, S, S])
    return joined(g, g.Reshape(g.MatMul(g.Softmax(scores, axis=-1), flat(linear(g, x))), [-1, H, S, D]))


def keras_einsum(g, x):
    project = lambda: g.Add(g.Einsum(x, g.weights(E, H, D), equation="abc,cde->abde"), g.weights(H, D))
    q, k, v = g.Mul(project(), 0.25), project(), project()
    p = g.Softmax(g.Einsum(k, q, equation="aecd,abcd->acbe"), axis=-1)
    return g.Add(g.Einsum(g.Einsum(p, v, equation="acbe,aecd->abcd"), g.weights(H, D, E), equation="abcd,cde->abe"), g.weights(E))


def keras_products(g, x):
    project = lambda: g.Add(g.Reshape(g.MatMul(x, g.weights(E, E)), [-1, S, H, D]), g.weights(H, D))
    q, k, v = g.Mul(project(), 0.25), project(), project()
    scores = g.MatMul(g.Transpose(k, perm=[0, 2, 1, 3]), g.Transpose(q, perm=[0, 2, 3, 1]))
    p = g.Softmax(g.Transpose(scores, perm=[0, 1, 3, 2]), axis=-1)
    return joined(g, g.MatMul(p, g.Transpose(v, perm=[0, 2, 1, 3])))


def shared_heads(g, x, repeat):
    q, k, v = heads(g, linear(g, x)), heads(g, linear(g, x, 2 * D), n=2), heads(g, linear(g, x, 2 * D), n=2)
    scores = g.Div(g.MatMul(q, g.Transpose(repeat(g, k), perm=[0, 1, 3, 2])), 4.0)
    return joined(g, g.MatMul(g.Softmax(causal(g, scores), axis=-1), repeat(g, v)))


def heads_in_groups(g, x):
    q, k, v = heads(g, linear(g, x)), heads(g, linear(g, x, 2 * D), n=2), heads(g, linear(g, x, 2 * D), n=2)
    q = g.Reshape(q, [-1, 2, H // 2, S, D])
    k, v = g.Unsqueeze(g.Transpose(k, perm=[0, 1, 3, 2]), [2]), g.Unsqueeze(v, [2])
    return joined(g, g.Reshape(g.MatMul(g.Softmax(g.Mul(g.MatMul(q, k), 0.25), axis=-1), v), [-1, H, S, D]))


attention("BERT, PyTorch", "attention+transposes", scaled)
attention("BERT with a padding mask", "attention+transposes+mask", lambda g, x: scaled(g, x, padded))
attention("GPT-2", "attention+transposes+causal", lambda g, x: scaled(g, x, causal))
attention("GPT-2 with a padding mask", "attention+transposes+mask", lambda g, x: scaled(g, x, lambda g, s: padded(g, causal(g, s))))
attention("T5 and Swin, bias and padding mask", "attention+transposes+mask", lambda g, x: scaled(g, x, lambda g, s: padded(g, biased(g, s))))
attention("causal by ranges of a dynamic length", "attention+transposes+mask", lambda g, x: scaled(g, x, causal_by_range), dynamic=True)
attention("a scale behind the mask", "attention", lambda g, x: scaled(g, x, lambda g, s: g.Mul(padded(g, s), 0.25)), why_not="the mask would be scaled as well")
attention("softmax in primitives", "attention+transposes", lambda g, x: scaled(g, x, softmax=softmax_in_primitives))
attention("halves, softmax in f32", "attention", in_halves, tolerance=(1e-2, 1e-2))
attention("timm, query, key and value of one product", "attention+transposes", fused_qkv)
attention("OPT and BLOOM, products of rank 3", "attention+transposes+mask", products_of_rank_3)
attention("Keras, einsums", "attention+transposes", keras_einsum)
attention("Keras by tf2onnx, key times query", "attention+transposes", keras_products)
attention("shared heads, expand", "attention+transposes+causal", lambda g, x: shared_heads(g, x, lambda g, u: g.Reshape(g.Expand(g.Unsqueeze(u, [2]), [1, 2, 2, S, D]), [-1, H, S, D])))
attention("shared heads, tile", "attention+transposes+causal", lambda g, x: shared_heads(g, x, lambda g, u: g.Reshape(g.Tile(g.Unsqueeze(u, [2]), [1, 1, 2, 1, 1]), [-1, H, S, D])))
attention("shared heads, gather", "attention+transposes+causal", lambda g, x: shared_heads(g, x, lambda g, u: g.Gather(u, [0, 0, 1, 1], axis=1)))
attention("shared heads, concat", "attention+transposes+causal", lambda g, x: shared_heads(g, x, lambda g, u: g.Reshape(g.Concat(g.Unsqueeze(u, [2]), g.Unsqueeze(u, [2]), axis=2), [-1, H, S, D])))
attention("shared heads, five dimensions", "attention+transposes", heads_in_groups)
attention("GPT-2 before 2021, scores times zeros and ones", "attention", lambda g, x: scaled(g, x, lambda g, s: g.Sub(g.Mul(s, np.tril(np.ones((1, 1, S, S), np.float32))), np.triu(np.full((1, 1, S, S), 1e4, np.float32), 1))),
          why_not="a product with zeros and ones is not known as a choice")
attention("the op of opset 23", "attention", lambda g, x: joined(g, g.Attention(*[heads(g, linear(g, x)) for _ in range(3)], is_causal=1)), opset=23)
attention("the op of opset 23, shared heads", "attention", lambda g, x: g.Attention(linear(g, x), linear(g, x, 2 * D), linear(g, x, 2 * D), q_num_heads=H, kv_num_heads=2), opset=23)


# --- What only looks like it ------------------------------------------------------------------------------------------------


def look_alike(name, found, formula, *shapes, integers=None, **more):
    spelling(f"look-alike: {name}", found, lambda g: formula(g, *[g.input(list(shape), shape, integers) for shape in shapes]), **more)


def two_masks(g, q, k, m, n):
    return g.Reshape(g.Softmax(g.Add(g.Add(g.MatMul(q, k), m), n), axis=-1), [6, 5, 7])


MASKED = ((2, 3, 5, 8), (2, 3, 8, 7), (2, 1, 5, 7), (1, 3, 5, 7))
look_alike("regrouped probabilities without a product", "attention", lambda g, *x: g.Relu(two_masks(g, *x)), *MASKED, why_not="nothing is weighted")
look_alike("regrouped probabilities times a vector", "attention", lambda g, *x: g.MatMul(two_masks(g, *x), g.weights(7)), *MASKED, why_not="a vector is no matrix of values")
look_alike("keys of one dimension", "attention", lambda g, q, k, m, v: g.MatMul(g.Softmax(g.Add(g.Reshape(g.MatMul(q, k), [2, 2, 3, 5]), m), axis=-1), v),
           (4, 3, 5, 8), (8,), (2, 2, 3, 5), (2, 2, 5, 6), why_not="a vector is no matrix of keys")
look_alike("values of one dimension", "attention", lambda g, q, k, m, v: g.Reshape(g.MatMul(g.Softmax(g.Add(g.MatMul(q, k), m), axis=-1), v), [3, 2, 2, 5]),
           (2, 3, 2, 5, 8), (2, 3, 2, 8, 7), (5, 7), (7,), why_not="a vector is no matrix of values")
look_alike("rms norm with the sign changed", "rms_norm", lambda g, x: g.Div(x, g.Mul(g.reduced("ReduceL2", x, (-1,)), -0.125)), (3, 64), why_not="a norm keeps the sign")
look_alike("sigmoid that the one broadcasts", "activation.sigmoid", lambda g, x, z: g.Div(z, g.Add(np.ones((3, 64), np.float32), g.Exp(g.Neg(x)))),
           (3, 1), (1, 1), why_not="the result has more elements than x")
look_alike("mean of means of integers", "reduce.mean", lambda g, x: g.reduced("ReduceMean", g.reduced("ReduceMean", x, (1,)), (2,)), (50, 4, 5), integers=9)


# --- Running ----------------------------------------------------------------------------------------------------------------


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr.strip().splitlines()


def found_in(tenon, path):
    """Labels of regions and operations that are left; an error as text."""
    code, listed, errors = run([tenon, "opt", str(path), "--regions", "--json", "-q"])
    if code != 0:
        return f"tenon opt --regions: {errors[-1] if errors else code}"
    labels = {label for regions in json.loads(listed)["regions"].values() for label in regions}
    code, text, errors = run([tenon, "opt", str(path), "-q"])
    if code != 0:
        return f"tenon opt: {errors[-1] if errors else code}"
    return labels | set(re.findall(r" = ([a-z0-9_.]+)\(", text))


def difference(tenon, work, each, graph, model):
    """Of the results from those of ONNX Runtime, as text; None where there is none."""
    path, data = work / "model.onnx", work / "test_data_set_0"
    data.mkdir()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    expected = session.run(None, graph.feed)
    for i, value in enumerate(model.graph.input):
        (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(graph.feed[value.name], value.name).SerializeToString())
    (data / "output_0.pb").write_bytes(numpy_helper.from_array(expected[0], model.graph.output[0].name).SerializeToString())
    code, text, errors = run([tenon, "run", str(path), "--check", str(data), "--level", "0", "--quiet", "--rtol", repr(each.tolerance[0]), "--atol", repr(each.tolerance[1])])
    return None if code == 0 else (text.strip().splitlines() + errors)[-1]


def check(tenon, each):
    graph = Graph(each.opset)
    model = graph.model(each.make(graph))
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        onnx.save(model, work / "model.onnx")
        found = found_in(tenon, work / "model.onnx")
        if isinstance(found, str):
            return found
        if (each.found in found) == (each.why_not is not None):
            return f"'{each.found}' is found, though {each.why_not}" if each.why_not else f"'{each.found}' is not among {', '.join(sorted(found))}"
        return difference(tenon, work, each, graph, model)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", required=True)
    parser.add_argument("--filter", default="", help="only spellings whose name has this")
    parser.add_argument("--list", action="store_true", help="print what is found too")
    options = parser.parse_args()
    wrong = 0
    wanted = [each for each in SPELLINGS if options.filter in each.name]
    if not wanted:
        print(f"no spelling has '{options.filter}' in its name; --filter '' runs all {len(SPELLINGS)}", file=sys.stderr)
        return 2
    for each in wanted:
        problem = check(options.tenon, each)
        wrong += problem is not None
        if problem is not None:
            print(f"WRONG    {each.name}: {problem}")
        elif each.why_not is not None:
            print(f"skipped  {each.name}: not found, because {each.why_not}")
        elif options.list:
            print(f"found    {each.name}: {each.found}")
    print(f"{len(wanted)} spellings, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
