// Resize and its predecessor Upsample.
#include "parsers/onnx/importer_registry.h"
#include "parsers/onnx/text.h"

namespace tenon::onnx {

namespace {

using nvonnxparser::ErrorCode;

bool interpolation(NodeImport& node, Attributes& attributes) {
    std::string mode = node.string("mode", "nearest");
    if (mode != "nearest" && mode != "linear" && mode != "bilinear" && mode != "cubic") {
        return node.fail(ErrorCode::kUNSUPPORTED_NODE_ATTR,
                         cat("attribute 'mode' is '", mode, "'; nearest, linear and cubic exist"));
    }
    attributes.with("mode", mode == "bilinear" ? "linear" : mode);
    return true;
}

// Opsets 9 and 10: scales, sampled asymmetrically, nearest by floor.
bool upsample(NodeImport& node) {
    Attributes attributes;
    if (!interpolation(node, attributes)) {
        return false;
    }
    attributes.with("coordinate", "asymmetric").with("nearest", "floor");
    if (node.opset() < 9) {
        attributes.with("scales", node.numbers("scales"));
        return node.output(0, node.add("resize", {node.input(0)}, attributes));
    }
    return node.output(0, node.add("resize", {node.input(0), nullptr, node.input(1)}, attributes));
}

bool resize(NodeImport& node) {
    Attributes attributes;
    if (!interpolation(node, attributes)) {
        return false;
    }
    std::string coordinate = node.string("coordinate_transformation_mode", "half_pixel");
    attributes.with("coordinate", coordinate)
        .with("nearest", node.string("nearest_mode", "round_prefer_floor"))
        .with("cubic_a", node.number("cubic_coeff_a", -0.75))
        .with("exclude_outside", node.integer("exclude_outside", 0))
        .with("antialias", node.integer("antialias", 0))
        .with("extrapolation", node.number("extrapolation_value", 0))
        .with("keep_aspect", node.string("keep_aspect_ratio_policy", "stretch"));
    if (node.has("axes")) {
        attributes.with("axes", node.integers("axes"));
    }
    if (coordinate == "tf_crop_and_resize") {
        std::shared_ptr<const ConstantTensor> roi = node.constant(1);
        std::optional<std::vector<double>> values = roi ? roi->numbers() : std::nullopt;
        if (!values) {
            return node.fail(ErrorCode::kUNSUPPORTED_NODE_INPUT,
                             "tf_crop_and_resize needs a constant roi of 32-bit floats");
        }
        attributes.with("roi", *values);
    }
    // An empty constant counts as left out: exporters write it for scales or sizes.
    auto given = [&](size_t i) {
        std::shared_ptr<const ConstantTensor> constant = node.constant(i);
        return node.hasInput(i) && !(constant && constant->count == 0);
    };
    ITensor* scales = given(2) ? node.input(2) : nullptr;
    ITensor* sizes = given(3) ? node.input(3) : nullptr;
    if (!scales && !sizes) {
        return node.fail(ErrorCode::kINVALID_NODE, "neither scales nor sizes are given");
    }
    return node.output(0, node.add("resize", {node.input(0), sizes, sizes ? nullptr : scales}, attributes));
}

} // namespace

void addResizeImporters(ImporterTable& table) {
    table.add("Upsample", 7, upsample);
    table.add("Resize", 10, upsample);
    table.add("Resize", 11, resize);
}

} // namespace tenon::onnx
