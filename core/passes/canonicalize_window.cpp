#include "core/passes/canonicalize_window.h"

namespace tenon::passes {

namespace {

using ir::Node;

struct Window {
    std::vector<int64_t> kernel;
    std::vector<int64_t> strides;
    std::vector<int64_t> dilations;
};

std::optional<Window> windowOf(const ir::ExprPool& pool, const Node& node) {
    const ir::TensorType& x = node.input(0)->type();
    if (x.rank() < 3) {
        return std::nullopt;
    }
    const auto spatial = static_cast<size_t>(x.rank() - 2);
    Window window;
    if (node.op() == "conv" || node.op() == "deconv") {
        const auto weights = node.input(1) != nullptr ? staticDims(pool, node.input(1)->type()) : std::nullopt;
        if (!weights || weights->size() != spatial + 2) {
            return std::nullopt;
        }
        window.kernel.assign(weights->begin() + 2, weights->end());
    } else {
        window.kernel = node.attributes().intsOr("kernel", {});
    }
    window.strides = node.attributes().intsOr("strides", {});
    window.dilations = node.attributes().intsOr("dilations", {});
    window.strides.resize(window.strides.empty() ? spatial : window.strides.size(), 1);
    window.dilations.resize(window.dilations.empty() ? spatial : window.dilations.size(), 1);
    if (window.kernel.size() != spatial || window.strides.size() != spatial || window.dilations.size() != spatial) {
        return std::nullopt;
    }
    return window;
}

// Padding of all in all that "same" means along spatial dimension i: so that ceil(in / stride) windows fit. Negative: nothing is known.
int64_t sameTotal(const ir::ExprPool& pool, const Node& node, const Window& window, size_t i) {
    const int64_t reach = (window.kernel[i] - 1) * window.dilations[i] + 1;
    const int64_t stride = window.strides[i];
    if (node.op() == "deconv") {
        const std::vector<int64_t> extra = node.attributes().intsOr("output_padding", {});
        return reach + (extra.empty() ? 0 : extra[i]) - stride;
    }
    if (stride == 1) {
        return reach - 1;
    }
    const ir::DimExpr extent = node.input(0)->type().dims[i + 2];
    if (!pool.isConstant(extent)) {
        return -1;
    }
    const int64_t in = pool.constantValue(extent);
    const int64_t windows = in / stride + (in % stride != 0 ? 1 : 0);
    return std::max<int64_t>((windows - 1) * stride + reach - in, 0);
}

} // namespace

void explicitPadding(Rewriter& rewriter, Node& node) {
    const bool slides = node.op() == "conv" || node.op() == "deconv" || node.op().compare(0, 5, "pool.") == 0;
    const std::string mode = node.attributes().stringOr("auto_pad", "explicit");
    if (!slides || mode == "explicit" || node.attributes().has("output_shape")) {
        return;
    }
    const auto window = windowOf(rewriter.pool(), node);
    if (!window) {
        return;
    }
    const size_t spatial = window->kernel.size();
    std::vector<int64_t> pads(2 * spatial, 0);
    const bool same = mode != "valid";
    for (size_t i = 0; i < spatial && same; ++i) {
        const int64_t total = sameTotal(rewriter.pool(), node, *window, i);
        if (total < 0) {
            return;
        }
        const int64_t less = total / 2;
        pads[i] = mode == "same_upper" ? less : total - less;
        pads[i + spatial] = total - pads[i];
    }
    rewriter.setAttribute(node, "pads", std::move(pads));
    rewriter.eraseAttribute(node, "auto_pad");
    if (same) {
        rewriter.eraseAttribute(node, "ceil_mode"); // the number of windows is exact
    }
}

} // namespace tenon::passes
