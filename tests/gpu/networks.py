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


def small_transformer():
    return models.bert(layers=1, tokens=64, width=128, heads=4)


# With recorded times.
RECORDED = {"small_convolutions": small_convolutions, "small_transformer": small_transformer}
# Without: by rank and estimate, as at level 0.
ESTIMATED = {
    "resnet50": models.resnet50,
    "efficientnet_b0": models.efficientnet_b0,
    "bert_2_layers": lambda: models.bert(layers=2),
    "vit_2_layers": lambda: models.vit_b_16(layers=2),
}
