"""Networks of the speed table as PyTorch modules with random weights, and what their arithmetic and memory traffic cost at least."""
import torch
import torch.nn.functional as F
from torch import nn

# Per item: GFLOP and millions of elements that fused convolutions and products read and write; millions of parameters.
COSTS = {
    "resnet50": (8.18, 28.4, 25.5),
    "efficientnet_b0": (0.77, 16.2, 5.2),
    "vit_b_16": (35.1, 47.2, 86.3),
    "bert_base_128": (22.4, 30.7, 85.0),
    "bert_large_384": (246.0, 245.0, 302.0),
}
PEAK_FLOPS = 790e12  # products of 16-bit floats, measured on an H200
PEAK_BYTES = 4.3e12  # per second, measured there


def floor_ms(name, batch):
    """No 16-bit implementation that writes every convolution's or product's result to memory runs faster than this."""
    gflop, elements, parameters = COSTS[name]
    return 1e3 * max(gflop * 1e9 * batch / PEAK_FLOPS, 2e6 * (parameters + elements * batch) / PEAK_BYTES)


class Encoder(nn.Module):
    """BERT's encoder on embedded tokens. `fused` computes attention by PyTorch's own operator, else by its parts, as exporters write it."""

    def __init__(self, layers=12, width=768, heads=12):
        super().__init__()
        self.heads, self.fused = heads, True
        self.layers = nn.ModuleList(nn.ModuleDict({
            "q": nn.Linear(width, width), "k": nn.Linear(width, width), "v": nn.Linear(width, width), "o": nn.Linear(width, width),
            "up": nn.Linear(width, 4 * width), "down": nn.Linear(4 * width, width), "n1": nn.LayerNorm(width), "n2": nn.LayerNorm(width),
        }) for _ in range(layers))

    def forward(self, x):
        b, t, w = x.shape
        for layer in self.layers:
            q, k, v = (layer[n](x).view(b, t, self.heads, w // self.heads).transpose(1, 2) for n in "qkv")
            if self.fused:
                y = F.scaled_dot_product_attention(q, k, v)
            else:
                y = torch.softmax(q @ k.transpose(-1, -2) / (w // self.heads) ** 0.5, -1) @ v
            x = layer["n1"](x + layer["o"](y.transpose(1, 2).reshape(b, t, w)))
            x = layer["n2"](x + layer["down"](F.gelu(layer["up"](x))))
        return x


def make(name, batch):
    """A module for evaluation and an input."""
    torch.manual_seed(0)
    if name == "bert_base_128":
        return Encoder().eval(), torch.randn(batch, 128, 768)
    if name == "bert_large_384":
        return Encoder(24, 1024, 16).eval(), torch.randn(batch, 384, 1024)
    import torchvision
    model = getattr(torchvision.models, name)(weights=None).eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in norms:  # statistics of an image keep activations in range
        module.momentum = 1.0
        module.train()
    if norms:
        with torch.no_grad():
            model(torch.randn(4, 3, 224, 224))
    model.eval()
    if name == "vit_b_16":
        nn.init.normal_(model.heads.head.weight, std=0.02)  # zeros otherwise: nothing could be compared
    return model, torch.randn(batch, 3, 224, 224)


def export(model, x, path):
    if isinstance(model, Encoder):
        model.fused = False
    torch.onnx.export(model, (x,), str(path), input_names=["x"], output_names=["y"], dynamo=False, opset_version=17)
    if isinstance(model, Encoder):
        model.fused = True
