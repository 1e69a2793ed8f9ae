// Integers in, integers or real numbers out. What a primitive computes of its integer sums, in this order:
//
//   (sum + bias / s) * s / u  s = source scale * weight scale; u is the unit of what follows: the scale of the integers that come next, where
//                             all before them is relu or clip or an addition, else 1
//   then what follows, in its order: activations; a residual, which lies in the result's memory; rounding to integers and back, which makes
//   their scale the unit; a bias
//   / scale of the result, + zero point
//
// Weights of a convolution may have a zero point: oneDNN knows that of products only, so that patches of the image are multiplied with the weights then,
// each patch a row. For windows of one pixel the image is its patches already, and its product may be the faster kernel in any case.
#include "backends/onednn/quantized.h"

#include "backends/common/parallel.h"
#include "backends/onednn/descriptors.h"
#include "backends/onednn/execution.h"
#include "backends/onednn/patches.h"
#include "backends/onednn/post_chain.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace tenon::onednn {

using dnnl::memory;
using kernels::refuse;

namespace {

struct QuantizedRequest {
    const QuantizedChain& chain;
    std::vector<TnPortFormat> inputs;
    TnPortFormat output;
    std::vector<Dims> inputDims;
    Dims outputDims;
    bool weightsAreConstant = true;
    bool asPatches = false;                  // a convolution as a product of patches
    std::optional<memory::desc> packed = {}; // how they are packed already; else as oneDNN likes
};

struct QuantizedBuilt {
    dnnl::primitive primitive;
    memory::desc scratchpad;
    std::string implementation;
    memory::desc source;
    memory::desc weights;
    memory::desc linearWeights; // as a tensor of the graph has them, in oneDNN's count of dimensions
    memory::desc bias;
    memory::desc scales; // of products of integers: one per column
    memory::desc result;
    std::vector<PostChain::Addend> addends;
    std::vector<float> biasFactors; // what a real bias is multiplied with: one, or one per output channel
    int64_t channels = 0;
    std::optional<Patches> patches = {}; // what the source is copied to first
};

// A bias is divided by the scale: where that is zero, a number that makes sums vanish as well.
float notZero(float scale) { return scale == 0 ? 1e-30F : scale; }

memory::desc plainDesc(TnDataType type, const Dims& dims) {
    return describe(module::linearFormat(static_cast<int32_t>(dims.size())), type, dims);
}

dnnl::primitive_attr attributesOf(const QuantizedRequest& request, int channelDim, QuantizedBuilt& built) {
    const QuantizedChain& chain = request.chain;
    dnnl::post_ops before;
    if (!chain.scalePorts.empty()) {
        Dims dims(built.result.dims().size(), 1);
        dims[static_cast<size_t>(channelDim)] = built.channels;
        built.scales = plainDesc(TN_F32, dims);
        before.append_binary(dnnl::algorithm::binary_mul, built.scales);
    }
    PostShape shape{built.result.dims().size(), static_cast<size_t>(channelDim), built.channels, {}, {}};
    for (size_t i = 0; i < request.inputs.size(); ++i) {
        shape.singles.push_back(kernels::product(request.inputDims[i]) == 1);
        shape.portTypes.push_back(request.inputs[i].dtype);
    }
    const PostChain posts = postChainOf(chain, shape, before);
    built.addends = posts.addends;
    std::vector<float> scales;
    for (const float weightScale : chain.weightScales) {
        const float scale = notZero(chain.sourceScale.scale * weightScale);
        scales.push_back(scale / posts.unit);
        built.biasFactors.push_back(1 / scale);
    }
    dnnl::primitive_attr attributes = executionAttributes();
    attributes.set_output_scales(scales.size() > 1 ? 1 << channelDim : 0, scales);
    if (chain.sourceScale.zero != 0 || chain.zeroPort >= 0) {
        attributes.set_zero_points(DNNL_ARG_SRC, 0, {DNNL_RUNTIME_S32_VAL});
    }
    if (chain.weightZero != 0) {
        attributes.set_zero_points(DNNL_ARG_WEIGHTS, 0, {DNNL_RUNTIME_S32_VAL});
    }
    attributes.set_post_ops(posts.ops);
    return attributes;
}

memory::dims minusOne(const Dims& values) {
    memory::dims out = values;
    for (int64_t& value : out) {
        --value;
    }
    return out;
}

memory::desc anyOf(const memory::desc& desc) { return {desc.dims(), desc.data_type(), memory::format_tag::any}; }

void finishMatmul(const QuantizedRequest& request, const memory::desc& weights, const dnnl::primitive_attr& attributes,
                  QuantizedBuilt& built) {
    const dnnl::matmul::primitive_desc pd(request.chain.biases.empty()
                                              ? dnnl::matmul::desc(built.source, weights, built.result)
                                              : dnnl::matmul::desc(built.source, weights, built.bias, built.result),
                                          attributes, cpuEngine());
    built.weights = pd.weights_desc();
    built.implementation = pd.impl_info_str();
    built.scratchpad = pd.scratchpad_desc();
    built.primitive = dnnl::matmul(pd);
}

// A convolution as a product of patches.
QuantizedBuilt buildPatches(const QuantizedRequest& request, const kernels::Window& window) {
    const QuantizedChain& chain = request.chain;
    const TnPortFormat& port = request.inputs[static_cast<size_t>(chain.source)];
    const Dims& x = request.inputDims[static_cast<size_t>(chain.source)];
    const Dims& w = request.inputDims[static_cast<size_t>(chain.weights)];
    if (chain.head.intOr("group", 1) != 1 ||
        !module::equal(port.format, module::channelsLastFormat(port.format.rank))) {
        refuse("patches of an image whose channels are in groups, or not last");
    }
    QuantizedBuilt built;
    built.channels = w[0];
    const Patches patches(window, x[0], x[1]);
    if (patches.copies()) {
        built.patches = patches;
    }
    built.source = plainDesc(port.dtype, {patches.count(), patches.size()});
    built.linearWeights = transposed(plainDesc(TN_I8, {w[0], patches.size()}));
    built.result = plainDesc(request.output.dtype, {patches.count(), w[0]});
    const dnnl::primitive_attr attributes = attributesOf(request, 1, built);
    const memory::desc weights = request.packed.value_or(anyOf(built.linearWeights));
    if (!chain.biases.empty()) {
        built.bias = plainDesc(TN_F32, {1, w[0]});
    }
    finishMatmul(request, weights, attributes, built);
    return built;
}

QuantizedBuilt buildConvolution(const QuantizedRequest& request) {
    const QuantizedChain& chain = request.chain;
    const TnPortFormat& port = request.inputs[static_cast<size_t>(chain.source)];
    const Dims& x = request.inputDims[static_cast<size_t>(chain.source)];
    const Dims& w = request.inputDims[static_cast<size_t>(chain.weights)];
    const int64_t groups = chain.head.intOr("group", 1);
    if (x.size() < 3 || x.size() > 5 || w.size() != x.size() || groups < 1 || w[0] % groups != 0) {
        refuse("oneDNN convolves 1 to 3 spatial dimensions");
    }
    if (!request.weightsAreConstant) {
        refuse("a convolution with computed weights");
    }
    const kernels::Window window =
        kernels::windowOf(windowCall(chain.head, x, request.outputDims), Dims(w.begin() + 2, w.end()));
    if (request.asPatches) {
        return buildPatches(request, window);
    }
    QuantizedBuilt built;
    built.channels = w[0];
    built.source = describe(port.format, port.dtype, x);
    built.result = describe(request.output.format, request.output.dtype, request.outputDims);
    Dims counted = w;
    if (groups > 1) {
        counted[0] = w[0] / groups;
        counted.insert(counted.begin(), groups);
    }
    built.linearWeights = plainDesc(TN_I8, counted);
    const dnnl::primitive_attr attributes = attributesOf(request, 1, built);
    const memory::dims padEnd = endPadding(window);
    const memory::desc weights = request.packed.value_or(anyOf(built.linearWeights));
    const auto describeAs = [&] {
        using Conv = dnnl::convolution_forward;
        constexpr auto kKind = dnnl::prop_kind::forward_inference;
        constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
        if (chain.biases.empty()) {
            return Conv::desc(kKind, kAlgorithm, built.source, weights, built.result, window.strides,
                              minusOne(window.dilations), window.padBegin, padEnd);
        }
        built.bias = memory::desc({w[0]}, memory::data_type::f32, memory::dims{1});
        return Conv::desc(kKind, kAlgorithm, built.source, weights, built.bias, built.result, window.strides,
                          minusOne(window.dilations), window.padBegin, padEnd);
    };
    const dnnl::convolution_forward::primitive_desc pd(describeAs(), attributes, cpuEngine());
    built.weights = pd.weights_desc();
    built.implementation = pd.impl_info_str();
    built.scratchpad = pd.scratchpad_desc();
    built.primitive = dnnl::convolution_forward(pd);
    return built;
}

QuantizedBuilt buildMatmul(const QuantizedRequest& request) {
    const QuantizedChain& chain = request.chain;
    Dims a = request.inputDims[static_cast<size_t>(chain.source)];
    Dims b = request.inputDims[static_cast<size_t>(chain.weights)];
    Dims result = request.outputDims;
    const bool transA = chain.head.intOr("trans_a", 0) != 0;
    const bool transB = chain.head.intOr("trans_b", 0) != 0;
    if (a.size() < 2 || b.size() < 2 || a.size() > 6 || b.size() > 6) {
        refuse("oneDNN multiplies matrices of rank 2 to 6");
    }
    if (b.size() == 2 && a.size() > 2 && !transA) {
        a = {kernels::product(a, 0, a.size() - 1), a.back()};
        result = {a[0], result.back()};
    }
    const size_t rank = std::max(a.size(), b.size());
    a.insert(a.begin(), rank - a.size(), 1);
    b.insert(b.begin(), rank - b.size(), 1);
    if (result.size() != rank) {
        refuse("a product of tensors of rank ", a.size(), " and ", b.size());
    }
    QuantizedBuilt built;
    built.channels = result.back();
    built.source = plainDesc(request.inputs[static_cast<size_t>(chain.source)].dtype, a);
    built.source = transA ? transposed(built.source) : built.source;
    built.linearWeights = plainDesc(TN_I8, b);
    built.linearWeights = transB ? transposed(built.linearWeights) : built.linearWeights;
    built.result = plainDesc(request.output.dtype, result);
    const dnnl::primitive_attr attributes = attributesOf(request, static_cast<int>(rank) - 1, built);
    const bool pack = request.weightsAreConstant && b.size() == 2;
    const memory::desc weights = pack ? request.packed.value_or(anyOf(built.linearWeights)) : built.linearWeights;
    if (!chain.biases.empty()) {
        Dims dims(rank, 1);
        dims.back() = built.channels;
        built.bias = plainDesc(TN_F32, dims);
    }
    finishMatmul(request, weights, attributes, built);
    return built;
}

QuantizedBuilt build(const QuantizedRequest& request) {
    try {
        return request.chain.isConvolution() ? buildConvolution(request) : buildMatmul(request);
    } catch (const dnnl::error& error) {
        refuse("oneDNN: ", error.what());
    }
}

// What a primitive on integers needs at each launch beside its memory: the bias in its units, the residual where the result will be.
class QuantizedExecution {
public:
    QuantizedExecution(const QuantizedChain& chain, const kernels::PortShapes& shapes, const QuantizedBuilt& built)
        : mExecution(built.primitive, built.scratchpad, shapes.threads), mFactors(built.biasFactors),
          mZero(chain.sourceScale.zero), mWeightZero(chain.weightZero), mResidual(chain.residual()),
          mThreads(shapes.threads), mPatches(built.patches), mSource(chain.source) {
        if (mPatches) {
            mRows = mExecution.place(DNNL_ARG_SRC, built.source);
        } else {
            mExecution.bind({DNNL_ARG_SRC, chain.source, false, built.source});
        }
        mExecution.bind({DNNL_ARG_WEIGHTS, chain.weights, false, built.weights});
        mExecution.bind({DNNL_ARG_DST, 0, true, built.result});
        for (const PostChain::Addend& addend : built.addends) {
            mExecution.bind({addend.argument, addend.port, false, addend.desc});
        }
        mBytes = static_cast<size_t>(built.result.get_size());
        if (!chain.biases.empty()) {
            mBias.resize(static_cast<size_t>(built.channels));
            mExecution.keep(DNNL_ARG_BIAS, memory::desc({built.channels}, memory::data_type::f32, memory::dims{1}),
                            mBias.data());
            for (const int32_t port : chain.biases) {
                mBiases.push_back({port, shapes.inputs[static_cast<size_t>(port)].elements});
            }
        }
        for (const int32_t port : chain.scalePorts) {
            mScalePorts.push_back({port, shapes.inputs[static_cast<size_t>(port)].elements});
        }
        if (!mScalePorts.empty()) {
            mScales.resize(static_cast<size_t>(built.channels));
            mFactors.resize(mScales.size());
            mExecution.keep(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, built.scales, mScales.data());
        }
        mZeroPort = chain.zeroPort;
        mZeroIsSigned = mZeroPort >= 0 && shapes.inputs[static_cast<size_t>(mZeroPort)].dtype == TN_I8;
        if (mZero != 0 || mZeroPort >= 0) {
            mExecution.keep(DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC,
                            memory::desc({1}, memory::data_type::s32, memory::dims{1}), &mZero);
        }
        if (chain.weightZero != 0) {
            mExecution.keep(DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_WEIGHTS,
                            memory::desc({1}, memory::data_type::s32, memory::dims{1}), &mWeightZero);
        }
    }
    QuantizedExecution(const QuantizedExecution&) = delete;
    QuantizedExecution& operator=(const QuantizedExecution&) = delete;

