#include "core/passes/pattern_registry.h"

#include "core/passes/quantization.h"

#include <algorithm>

namespace tenon::passes {

const std::vector<Pattern>& allPatterns() {
    static const std::vector<Pattern> kPatterns{
        {"pattern_pointwise", "clusters of pointwise ops with one output, their prefixes and suffixes",
         findPointwiseChains},
        {"pattern_epilogue", "conv, deconv or matmul with bias, scale, residual and activation", findEpilogues},
        {"pattern_normalization", "layer and RMS normalisation with the addition before", findNormalizations},
        {"pattern_attention", "scaled dot-product attention in primitives, with the transposes around", findAttentions},
        {"pattern_sibling_products", "products of one value with several weights of one shape", findSiblingProducts},
        {"pattern_sibling_convolutions", "convolutions of one value, each with its bias and activation",
         findSiblingConvolutions},
        {"pattern_embedding", "rows of tables added up, with the norm of the sum", findEmbeddings},
        {"pattern_squeeze_excite", "channels weighed by two products of their means", findSqueezeExcites},
        {"pattern_integer_product", "products of integers with what makes real numbers of them", findIntegerProducts},
        {"pattern_quantized", "products of dequantized operands with what follows, down to quantize",
         findQuantizedProducts},
        {"pattern_quantized_rows", "softmax, norms and means of dequantized values, quantized again",
         findQuantizedRows},
        {"pattern_byte_map", "pointwise ops between one quantized tensor and another, over roundings between",
         findByteMaps},
    };
    return kPatterns;
}

const Pattern* findPattern(std::string_view name) {
    for (const Pattern& pattern : allPatterns()) {
        if (pattern.name == name) {
            return &pattern;
        }
    }
    return nullptr;
}

std::vector<Region> collectRegions(const ir::Graph& graph, const ops::OpRegistry& ops) {
    std::vector<Region> regions;
    for (const Pattern& pattern : allPatterns()) {
        pattern.find(graph, ops, regions);
    }
    return regions;
}

bool isPointwise(const ops::OpRegistry& ops, const ir::Node& node) {
    const ops::OpDef* const def = ops.find(node.op());
    if (def == nullptr || !isElementwise(*def, node) || def->effect != ops::Effect::kPure ||
        node.outputs().size() != 1 || !node.regions().empty() || node.output(0)->contents()) {
        return false;
    }
    const auto isTensor = [](const ir::Value* value) {
        return value == nullptr ||
               (value->type().kind == ir::ValueKind::kTensor && value->type().dtype != ir::DataType::kString);
    };
    return isTensor(node.output(0)) && std::all_of(node.inputs().begin(), node.inputs().end(), isTensor);
}

bool isReadOnlyBy(const ir::Value& value, const ir::Node& reader) {
    return !value.uses().empty() && !value.isGraphOutput() &&
           (value.producer() == nullptr || !value.producer()->settings().debugOutput) &&
           std::all_of(value.uses().begin(), value.uses().end(),
                       [&](const ir::Use& use) { return use.node == &reader; });
}

} // namespace tenon::passes
