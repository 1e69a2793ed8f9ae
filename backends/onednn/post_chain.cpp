#include "backends/onednn/post_chain.h"

#include "backends/onednn/descriptors.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

namespace tenon::onednn {

using dnnl::algorithm;
using kernels::refuse;

namespace {

// Ways to write the same.
struct Style {
    bool mergeClamps = false; // relu or clip behind a rounding narrow its range
    bool clipScales = false;  // the cut of a rounding multiplies by what changes the unit
};

// Whether an activation is the same in any unit, but for its parameters.
bool isScaleFree(const Post& post) {
    return post.activation == "activation.relu" || post.activation == "activation.leaky_relu" ||
           post.activation == "activation.clip";
}

class Writer {
public:
    Writer(const QuantizedChain& chain, const PostShape& shape, Style style, const dnnl::post_ops& before)
        : mChain(chain), mShape(shape), mStyle(style) {
        mResult.ops = before;
    }

    // Nothing where a kind of post-op would be used in two ways.
    std::optional<PostChain> run() {
        mUnit = mResult.unit = unitFrom(0);
        for (size_t i = 0; i < mChain.followers.size() && !mConflict; ++i) {
            const Follower& follower = mChain.followers[i];
            switch (follower.kind) {
            case FollowerKind::kActivation:
                activate(follower.activation);
                break;
            case FollowerKind::kResidual:
                mResult.ops.append_sum(follower.scale.scale / mUnit, follower.scale.zero,
                                       *dataTypeOf(mShape.portTypes[static_cast<size_t>(follower.port)]));
                break;
            case FollowerKind::kBias:
                addBias(follower.port);
                break;
            case FollowerKind::kRequantize:
                i += round(i) ? 1 : 0;
                break;
            }
        }
        const float step = mChain.result ? mChain.result->scale : 1;
        linear(mUnit / step, static_cast<float>(mChain.result ? mChain.result->zero : 0));
        return mConflict ? std::nullopt : std::optional<PostChain>(std::move(mResult));
    }

private:
    // The unit that follower i wants its operand in: that of the integers that come next, if all before them takes any unit.
    float unitFrom(size_t i) const {
        for (; i < mChain.followers.size(); ++i) {
            const Follower& follower = mChain.followers[i];
            if (follower.kind == FollowerKind::kRequantize) {
                return follower.scale.scale;
            }
            if (follower.kind == FollowerKind::kBias ||
                (follower.kind == FollowerKind::kActivation && !isScaleFree(follower.activation))) {
                return 1;
            }
        }
        return mChain.result ? mChain.result->scale : 1;
    }

    void append(float scale, algorithm kind, float alpha, float beta) {
        const std::array<float, 3> parameters{scale, alpha, beta};
        const auto [known, added] = mUsed.emplace(kind, parameters);
        mConflict = mConflict || (!added && known->second != parameters);
        mResult.ops.append_eltwise(scale, kind, alpha, beta);
    }

    void linear(float factor, float shift) {
        if (factor != 1 || shift != 0) {
            append(1, algorithm::eltwise_linear, factor, shift);
        }
    }
    void changeUnit(float to) {
        linear(mUnit / to, 0);
        mUnit = to;
    }

    void activate(const Post& post) {
        changeUnit(isScaleFree(post) ? mUnit : 1);
        // Its parameters are in its descriptor: a kind that is there already is a conflict, unless it is the same.
        dnnl::post_ops one;
        appendActivation(one, post, 1 / mUnit);
        float scale = 1;
        algorithm kind = algorithm::undef;
        float alpha = 0;
        float beta = 0;
        one.get_params_eltwise(0, scale, kind, alpha, beta);
        append(scale, kind, alpha, beta);
    }

    void addBias(int32_t port) {
        changeUnit(1);
        const bool single = mShape.singles[static_cast<size_t>(port)];
        Dims dims(mShape.rank, 1);
        dims[mShape.channelDim] = single ? 1 : mShape.channels;
        const dnnl::memory::desc desc = describe(module::linearFormat(static_cast<int32_t>(mShape.rank)), TN_F32, dims);
        mResult.addends.push_back({DNNL_ARG_ATTR_MULTIPLE_POST_OP(mResult.ops.len()) | DNNL_ARG_SRC_1, port, desc});
        mResult.ops.append_binary(algorithm::binary_add, desc);
    }

    // True: the next follower is in it.
    bool round(size_t i) {
        const Follower& follower = mChain.followers[i];
        changeUnit(follower.scale.scale);
        append(1, algorithm::eltwise_round, 0, 0);
        const auto zero = static_cast<float>(follower.scale.zero);
        float low = follower.low - zero;
        float high = follower.high - zero;
        const Follower* const next = i + 1 < mChain.followers.size() ? &mChain.followers[i + 1] : nullptr;
        const bool merges =
            mStyle.mergeClamps && next != nullptr && next->kind == FollowerKind::kActivation &&
            (next->activation.activation == "activation.relu" || next->activation.activation == "activation.clip");
        if (merges) {
            const bool isClip = next->activation.activation == "activation.clip";
            const double least = isClip ? next->activation.alpha / mUnit : 0;
            const double most = isClip ? next->activation.beta / mUnit : static_cast<double>(high);
            low = static_cast<float>(std::clamp<double>(least, low, high));
            high = static_cast<float>(std::clamp<double>(most, low, high));
        }
        const float wanted = unitFrom(i + (merges ? 2 : 1));
        const bool scales = mStyle.clipScales && wanted != mUnit;
        append(scales ? mUnit / wanted : 1, algorithm::eltwise_clip, low, high);
        mUnit = scales ? wanted : mUnit;
        return merges;
    }

    const QuantizedChain& mChain;
    const PostShape& mShape;
    Style mStyle;
    PostChain mResult;
    float mUnit = 1;
    bool mConflict = false;
    std::map<algorithm, std::array<float, 3>> mUsed;
};

} // namespace

PostChain postChainOf(const QuantizedChain& chain, const PostShape& shape, const dnnl::post_ops& before) {
    const auto roundings = std::count_if(chain.followers.begin(), chain.followers.end(),
                                         [](const Follower& each) { return each.kind == FollowerKind::kRequantize; });
    if (roundings > 1) {
        refuse(roundings, " roundings on the way; one is possible");
    }
    constexpr Style kStyles[] = {{true, false}, {true, true}, {false, true}, {false, false}};
    for (const Style& style : kStyles) {
        if (auto written = Writer(chain, shape, style, before).run()) {
            return std::move(*written);
        }
    }
    refuse("oneDNN keeps one set of parameters per kind of post-op, and this chain needs several");
}

} // namespace tenon::onednn