    int64_t workspace() const { return mExecution.workspace(); }

    module::Code run(const kernels::Buffers& buffers) {
        readScales(buffers);
        scaleBias(buffers);
        if (mPatches) {
            mPatches->copy(buffers.in<uint8_t>(static_cast<size_t>(mSource)), static_cast<uint8_t>(mZero), mThreads,
                           static_cast<uint8_t*>(buffers.workspace) + mRows);
        }
        if (mResidual >= 0 && buffers.inputs[mResidual] != buffers.outputs[0]) {
            copyResidual(buffers.bytesIn(static_cast<size_t>(mResidual)), buffers.bytesOut());
        }
        return mExecution.run(buffers);
    }

private:
    struct Vector {
        int32_t port = 0;
        int64_t elements = 0;
    };

    // Scale and zero point of a source that was quantized a moment ago.
    void readScales(const kernels::Buffers& buffers) {
        if (mZeroPort >= 0) {
            const uint8_t zero = *static_cast<const uint8_t*>(buffers.inputs[mZeroPort]);
            mZero = mZeroIsSigned ? static_cast<int8_t>(zero) : zero;
        }
        for (size_t s = 0; s < mScalePorts.size(); ++s) {
            const auto* from = static_cast<const float*>(buffers.inputs[mScalePorts[s].port]);
            const bool many = mScalePorts[s].elements > 1;
            for (size_t c = 0; c < mScales.size(); ++c) {
                mScales[c] = (s > 0 ? mScales[c] : 1) * from[many ? c : 0];
            }
        }
        for (size_t c = 0; c < mScales.size(); ++c) {
            mScales[c] = notZero(mScales[c]);
            mFactors[c] = 1 / mScales[c];
        }
    }

