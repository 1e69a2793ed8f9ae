"""Networks whose kernels are counted: those of the benchmarks, transformers with two layers, and two small ones of whose tactics the times are recorded."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks"))
import models


def small_convolutions():
    """One of each kind of block that image networks have."""
    g = models.Graph()
    x = g.node("Relu", g.conv_bn("x", 3, 32, 3, 2))
    y = g.node("Relu", g.conv_bn(x, 32, 64, 1))
    y = g.node("Relu", g.conv_bn(y, 64, 64, 3))
    x = g.node("Relu", g.node("Add", g.conv_bn(y, 64, 32, 1, gain=0.3), x))
    y = g.conv_bn(x, 32, 96, 1)
    y = g.node("Mul", y, g.node("Sigmoid", y))
    y = g.conv_bn(y, 96, 96, 3, 2, groups=96)
    y = g.node("Mul", y, g.node("Sigmoid", y))
    gate = g.node("Relu", g.conv(g.node("GlobalAveragePool", y), 96, 8, 1))
    y = g.node("Mul", y, g.node("Sigmoid", g.conv(gate, 8, 96, 1)))
    y = g.conv_bn(y, 96, 48, 1)
    x = g.node("Flatten", g.node("GlobalAveragePool", y))
    g.node("Gemm", x, g.weights(10, 48, fan_in=48), g.near(0, 10), transB=1)
    return g.model("small_convolutions", [2, 3, 32, 32], "y", [2, 10])


def small_inception():
    """Branches that read one tensor: two Inception modules, then a residual block with a projection."""
    g = models.Graph()

    def branch(x, channels, *layers):
        for out, kernel in layers:
            x, channels = g.node("Relu", g.conv_bn(x, channels, out, kernel)), out
        return x

    x = branch("x", 3, (64, 3))
    for channels in (64, 96):
        pooled = g.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        x = g.node("Concat", branch(x, channels, (32, 1)), branch(x, channels, (24, 1), (32, 3)),
                   branch(x, channels, (16, 1), (16, 3), (16, 3)), branch(pooled, channels, (16, 1)), axis=1)
    y = g.node("Relu", g.conv_bn(x, 96, 64, 1))
    y = g.conv_bn(g.node("Relu", g.conv_bn(y, 64, 64, 3, 2)), 64, 128, 1, gain=0.3)
    x = g.node("Relu", g.node("Add", y, g.conv_bn(x, 96, 128, 1, 2)))
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    g.node("Gemm", x, g.weights(10, 128, fan_in=128), g.near(0, 10), transB=1)
    return g.model("small_inception", [2, 3, 32, 32], "y", [2, 10])


def small_transformer():
    return models.bert(layers=1, tokens=64, width=128, heads=4)


# With recorded times.
RECORDED = {"small_convolutions": small_convolutions, "small_transformer": small_transformer}
# Without: by rank and estimate, as at level 0.
ESTIMATED = {
    "small_inception": small_inception,
    "resnet50": models.resnet50,
    "efficientnet_b0": models.efficientnet_b0,
    "bert_2_layers": lambda: models.bert(layers=2),
    "vit_2_layers": lambda: models.vit_b_16(layers=2),
}
