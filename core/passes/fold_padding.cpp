// fold_padding: zeros that a pad adds around an image become the padding of the convolution that reads it.
//
// Only what lies in the spatial dimensions, adds and does not cut, and is zero. The convolution's padding must be given in numbers; others that
// read the padded tensor keep it. Rounding to integers and back may stand between: it leaves zeros as they are.
#include "core/passes/quantization.h"
#include "core/passes/rewriter.h"

#include <algorithm>

namespace tenon::passes {

namespace {

using ir::Node;

// Counts at the begin and end of each dimension of x; nothing where they are not known or the pad does something else.
std::optional<std::vector<int64_t>> zerosAround(const Node& pad, const ir::ExprPool& pool) {
    const int32_t rank = pad.input(0)->type().rank();
    const auto* const listed = pad.attributes().get<ir::DimList>("pads");
    const ir::AttributeMap& attributes = pad.attributes();
    const bool isZero = pad.inputs().size() == 1 && attributes.stringOr("mode", "constant") == "constant" &&
                        attributes.floatOr("value", 0) == 0;
    if (rank < 3 || listed == nullptr || !isZero) {
        return std::nullopt;
    }
    std::vector<int64_t> axes = attributes.intsOr("axes", {});
    for (int64_t d = 0; !attributes.has("axes") && d < rank; ++d) {
        axes.push_back(d);
    }
    std::vector<int64_t> counts(2 * static_cast<size_t>(rank), 0);
    if (listed->dims.size() != 2 * axes.size()) {
        return std::nullopt;
    }
    for (size_t i = 0; i < listed->dims.size(); ++i) {
        const int64_t axis = axes[i % axes.size()];
        const size_t d = static_cast<size_t>(axis < 0 ? axis + rank : axis);
        const ir::DimExpr count = listed->dims[i];
        if (!count.valid() || !pool.isConstant(count) || pool.constantValue(count) < 0 ||
            (d < 2 && pool.constantValue(count) != 0)) {
            return std::nullopt;
        }
        counts[i < axes.size() ? d : d + static_cast<size_t>(rank)] = pool.constantValue(count);
    }
    return counts;
}

// The quantize of quantize and dequantize that stand between a convolution and what it reads, for nobody else; null where there are none.
Node* roundingOf(const Node& conv) {
    Node* const dequantize = conv.input(0)->producer();
    if (!isByteDequantize(dequantize) || !isPrivate(*conv.input(0)) || conv.input(0)->quantization()) {
        return nullptr;
    }
    const ir::Value& bytes = *dequantize->input(0);
    Node* const quantize = bytes.producer();
    const bool isPair = isByteQuantize(quantize) && isPrivate(bytes) && !bytes.quantization() &&
                        isPrivate(*quantize->input(0)) && sameParameters(*quantize, *dequantize);
    return isPair ? quantize : nullptr;
}

} // namespace

support::Result<bool> foldPadding(PassContext& context) {
    Rewriter rewriter(context);
    rewriter.forEachNode([&](Node& node) {
        if (node.op() != "conv" || node.input(0) == nullptr) {
            return;
        }
        Node* const rounding = roundingOf(node);
        Node* const pad = (rounding != nullptr ? rounding : &node)->input(0)->producer();
        if (pad == nullptr || pad->op() != "pad" || pad->settings().debugOutput || pad->output(0)->quantization() ||
            node.attributes().stringOr("auto_pad", "explicit") != "explicit") {
            return;
        }
        const auto counts = zerosAround(*pad, rewriter.pool());
        if (!counts) {
            return;
        }
        const size_t rank = counts->size() / 2;
        std::vector<int64_t> pads = node.attributes().intsOr("pads", std::vector<int64_t>(2 * (rank - 2), 0));
        if (pads.size() != 2 * (rank - 2)) {
            return;
        }
        for (size_t d = 2; d < rank; ++d) {
            pads[d - 2] += (*counts)[d];
            pads[d - 2 + rank - 2] += (*counts)[d + rank];
        }
        rewriter.setAttribute(node, "pads", std::move(pads));
        if (rounding != nullptr) {
            rewriter.setInput(*rounding, 0, pad->input(0));
            rewriter.inferAgain(*rounding);
            rewriter.inferAgain(*node.input(0)->producer());
        } else {
            rewriter.setInput(node, 0, pad->input(0));
        }
        rewriter.inferAgain(node);
    });
    return rewriter.finish();
}

} // namespace tenon::passes