    // The primitive adds the bias to sums of integers.
    void scaleBias(const kernels::Buffers& buffers) {
        for (size_t b = 0; b < mBiases.size(); ++b) {
            const auto* from = static_cast<const float*>(buffers.inputs[mBiases[b].port]);
            const bool many = mBiases[b].elements > 1;
            const bool manyFactors = mFactors.size() > 1;
            for (size_t c = 0; c < mBias.size(); ++c) {
                mBias[c] = (b > 0 ? mBias[c] : 0) + from[many ? c : 0] * mFactors[manyFactors ? c : 0];
            }
        }
    }

    void copyResidual(const char* from, char* to) const {
        const auto bytes = static_cast<int64_t>(mBytes);
        kernels::parallelFor(mThreads, bytes, 65536, [&](int64_t begin, int64_t end) {
            std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
        });
    }

    Execution mExecution;
    std::vector<float> mFactors;
    std::vector<float> mBias;
    std::vector<Vector> mBiases;
    std::vector<Vector> mScalePorts;
    std::vector<float> mScales;
    int32_t mZeroPort = -1;
    bool mZeroIsSigned = false;
    int32_t mZero = 0;
    int32_t mWeightZero = 0;
    int32_t mResidual = -1;
    size_t mBytes = 0;
    int mThreads = 1;
    std::optional<Patches> mPatches;
    int32_t mSource = -1;
    int64_t mRows = 0; // where the patches are in the workspace
};

} // namespace

