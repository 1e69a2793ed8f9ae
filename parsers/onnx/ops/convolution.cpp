// Convolutions and pooling.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/ops/window.h"
#include "parsers/onnx/text.h"

namespace tenon::onnx {

using nvonnxparser::ErrorCode;

int32_t spatialRank(NodeImport& node, ITensor* x) {
    int32_t rank = node.rank(x);
    if (x && rank < 3) {
        node.fail(ErrorCode::kUNSUPPORTED_NODE_SHAPE,
                  cat("the input has rank ", rank, "; batch, channels and at least one spatial dimension are needed"));
        return -1;
    }
    return rank - 2;
}

bool addWindow(NodeImport& node, Attributes& attributes, int32_t spatial, bool dilations) {
    auto list = [&](const char* onnx, const char* name, size_t length) {
        if (!node.has(onnx)) {
            return true;
        }
        std::vector<int64_t> values = node.integers(onnx);
        if (values.size() != length) {
            return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                             cat("attribute '", onnx, "' has ", values.size(), " entries, the input's ", spatial,
                                 " spatial dimensions need ", length));
        }
        attributes.with(name, std::move(values));
        return true;
    };
    auto count = static_cast<size_t>(spatial);
    if (!list("strides", "strides", count) || (dilations && !list("dilations", "dilations", count))) {
        return false;
    }
    std::string automatic = node.string("auto_pad", "NOTSET");
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER" || automatic == "VALID") {
        attributes.with("auto_pad", automatic == "VALID"        ? "valid"
                                    : automatic == "SAME_UPPER" ? "same_upper"
                                                                : "same_lower");
        return true;
    }
    if (automatic != "NOTSET" && !automatic.empty()) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR, cat("attribute 'auto_pad' is '", automatic, "'"));
    }
    return list("pads", "pads", 2 * count);
}

bool addKernel(NodeImport& node, Attributes& attributes, int32_t spatial) {
    std::vector<int64_t> kernel = node.integers("kernel_shape");
    if (kernel.size() != static_cast<size_t>(spatial)) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         cat("attribute 'kernel_shape' has ", kernel.size(), " entries, ", spatial, " are needed"));
    }
    attributes.with("kernel", kernel);
    return true;
}

ITensor* channelsFirst(NodeImport& node, ITensor* x, int32_t spatial) {
    std::vector<int64_t> order{0, spatial + 1};
    for (int32_t d = 1; d <= spatial; ++d) {
        order.push_back(d);
    }
    return node.add("transpose", {x}, Attributes().with("perm", order));
}

ITensor* channelsLast(NodeImport& node, ITensor* x, int32_t spatial) {
    std::vector<int64_t> order{0};
    for (int32_t d = 2; d <= spatial + 1; ++d) {
        order.push_back(d);
    }
    order.push_back(1);
    return node.add("transpose", {x}, Attributes().with("perm", order));
}

namespace {

bool conv(NodeImport& node) {
    ITensor* x = node.input(0);
    ITensor* w = node.input(1);
    int32_t spatial = spatialRank(node, x);
    Attributes attributes;
    if (spatial < 0 || !addWindow(node, attributes, spatial, true)) {
        return false;
    }
    attributes.with("group", node.integer("group", 1));
    return node.output(0, node.add("conv", {x, w, node.optionalInput(2)}, attributes));
}

bool convTranspose(NodeImport& node) {
    ITensor* x = node.input(0);
    ITensor* w = node.input(1);
    int32_t spatial = spatialRank(node, x);
    Attributes attributes;
    if (spatial < 0 || !addWindow(node, attributes, spatial, true)) {
        return false;
    }
    attributes.with("group", node.integer("group", 1));
    if (node.has("output_padding")) {
        attributes.with("output_padding", node.integers("output_padding"));
    }
    if (node.has("output_shape")) {
        std::vector<int64_t> shape = node.integers("output_shape");
        // Old models list batch and channels too.
        if (shape.size() > static_cast<size_t>(spatial)) {
            shape.erase(shape.begin(), shape.end() - spatial);
        }
        attributes.with("output_shape", shape);
    }
    return node.output(0, node.add("deconv", {x, w, node.optionalInput(2)}, attributes));
}

bool pool(NodeImport& node, const char* op, Attributes attributes, bool indices) {
    ITensor* x = node.input(0);
    int32_t spatial = spatialRank(node, x);
    if (spatial < 0 || !addWindow(node, attributes, spatial, true) || !addKernel(node, attributes, spatial)) {
        return false;
    }
    std::vector<ITensor*> outputs = node.addMany(op, {x}, attributes, indices ? 2 : 1);
    if (outputs.empty() || !node.output(0, outputs[0])) {
        return false;
    }
    return !indices || node.output(1, outputs[1]);
}

bool maxPool(NodeImport& node) {
    Attributes attributes;
    attributes.with("ceil_mode", node.integer("ceil_mode", 0));
    bool indices = node.hasOutput(1);
    if (indices) {
        attributes.with("storage_order", node.integer("storage_order", 0));
    }
    return pool(node, "pool.max", std::move(attributes), indices);
}

bool averagePool(NodeImport& node) {
    Attributes attributes;
    attributes.with("ceil_mode", node.integer("ceil_mode", 0))
        .with("count_include_pad", node.integer("count_include_pad", 0));
    return pool(node, "pool.avg", std::move(attributes), false);
}

bool lpPool(NodeImport& node) {
    Attributes attributes;
    attributes.with("ceil_mode", node.integer("ceil_mode", 0)).with("p", node.integer("p", 2));
    return pool(node, "pool.lp", std::move(attributes), false);
}

// Over all spatial dimensions.
bool globalPool(NodeImport& node, const char* op) {
    ITensor* x = node.input(0);
    int32_t rank = node.rank(x);
    if (x && rank < 2) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_SHAPE, "the input's rank is below 2 or not known");
    }
    std::vector<int64_t> axes;
    for (int32_t axis = 2; axis < rank; ++axis) {
        axes.push_back(axis);
    }
    if (axes.empty()) {
        return node.output(0, node.add("identity", {x}));
    }
    return node.output(0, node.add(op, {x}, Attributes().with("axes", axes).with("keep_dims", true)));
}

bool globalAveragePool(NodeImport& node) { return globalPool(node, "reduce.mean"); }
bool globalMaxPool(NodeImport& node) { return globalPool(node, "reduce.max"); }

bool globalLpPool(NodeImport& node) {
    int64_t p = node.integer("p", 2);
    if (p != 1 && p != 2) {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR, cat("attribute 'p' is ", p, "; 1 and 2 are supported"));
    }
    return globalPool(node, p == 1 ? "reduce.l1" : "reduce.l2");
}

} // namespace

void addConvolutionImporters(ImporterTable& table) {
    table.add("Conv", 1, conv);
    table.add("ConvTranspose", 1, convTranspose);
    table.add("MaxPool", 1, maxPool);
    table.add("AveragePool", 1, averagePool);
    table.add("LpPool", 2, lpPool);
    table.add("GlobalAveragePool", 1, globalAveragePool);
    table.add("GlobalMaxPool", 1, globalMaxPool);
    table.add("GlobalLpPool", 2, globalLpPool);
}

} // namespace tenon::onnx
