// The networks of selector_networks.h.
#include "tests/unit/core/schedule/selector_networks.h"

#include "core/support/text.h"

#include <algorithm>

namespace tenon::schedule::testing {
namespace {

using support::cat;
using enum NodeKind;

constexpr double kMega = 1e6;

// A convolution on a square map: bytes of the output and work follow from the shape.
int32_t conv(NetworkSketch& net, const std::string& name, int32_t from, int32_t in, int32_t out, int32_t kernel,
             int32_t side) {
    const double pixels = static_cast<double>(side) * side;
    return net.node(kHeavy, name, {from}, pixels * in * out * kernel * kernel / 4.0, pixels * out * 4.0);
}

int32_t pointwise(NetworkSketch& net, const std::string& name, const std::vector<int32_t>& from, double elements) {
    return net.node(kPointwise, name, from, elements, elements * 4.0);
}

double map(int32_t channels, int32_t side) { return static_cast<double>(channels) * side * side; }

} // namespace

SelectionProblem chainNetwork(int32_t nodes, int32_t window, int32_t formats) {
    NetworkSketch net(formats, 11);
    int32_t value = net.input("x", 2 * kMega);
    Random random(5);
    for (int32_t i = 0; i < nodes; ++i) {
        const NodeKind kind = i % 3 == 0 ? kHeavy : kPointwise;
        const double bytes = (0.5 + random.unit()) * kMega;
        value = net.node(kind, cat("op", i), {value}, (kind == kHeavy ? 20 : 0.3) * kMega * random.unit(), bytes);
    }
    net.output(value);
    net.connectedRegions(window, {kHeavy, kPointwise});
    return net.finish();
}

SelectionProblem resNet50(int32_t formats) {
    NetworkSketch net(formats, 12);
    int32_t x = net.input("image", map(3, 224) * 4);
    x = conv(net, "stem", x, 3, 64, 7, 112);
    const int32_t stem = x;
    x = pointwise(net, "stem.relu", {x}, map(64, 112));
    net.regionOfValues({stem, x});
    x = net.node(kReduce, "pool", {x}, map(64, 112), map(64, 56) * 4);
    int32_t channels = 64;
    const int32_t depth[] = {3, 4, 6, 3};
    for (int32_t stage = 0; stage < 4; ++stage) {
        const int32_t inner = 64 << stage;
        const int32_t outer = inner * 4;
        const int32_t side = 56 >> stage;
        for (int32_t block = 0; block < depth[stage]; ++block) {
            const std::string name = cat("s", stage, "b", block);
            const int32_t c1 = conv(net, name + ".conv1", x, channels, inner, 1, side);
            const int32_t r1 = pointwise(net, name + ".relu1", {c1}, map(inner, side));
            const int32_t c2 = conv(net, name + ".conv2", r1, inner, inner, 3, side);
            const int32_t r2 = pointwise(net, name + ".relu2", {c2}, map(inner, side));
            const int32_t c3 = conv(net, name + ".conv3", r2, inner, outer, 1, side);
            const int32_t shortcut = block == 0 ? conv(net, name + ".down", x, channels, outer, 1, side) : x;
            const int32_t sum = pointwise(net, name + ".add", {c3, shortcut}, map(outer, side));
            x = pointwise(net, name + ".relu3", {sum}, map(outer, side));
            channels = outer;
            net.regionOfValues({c1, r1});
            net.regionOfValues({c2, r2});
            net.regionOfValues({c3, sum});
            net.regionOfValues({c3, sum, x});
            net.regionOfValues({sum, x});
            net.regionOfValues({c1, r1, c2});
            net.regionOfValues({c1, r1, c2, r2});
            net.regionOfValues({r2, c3});
            net.regionOfValues({c2, r2, c3, sum, x});
            if (block == 0) {
                net.regionOfValues({c1, shortcut});
                net.regionOfValues({c1, r1, shortcut});
                net.regionOfValues({shortcut, sum});
                net.regionOfValues({shortcut, sum, x});
            }
        }
    }
    x = net.node(kReduce, "mean", {x}, map(2048, 7), 2048 * 4);
    x = net.node(kHeavy, "fc", {x}, 2048 * 1000, 4000);
    net.output(x);
    return net.finish();
}

SelectionProblem bert(int32_t layers, int32_t formats, bool sharedMask) {
    NetworkSketch net(formats, 13);
    const double tokens = 128;
    const double hidden = tokens * 768;
    const double scores = 12 * tokens * tokens;
    const double wide = tokens * 3072;
    int32_t x = net.input("embeddings", hidden * 4);
    const int32_t mask = net.input("mask", tokens * 4);
    auto matmul = [&](const std::string& name, const std::vector<int32_t>& from, double work, double elements) {
        return net.node(kHeavy, name, from, work, elements * 4);
    };
    auto norm = [&](const std::string& name, int32_t from, int32_t residual) {
        const int32_t mean = net.node(kReduce, name + ".mean", {from}, hidden, tokens * 4);
        const int32_t centred = pointwise(net, name + ".sub", {from, mean}, hidden);
        const int32_t square = pointwise(net, name + ".square", {centred}, hidden);
        const int32_t var = net.node(kReduce, name + ".var", {square}, hidden, tokens * 4);
        const int32_t eps = pointwise(net, name + ".eps", {var}, tokens);
        const int32_t root = pointwise(net, name + ".sqrt", {eps}, tokens);
        const int32_t scaled = pointwise(net, name + ".div", {centred, root}, hidden);
        const int32_t gamma = pointwise(net, name + ".gamma", {scaled}, hidden);
        const int32_t beta = pointwise(net, name + ".beta", {gamma}, hidden);
        const std::vector<int32_t> all = {mean, centred, square, var, eps, root, scaled, gamma, beta};
        net.regionOfValues(all);
        net.regionOfValues({mean, centred, square, var, eps, root, scaled});
        net.regionOfValues({square, var});
        net.regionOfValues({square, var, eps, root});
        net.regionOfValues({centred, square, var, eps, root, scaled, gamma, beta});
        std::vector<int32_t> withResidual = all;
        withResidual.push_back(residual);
        net.regionOfValues(withResidual);
        return beta;
    };
    for (int32_t layer = 0; layer < layers; ++layer) {
        const std::string name = cat("l", layer);
        int32_t projected[3];
        int32_t biased[3];
        int32_t heads[3];
        for (int32_t i = 0; i < 3; ++i) {
            const std::string part = cat(name, ".", "qkv"[i]);
            projected[i] = matmul(part, {x}, hidden * 768, hidden);
            biased[i] = pointwise(net, part + ".bias", {projected[i]}, hidden);
            const int32_t split = net.node(kData, part + ".split", {biased[i]}, 0, hidden * 4);
            heads[i] = net.node(kData, part + ".perm", {split}, hidden, hidden * 4);
            net.regionOfValues({projected[i], biased[i]});
            net.regionOfValues({split, heads[i]});
            net.regionOfValues({biased[i], split, heads[i]});
            net.regionOfValues({projected[i], biased[i], split, heads[i]});
        }
        net.regionOfValues({projected[0], projected[1], projected[2]});
        net.regionOfValues({projected[0], biased[0], projected[1], biased[1], projected[2], biased[2]});
        net.regionOfValues({projected[1], projected[2]});
        const int32_t dot = matmul(name + ".dot", {heads[0], heads[1]}, hidden * tokens, scores);
        const int32_t scale = pointwise(net, name + ".scale", {dot}, scores);
        const int32_t masked = sharedMask ? pointwise(net, name + ".mask", {scale, mask}, scores)
                                          : pointwise(net, name + ".mask", {scale}, scores);
        const int32_t top = net.node(kReduce, name + ".max", {masked}, scores, 12 * tokens * 4);
        const int32_t shifted = pointwise(net, name + ".shift", {masked, top}, scores);
        const int32_t grown = pointwise(net, name + ".exp", {shifted}, scores);
        const int32_t total = net.node(kReduce, name + ".sum", {grown}, scores, 12 * tokens * 4);
        const int32_t weights = pointwise(net, name + ".norm", {grown, total}, scores);
        const int32_t mixed = matmul(name + ".mix", {weights, heads[2]}, hidden * tokens, hidden);
        const int32_t back = net.node(kData, name + ".back", {mixed}, hidden, hidden * 4);
        const int32_t joined = net.node(kData, name + ".join", {back}, 0, hidden * 4);
        const int32_t out = matmul(name + ".out", {joined}, hidden * 768, hidden);
        const int32_t outBias = pointwise(net, name + ".outbias", {out}, hidden);
        const int32_t sum = pointwise(net, name + ".res1", {outBias, x}, hidden);
        net.regionOfValues({top, shifted, grown, total, weights});
        net.regionOfValues({scale, masked, top, shifted, grown, total, weights});
        net.regionOfValues({dot, scale});
        net.regionOfValues({dot, scale, masked});
        net.regionOfValues({dot, scale, masked, top, shifted, grown, total, weights, mixed});
        net.regionOfValues({mixed, back, joined});
        net.regionOfValues({back, joined});
        net.regionOfValues({out, outBias});
        net.regionOfValues({out, outBias, sum});
        x = norm(name + ".ln1", sum, sum);
        const int32_t up = matmul(name + ".up", {x}, hidden * 3072, wide);
        const int32_t upBias = pointwise(net, name + ".upbias", {up}, wide);
        const int32_t g1 = pointwise(net, name + ".gelu1", {upBias}, wide);
        const int32_t g2 = pointwise(net, name + ".erf", {g1}, wide);
        const int32_t g3 = pointwise(net, name + ".gelu2", {g2}, wide);
        const int32_t g4 = pointwise(net, name + ".gelu3", {upBias, g3}, wide);
        const int32_t g5 = pointwise(net, name + ".gelu4", {g4}, wide);
        const int32_t down = matmul(name + ".down", {g5}, wide * 768, hidden);
        const int32_t downBias = pointwise(net, name + ".downbias", {down}, hidden);
        const int32_t sum2 = pointwise(net, name + ".res2", {downBias, x}, hidden);
        net.regionOfValues({up, upBias});
        net.regionOfValues({up, upBias, g1, g2, g3, g4, g5});
        net.regionOfValues({g1, g2, g3, g4, g5});
        net.regionOfValues({upBias, g1, g2, g3, g4, g5});
        net.regionOfValues({down, downBias});
        net.regionOfValues({down, downBias, sum2});
        x = norm(name + ".ln2", sum2, sum2);
    }
    net.connectedRegions(3, {kPointwise});
    net.output(x);
    return net.finish();
}

SelectionProblem uNet(int32_t formats) {
    NetworkSketch net(formats, 14);
    int32_t x = net.input("image", map(3, 256) * 4);
    std::vector<int32_t> skips;
    auto block = [&](const std::string& name, int32_t in, int32_t out, int32_t side) {
        for (int32_t i = 0; i < 2; ++i) {
            const int32_t c = conv(net, cat(name, ".conv", i), x, i == 0 ? in : out, out, 3, side);
            x = pointwise(net, cat(name, ".relu", i), {c}, map(out, side));
            net.regionOfValues({c, x});
        }
    };
    for (int32_t level = 0; level < 4; ++level) {
        block(cat("down", level), level == 0 ? 3 : 32 << level, 64 << level, 256 >> level);
        skips.push_back(x);
        x = net.node(kReduce, cat("pool", level), {x}, map(64 << level, 256 >> level),
                     map(64 << level, 128 >> level) * 4);
        net.regionOfValues({skips.back(), x});
    }
    block("bottom", 512, 1024, 16);
    for (int32_t level = 3; level >= 0; --level) {
        const int32_t side = 256 >> level;
        const int32_t up = conv(net, cat("up", level), x, 128 << level, 64 << level, 2, side);
        x = net.node(kData, cat("cat", level), {skips[static_cast<size_t>(level)], up}, 0, map(128 << level, side) * 4);
        net.regionOfValues({up, x});
        block(cat("left", level), 128 << level, 64 << level, side);
    }
    net.output(conv(net, "head", x, 64, 2, 1, 256));
    return net.finish();
}

SelectionProblem fpnPanDetector(int32_t formats) {
    NetworkSketch net(formats, 15);
    auto unit = [&](const std::string& name, int32_t from, int32_t in, int32_t out, int32_t kernel, int32_t side) {
        const int32_t c = conv(net, name, from, in, out, kernel, side);
        const int32_t s = pointwise(net, name + ".sig", {c}, map(out, side));
        const int32_t m = pointwise(net, name + ".mul", {c, s}, map(out, side));
        net.regionOfValues({c, s});
        net.regionOfValues({s, m});
        net.regionOfValues({c, s, m});
        return m;
    };
    auto merge = [&](const std::string& name, const std::vector<int32_t>& parts, int32_t channels, int32_t side) {
        const int32_t joined = net.node(kData, name, parts, 0, map(channels, side) * 4);
        std::vector<int32_t> all = parts;
        all.push_back(joined);
        for (size_t i = 0; i < parts.size(); ++i) {
            if (net.nodeOf(parts[i]) >= 0) {
                net.regionOfValues({parts[i], joined});
            }
        }
        return joined;
    };
    auto stage = [&](const std::string& name, int32_t from, int32_t in, int32_t out, int32_t side, int32_t depth) {
        const int32_t half = out / 2;
        int32_t left = unit(name + ".a", from, in, half, 1, side);
        const int32_t right = unit(name + ".b", from, in, half, 1, side);
        net.region({net.nodeOf(left) - 2, net.nodeOf(right) - 2}); // both 1x1 convolutions of one input
        for (int32_t i = 0; i < depth; ++i) {
            const int32_t c1 = unit(cat(name, ".", i, ".1"), left, half, half, 1, side);
            const int32_t c2 = unit(cat(name, ".", i, ".2"), c1, half, half, 3, side);
            const int32_t sum = pointwise(net, cat(name, ".", i, ".add"), {left, c2}, map(half, side));
            net.regionOfValues({c2, sum});
            net.region({net.nodeOf(c2) - 1, net.nodeOf(c2), net.nodeOf(sum)});
            net.region({net.nodeOf(c2) - 2, net.nodeOf(c2) - 1, net.nodeOf(c2), net.nodeOf(sum)});
            left = sum;
        }
        return unit(name + ".out", merge(name + ".cat", {left, right}, out, side), out, out, 1, side);
    };
    int32_t x = net.input("image", map(3, 640) * 4);
    x = unit("stem", x, 3, 32, 6, 320);
    x = stage("c2", unit("down2", x, 32, 64, 3, 160), 64, 64, 160, 1);
    const int32_t c3 = stage("c3", unit("down3", x, 64, 128, 3, 80), 128, 128, 80, 2);
    const int32_t c4 = stage("c4", unit("down4", c3, 128, 256, 3, 40), 256, 256, 40, 3);
    const int32_t c5 = stage("c5", unit("down5", c4, 256, 512, 3, 20), 512, 512, 20, 1);
    auto grow = [&](const std::string& name, int32_t from, int32_t channels, int32_t side) {
        return net.node(kData, name, {from}, 0, map(channels, side) * 4);
    };
    const int32_t p5 = unit("lat5", c5, 512, 256, 1, 20);
    const int32_t f4 = stage("f4", merge("cat4", {grow("grow5", p5, 256, 40), c4}, 512, 40), 512, 256, 40, 1);
    const int32_t p4 = unit("lat4", f4, 256, 128, 1, 40);
    const int32_t f3 = stage("f3", merge("cat3", {grow("grow4", p4, 128, 80), c3}, 256, 80), 256, 128, 80, 1);
    const int32_t d3 = unit("pan3", f3, 128, 128, 3, 40);
    const int32_t n4 = stage("n4", merge("cat4b", {d3, p4}, 256, 40), 256, 256, 40, 1);
    const int32_t d4 = unit("pan4", n4, 256, 256, 3, 20);
    const int32_t n5 = stage("n5", merge("cat5b", {d4, p5}, 512, 20), 512, 512, 20, 1);
    const int32_t levels[] = {f3, n4, n5};
    for (int32_t i = 0; i < 3; ++i) {
        const int32_t channels = 128 << i;
        const int32_t side = 80 >> i;
        const std::string name = cat("head", i);
        const int32_t box = unit(name + ".box", levels[i], channels, 64, 3, side);
        const int32_t cls = unit(name + ".cls", levels[i], channels, 80, 3, side);
        net.region({net.nodeOf(box) - 2, net.nodeOf(cls) - 2});
        net.region({net.nodeOf(box) - 2, net.nodeOf(box) - 1, net.nodeOf(box), net.nodeOf(cls) - 2, net.nodeOf(cls) - 1,
                    net.nodeOf(cls)});
        const int32_t boxes = conv(net, name + ".boxes", box, 64, 4, 1, side);
        const int32_t classes = conv(net, name + ".classes", cls, 80, 80, 1, side);
        net.output(net.node(kData, name + ".out", {boxes, classes}, 0, map(84, side) * 4));
        net.regionOfValues({boxes, classes});
    }
    return net.finish();
}

SelectionProblem inception(int32_t formats) {
    NetworkSketch net(formats, 16);
    int32_t x = net.input("image", map(64, 56) * 4);
    for (int32_t module = 0; module < 9; ++module) {
        const int32_t side = module < 2 ? 28 : (module < 7 ? 14 : 7);
        const int32_t channels = 256 + 32 * module;
        const std::string name = cat("m", module);
        auto unit = [&](const std::string& part, int32_t from, int32_t in, int32_t out, int32_t kernel) {
            const int32_t c = conv(net, name + part, from, in, out, kernel, side);
            const int32_t r = pointwise(net, name + part + ".relu", {c}, map(out, side));
            net.regionOfValues({c, r});
            return r;
        };
        const int32_t b1 = unit(".1", x, channels, 128, 1);
        const int32_t b2 = unit(".2a", x, channels, 96, 1);
        const int32_t b3 = unit(".3a", x, channels, 32, 1);
        const int32_t pool = net.node(kReduce, name + ".pool", {x}, map(channels, side) * 9, map(channels, side) * 4);
        const int32_t y2 = unit(".2b", b2, 96, 128, 3);
        const int32_t y3 = unit(".3b", b3, 32, 64, 5);
        const int32_t y4 = unit(".4", pool, channels, 64, 1);
        auto convOf = [&](int32_t value) { return net.nodeOf(value) - 1; };
        net.region({convOf(b1), convOf(b2)});
        net.region({convOf(b2), convOf(b3)});
        net.region({convOf(b1), convOf(b2), convOf(b3)});
        net.region({convOf(b1), net.nodeOf(b1), convOf(b2), net.nodeOf(b2), convOf(b3), net.nodeOf(b3)});
        x = net.node(kData, name + ".cat", {b1, y2, y3, y4}, 0, map(channels + 32, side) * 4);
        net.regionOfValues({b1, x});
        net.regionOfValues({y2, x});
        net.regionOfValues({y4, x});
    }
    x = net.node(kReduce, "mean", {x}, map(512, 7), 4096);
    net.output(net.node(kHeavy, "fc", {x}, 1024 * 1000, 4000));
    return net.finish();
}

SelectionProblem denseNet(int32_t blocks, int32_t layers, int32_t formats) {
    NetworkSketch net(formats, 17);
    int32_t x = net.input("image", map(64, 56) * 4);
    x = conv(net, "stem", x, 64, 64, 3, 56);
    for (int32_t block = 0; block < blocks; ++block) {
        const int32_t side = 56 >> block;
        std::vector<int32_t> features = {x};
        for (int32_t layer = 0; layer < layers; ++layer) {
            const std::string name = cat("b", block, ".", layer);
            const int32_t channels = 64 + 32 * layer;
            const int32_t joined = net.node(kData, name + ".cat", features, 0, map(channels, side) * 4);
            const int32_t bn = pointwise(net, name + ".bn", {joined}, map(channels, side));
            const int32_t r1 = pointwise(net, name + ".relu", {bn}, map(channels, side));
            const int32_t c1 = conv(net, name + ".conv1", r1, channels, 128, 1, side);
            const int32_t r2 = pointwise(net, name + ".relu2", {c1}, map(128, side));
            const int32_t c2 = conv(net, name + ".conv2", r2, 128, 32, 3, side);
            net.regionOfValues({bn, r1});
            net.regionOfValues({bn, r1, c1});
            net.regionOfValues({joined, bn, r1});
            net.regionOfValues({c1, r2});
            net.regionOfValues({r2, c2});
            net.regionOfValues({c1, r2, c2});
            features.push_back(c2);
        }
        const int32_t all = net.node(kData, cat("b", block, ".all"), features, 0, map(64 + 32 * layers, side) * 4);
        x = conv(net, cat("b", block, ".next"), all, 64 + 32 * layers, 64, 1, side / 2);
    }
    net.output(x);
    return net.finish();
}

// Two chains with horizontal pairs: every pair of positions up to maxOffset apart may be one region.
SelectionProblem pairedChains(int32_t length, int32_t maxOffset, int32_t formats) {
    NetworkSketch net(formats, 18);
    int32_t a = net.input("a", kMega);
    int32_t b = net.input("b", kMega);
    for (int32_t i = 0; i < length; ++i) {
        a = net.node(kHeavy, cat("a", i), {a}, 3 * kMega, kMega);
        b = net.node(kHeavy, cat("b", i), {b}, 3 * kMega, kMega);
    }
    for (int32_t i = 0; i < length; ++i) {
        for (int32_t j = std::max(0, i - maxOffset); j <= std::min(length - 1, i + maxOffset); ++j) {
            net.region({2 * i, 2 * j + 1});
        }
    }
    net.output(a);
    net.output(b);
    net.connectedRegions(3, {kHeavy});
    return net.finish();
}

// Every node reads two or three earlier values from a wide span.
SelectionProblem tangledNetwork(int32_t nodes, uint64_t seed, int32_t formats) {
    NetworkSketch net(formats, seed);
    Random random(seed);
    std::vector<int32_t> values = {net.input("a", kMega), net.input("b", kMega)};
    for (int32_t i = 0; i < nodes; ++i) {
        std::vector<int32_t> from;
        const int32_t reads = 2 + random.below(2);
        while (static_cast<int32_t>(from.size()) < reads && from.size() < values.size()) {
            const int32_t value = values[static_cast<size_t>(random.below(static_cast<int32_t>(values.size())))];
            if (std::find(from.begin(), from.end(), value) == from.end()) {
                from.push_back(value);
            }
        }
        const NodeKind kind = random.chance(0.5) ? kHeavy : kPointwise;
        values.push_back(net.node(kind, cat("n", i), from, kMega * (kind == kHeavy ? 10 : 1), kMega));
    }
    net.output(values.back());
    net.connectedRegions(3, {kHeavy, kPointwise});
    return net.finish();
}

} // namespace tenon::schedule::testing