namespace {

// One way to compute the chain. Throws Failure, a refusal, where oneDNN has none that is worth timing.
Variant quantizedVariant(const module::TaskView& task, const QuantizedChain& chain, const TnFormat& format,
                         bool asPatches, PackingTable& table) {
    const module::ValueView result = task.output(0);
    Variant variant;
    std::vector<Dims> inputDims;
    for (int32_t i = 0; i < task.inputCount(); ++i) {
        variant.inputs.push_back(module::linearPort(task.input(i).dtype(), task.input(i).rank()));
        inputDims.push_back(task.input(i).optExtents());
    }
    variant.outputs = {{result.dtype(), TN_PLACEMENT_HOST, format}};
    if (chain.isConvolution()) {
        variant.inputs[static_cast<size_t>(chain.source)].format = format;
    }
    if (const int32_t residual = chain.residual(); residual >= 0) {
        variant.inputs[static_cast<size_t>(residual)].format = format;
        variant.mayAlias = residual;
    }
    const bool isConstant = task.input(chain.weights).isConstant();
    QuantizedRequest request{chain,      variant.inputs, variant.outputs[0], inputDims, result.optExtents(),
                             isConstant, asPatches};
    const QuantizedBuilt built = build(request);
    if (built.implementation.rfind("ref", 0) == 0) {
        refuse("only oneDNN's reference implementation");
    }
    if (asPatches && built.patches && chain.weightZero == 0) {
        refuse("patches are copied for weights with a zero point alone");
    }
    if (isConstant) {
        // Weights are packed once, for all extents.
        request.packed = built.weights;
        for (const bool largest : {false, true}) {
            const auto extents = [&](const module::ValueView& value) {
                return largest ? value.maxExtents() : value.minExtents();
            };
            for (int32_t i = 0; i < task.inputCount(); ++i) {
                request.inputDims[static_cast<size_t>(i)] = extents(task.input(i));
            }
            request.outputDims = extents(result);
            if (!result.isStatic() && kernels::product(request.outputDims) > 0) {
                if (build(request).implementation.rfind("ref", 0) == 0) {
                    refuse("oneDNN has only its reference implementation for other extents of the profile");
                }
            }
        }
        table.add({built.linearWeights, built.weights});
        variant.inputs[static_cast<size_t>(chain.weights)].format =
            packedFormat({built.linearWeights, built.weights}, task.input(chain.weights).rank());
    }
    variant.name = built.patches ? "patches " + built.implementation : built.implementation;
    return variant;
}

} // namespace

