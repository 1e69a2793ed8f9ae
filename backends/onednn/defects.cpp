#include "backends/onednn/defects.h"

#include "backends/common/call.h"

#include <algorithm>

namespace tenon::onednn {

std::string defectOf(const module::TaskView& task, const Chain& chain, TnDataType type) {
    if (!chain.isConvolution()) {
        return {};
    }
    const module::ValueView weights = task.input(chain.weights);
    const auto rank = static_cast<size_t>(std::max(0, weights.rank() - 2));
    const std::vector<int64_t> strides = chain.head.intsOr("strides", rank, 1);
    const std::vector<int64_t> dilations = chain.head.intsOr("dilations", rank, 1);
    const std::vector<int64_t> pads = chain.head.intsOr("pads", 2 * rank, 0);
    for (size_t d = 0; d < rank && type == TN_BF16; ++d) {
        // With so much of it a window can lie in the padding alone.
        const int64_t reach = (weights.dim(static_cast<int32_t>(d) + 2).opt - 1) * dilations[d] + 1;
        if (strides[d] > 1 && pads[rank + d] >= reach) {
            return module::text("bf16 windows with a stride and an end padding of ", pads[rank + d],
                                ", as long as they are: oneDNN 2.6 stops the process there");
        }
    }
    const bool hasOperand = std::any_of(chain.posts.begin(), chain.posts.end(),
                                        [](const Post& post) { return post.kind != PostKind::kActivation; });
    const bool isDepthwise = chain.head.intOr("group", 1) > 1 && weights.dim(1).opt == 1;
    const module::ValueView result = task.output(0);
    if (isDepthwise && hasOperand && rank > 0 && weights.dim(weights.rank() - 1).opt > 3 &&
        result.dim(result.rank() - 1).min <= 1) {
        return module::text(
            "what is added to or multiplied with a depthwise convolution of wide windows: for images one pixel "
            "wide oneDNN 2.6 reads it in the wrong place");
    }
    return {};
}

} // namespace tenon::onednn