std::vector<Variant> quantizedVariants(const module::TaskView& task, const QuantizedChain& chain, int threads,
                                       PackingTable& table, std::vector<std::string>& dropped) {
    const ThreadScope scope(threads);
    const int32_t rank = task.output(0).rank();
    const TnFormat format = chain.isConvolution() ? module::channelsLastFormat(rank) : module::linearFormat(rank);
    std::vector<Variant> variants;
    for (const bool asPatches : {false, true}) {
        if (chain.isConvolution() ? !asPatches && chain.weightZero != 0 : asPatches) {
            continue;
        }
        try {
            variants.push_back(quantizedVariant(task, chain, format, asPatches, table));
        } catch (const kernels::Failure& failure) {
            dropped.push_back(module::text(module::describe(format), ": ", failure.what()));
        }
    }
    return variants;
}

kernels::TaskPlan planQuantized(const kernels::Task& task, const kernels::PortShapes& shapes,
                                const PackingTable& table) {
    const QuantizedChain chain = readQuantizedChain(task.body);
    kernels::TaskPlan plan;
    std::vector<Dims> inputDims;
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        plan.inputPorts.push_back(static_cast<int32_t>(i));
        inputDims.push_back(shapes.inputs[i].dims);
    }
    plan.outputPorts = {0};
    if (kernels::product(shapes.outputs[0].dims) == 0) {
        plan.plan.run = [](const kernels::Buffers&) { return module::Code::kOk; };
        return plan;
    }
    const ThreadScope scope(shapes.threads);
    const TnPortFormat& weights = task.inputs[static_cast<size_t>(chain.weights)];
    const bool isConstant = isPacked(weights);
    QuantizedRequest request{chain, task.inputs, task.outputs[0], inputDims, shapes.outputs[0].dims, isConstant};
    if (isConstant) {
        const std::optional<Packing> packing = table.find(weights.format.opaque_id);
        if (!packing) {
            refuse("weights in a layout that nobody has described");
        }
        request.packed = packing->to;
        request.asPatches = chain.isConvolution() && packing->to.data.ndims == 2; // as the weights were packed for
    }
    const QuantizedBuilt built = build(request);
    auto execution = std::make_shared<QuantizedExecution>(chain, shapes, built);
    plan.plan.workspace = execution->workspace();
    plan.plan.run = [execution](const kernels::Buffers& buffers) { return execution->run(buffers); };
    return plan;
}

} // namespace tenon::onednn
