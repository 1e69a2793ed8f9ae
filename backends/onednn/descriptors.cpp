#include "backends/onednn/descriptors.h"

#include "backends/common/window.h"

#include <functional>
#include <limits>
#include <memory>

namespace tenon::onednn {

using dnnl::memory;
using kernels::refuse;
using kernels::Shape;

const dnnl::engine& cpuEngine() {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

dnnl::primitive_attr executionAttributes() {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attributes;
}

namespace {

memory::desc anyLike(const memory::desc& desc) { return {desc.dims(), desc.data_type(), memory::format_tag::any}; }

// A constant or residual that is added to a result of these extents: numpy's broadcasting, missing dimensions in front.
memory::desc operandDesc(const TnPortFormat& port, const Dims& dims, const Dims& result) {
    if (dims.size() == result.size()) {
        return describe(port.format, port.dtype, dims);
    }
    if (dims.size() > result.size() || !module::isLinear(port.format)) {
        refuse("an operand of rank ", dims.size(), " for a result of rank ", result.size());
    }
    Dims padded(result.size() - dims.size(), 1);
    padded.insert(padded.end(), dims.begin(), dims.end());
    return describe(module::linearFormat(static_cast<int32_t>(padded.size())), port.dtype, padded);
}

} // namespace

void appendActivation(dnnl::post_ops& ops, const Post& post, float unit) {
    using dnnl::algorithm;
    const auto finite = [](double value) {
        constexpr double kMost = std::numeric_limits<float>::max();
        return static_cast<float>(std::clamp(value, -kMost, kMost));
    };
    const auto alpha = static_cast<float>(post.alpha);
    const std::string& op = post.activation;
    const std::pair<const char*, algorithm> plain[] = {
        {"activation.sigmoid", algorithm::eltwise_logistic},     {"activation.tanh", algorithm::eltwise_tanh},
        {"activation.gelu_erf", algorithm::eltwise_gelu_erf},    {"activation.gelu_tanh", algorithm::eltwise_gelu_tanh},
        {"activation.hard_swish", algorithm::eltwise_hardswish}, {"activation.mish", algorithm::eltwise_mish},
    };
    for (const auto& [name, kind] : plain) {
        if (op == name) {
            ops.append_eltwise(1.0F, kind, 0.0F, 0.0F);
            return;
        }
    }
    if (op == "activation.relu") {
        ops.append_eltwise(1.0F, algorithm::eltwise_relu, 0.0F, 0.0F);
    } else if (op == "activation.leaky_relu") {
        ops.append_eltwise(1.0F, algorithm::eltwise_relu, alpha, 0.0F);
    } else if (op == "activation.elu") {
        ops.append_eltwise(1.0F, algorithm::eltwise_elu, alpha, 0.0F);
    } else if (op == "activation.silu") {
        ops.append_eltwise(1.0F, algorithm::eltwise_swish, alpha, 0.0F);
    } else if (op == "activation.softplus") {
        ops.append_eltwise(1.0F, algorithm::eltwise_soft_relu, 1.0F, 0.0F);
    } else if (op == "activation.clip") {
        ops.append_eltwise(1.0F, algorithm::eltwise_clip, finite(post.alpha * unit), finite(post.beta * unit));
    } else {
        refuse("oneDNN fuses no ", op);
    }
}

kernels::Call windowCall(const module::NodeView& head, const Dims& input, const Dims& output) {
    const auto shape = [](const Dims& dims) {
        Shape out;
        out.present = true;
        out.dims = dims;
        out.elements = kernels::product(dims);
        return out;
    };
    return {head, {}, {shape(input)}, {shape(output)}, 1};
}

memory::dims endPadding(const kernels::Window& window) {
    memory::dims padding;
    for (size_t d = 0; d < window.rank(); ++d) {
        const int64_t reach = (window.kernel[d] - 1) * window.dilations[d] + 1;
        padding.push_back((window.output[d] - 1) * window.strides[d] + reach - window.input[d] - window.padBegin[d]);
    }
    return padding;
}

namespace {

// Post-ops of the chain, and their operands as arguments. `result` is the result as the primitive sees it.
dnnl::primitive_attr attributesOf(const Request& request, const Dims& result,
                                  const std::function<memory::desc(int32_t)>& operand,
                                  std::vector<Argument>& arguments) {
    dnnl::post_ops ops;
    for (const Post& post : request.chain.posts) {
        if (post.kind == PostKind::kActivation) {
            appendActivation(ops, post);
            continue;
        }
        const memory::desc desc = operand(post.port);
        if (desc.dims().size() != result.size()) {
            refuse("an operand of another rank than the result");
        }
        arguments.push_back({DNNL_ARG_ATTR_MULTIPLE_POST_OP(ops.len()) | DNNL_ARG_SRC_1, post.port, false, desc});
        ops.append_binary(post.kind == PostKind::kAdd ? dnnl::algorithm::binary_add : dnnl::algorithm::binary_mul,
                          desc);
    }
    dnnl::primitive_attr attributes = executionAttributes();
    attributes.set_post_ops(ops);
    return attributes;
}

kernels::Call headCall(const Request& request) {
    return windowCall(request.chain.head, request.inputDims[static_cast<size_t>(request.chain.source)],
                      request.outputDims);
}

memory::dims minusOne(const Dims& values) {
    memory::dims out = values;
    for (int64_t& value : out) {
        --value;
    }
    return out;
}

// Weights [C, 1, k...] of a depthwise convolution as oneDNN's [C, 1, 1, k...], and back.
memory::desc insertGroupDim(const memory::desc& desc) {
    dnnl_memory_desc_t raw = desc.data;
    for (int d = raw.ndims; d > 1; --d) {
        raw.dims[d] = raw.dims[d - 1];
        raw.padded_dims[d] = raw.padded_dims[d - 1];
        raw.padded_offsets[d] = 0;
        raw.format_desc.blocking.strides[d] = raw.format_desc.blocking.strides[d - 1];
    }
    ++raw.ndims;
    raw.dims[1] = raw.padded_dims[1] = 1;
    raw.format_desc.blocking.strides[1] = raw.format_desc.blocking.strides[0];
    for (int i = 0; i < raw.format_desc.blocking.inner_nblks; ++i) {
        raw.format_desc.blocking.inner_idxs[i] += raw.format_desc.blocking.inner_idxs[i] > 0 ? 1 : 0;
    }
    return memory::desc(raw);
}

std::optional<TnFormat> depthwiseFormat(const memory::desc& desc) {
    dnnl_memory_desc_t raw = desc.data;
    if (raw.format_kind != dnnl_blocked) {
        return std::nullopt;
    }
    for (int i = 0; i < raw.format_desc.blocking.inner_nblks; ++i) {
        dnnl_dim_t& index = raw.format_desc.blocking.inner_idxs[i];
        if (index == 1) {
            return std::nullopt;
        }
        index -= index > 1 ? 1 : 0;
    }
    for (int d = 1; d + 1 < raw.ndims; ++d) {
        raw.dims[d] = raw.dims[d + 1];
        raw.padded_dims[d] = raw.padded_dims[d + 1];
        raw.format_desc.blocking.strides[d] = raw.format_desc.blocking.strides[d + 1];
    }
    --raw.ndims;
    std::vector<int> order(static_cast<size_t>(raw.ndims));
    for (int d = 0; d < raw.ndims; ++d) {
        order[static_cast<size_t>(d)] = d;
    }
    return formatOf(memory::desc(raw), order);
}

// An image one pixel wide is a line: its bytes are those of one that lies, of which oneDNN computes many pixels at a time.
bool isColumn(const kernels::Window& window) {
    return window.rank() == 2 && window.input[0] > 1 && window.input[1] == 1 && window.output[1] == 1 &&
           window.kernel[1] == 1 && window.padBegin[1] == 0;
}

Dims laid(Dims dims) {
    if (dims.size() >= 2) {
        std::swap(dims[dims.size() - 2], dims.back());
    }
    return dims;
}

kernels::Window laid(kernels::Window window) {
    for (Dims* values : {&window.input, &window.output, &window.kernel, &window.strides, &window.dilations,
                         &window.padBegin, &window.padEnd}) {
        *values = laid(*values);
    }
    return window;
}

template <class Descriptor>
void finish(Built& built, const Descriptor& primitive, dnnl::primitive made) {
    built.implementation = primitive.impl_info_str();
    built.scratchpad = primitive.scratchpad_desc();
    built.primitive = std::move(made);
}

Built buildConvolution(const Request& request) {
    const Chain& chain = request.chain;
    const bool deconv = chain.isDeconvolution();
    Dims x = request.inputDims[static_cast<size_t>(chain.source)];
    Dims w = request.inputDims[static_cast<size_t>(chain.weights)];
    Dims y = request.outputDims;
    const TnPortFormat& weightsPort = request.inputs[static_cast<size_t>(chain.weights)];
    const int64_t groups = chain.head.intOr("group", 1);
    if (x.size() < 3 || x.size() > 5 || w.size() != x.size() || groups < 1 || w[0] % groups != 0) {
        refuse("oneDNN convolves 1 to 3 spatial dimensions");
    }
    const Dims kernel(w.begin() + 2, w.end());
    const kernels::Call call = headCall(request);
    kernels::Window window = deconv ? kernels::deconvWindowOf(call, kernel) : kernels::windowOf(call, kernel);
    const bool column = isColumn(window);
    if (column) {
        x = laid(x);
        w = laid(w);
        y = laid(y);
        window = laid(window);
    }
    Built built;
    const memory::desc src = describe(request.inputs[static_cast<size_t>(chain.source)].format,
                                      request.inputs[static_cast<size_t>(chain.source)].dtype, x);
    const memory::desc dst = describe(request.output.format, request.output.dtype, y);

    // Weights as oneDNN counts their dimensions: [groups,] outputs, inputs, kernel.
    const bool depthwise = !deconv && groups == w[0] && w[1] == 1 && groups > 1;
    std::vector<int> order; // of an ungrouped weight tensor: tensor dimension -> descriptor dimension
    for (size_t d = 0; d < w.size(); ++d) {
        order.push_back(static_cast<int>(deconv && d < 2 ? 1 - d : d));
    }
    memory::desc weights;
    if (groups == 1) {
        weights = describe(weightsPort.format, weightsPort.dtype, w);
        if (deconv) {
            weights = weights.permute_axes(order);
        }
    } else if (depthwise) {
        weights = insertGroupDim(describe(weightsPort.format, weightsPort.dtype, w));
    } else {
        if (!request.packed && !request.chooseWeights && !module::isLinear(weightsPort.format)) {
            refuse("weights of a grouped convolution are linear, or packed");
        }
        Dims grouped = {groups, w[0] / groups};
        grouped.insert(grouped.end(), w.begin() + 1, w.end());
        weights = describe(module::linearFormat(static_cast<int32_t>(grouped.size())), weightsPort.dtype, grouped);
        if (deconv) {
            std::vector<int> swapped(grouped.size());
            for (size_t d = 0; d < swapped.size(); ++d) {
                swapped[d] = static_cast<int>(d);
            }
            std::swap(swapped[1], swapped[2]);
            weights = weights.permute_axes(swapped);
        }
        built.linearWeights = weights;
        weights = request.packed.value_or(weights);
    }
    // The strides of extents of one are nobody's business but oneDNN's, whose fast kernels ask for certain ones: where the layout is the one
    // that oneDNN would choose, it chooses again, and its own description is used.
    const bool isStructural = groups == 1 || depthwise; // what it chooses has a name of ours
    const bool mayChoose =
        isStructural ? request.chooseWeights || !module::isLinear(weightsPort.format) : request.chooseWeights;
    const auto formatOfWeights = [&](const memory::desc& desc) -> std::optional<TnFormat> {
        if (!isStructural) {
            return std::nullopt;
        }
        return depthwise ? depthwiseFormat(desc) : formatOf(desc, order);
    };
    const auto isAsked = [&](const memory::desc& desc) {
        const std::optional<TnFormat> format = formatOfWeights(desc);
        return request.chooseWeights || (format && module::equal(*format, weightsPort.format));
    };

    built.arguments.push_back({DNNL_ARG_SRC, chain.source, false, src});
    built.arguments.push_back({DNNL_ARG_WEIGHTS, chain.weights, false, weights});
    const dnnl::primitive_attr attributes = attributesOf(
        request, y,
        [&](int32_t port) {
            const Dims& dims = request.inputDims[static_cast<size_t>(port)];
            return operandDesc(request.inputs[static_cast<size_t>(port)], column ? laid(dims) : dims, y);
        },
        built.arguments);
    const memory::dims outputs = {y[1]};
    memory::desc bias;
    if (chain.bias >= 0) {
        bias = memory::desc(outputs, memory::data_type::f32, memory::dims{1});
        built.arguments.push_back({DNNL_ARG_BIAS, chain.bias, false, bias});
    }
    const memory::dims strides = window.strides;
    const memory::dims dilates = minusOne(window.dilations);
    const memory::dims padBegin = window.padBegin;
    memory::dims padEnd = window.padEnd;
    // The end padding that makes the windows end where the result does: models may pad more than the last window reads.
    for (size_t d = 0; d < window.rank(); ++d) {
        const int64_t reach = (window.kernel[d] - 1) * window.dilations[d] + 1;
        padEnd[d] = deconv ? (window.input[d] - 1) * window.strides[d] + reach - window.output[d] - window.padBegin[d]
                           : (window.output[d] - 1) * window.strides[d] + reach - window.input[d] - window.padBegin[d];
        if (padBegin[d] < 0 || (deconv && padEnd[d] < 0 && window.output[d] <= 0)) {
            refuse("negative padding");
        }
    }
    const auto make = [&](const memory::desc& asked) {
        if (deconv) {
            const dnnl::deconvolution_forward::primitive_desc pd(
                chain.bias >= 0 ? dnnl::deconvolution_forward::desc(dnnl::prop_kind::forward_inference,
                                                                    dnnl::algorithm::deconvolution_direct, src, asked,
                                                                    bias, dst, strides, dilates, padBegin, padEnd)
                                : dnnl::deconvolution_forward::desc(dnnl::prop_kind::forward_inference,
                                                                    dnnl::algorithm::deconvolution_direct, src, asked,
                                                                    dst, strides, dilates, padBegin, padEnd),
                attributes, cpuEngine());
            built.arguments[1].desc = pd.weights_desc();
            finish(built, pd, dnnl::deconvolution_forward(pd));
            return;
        }
        const dnnl::convolution_forward::primitive_desc pd(
            chain.bias >= 0
                ? dnnl::convolution_forward::desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto,
                                                  src, asked, bias, dst, strides, dilates, padBegin, padEnd)
                : dnnl::convolution_forward::desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto,
                                                  src, asked, dst, strides, dilates, padBegin, padEnd),
            attributes, cpuEngine());
        built.arguments[1].desc = pd.weights_desc();
        finish(built, pd, dnnl::convolution_forward(pd));
    };
    make(mayChoose ? anyLike(weights) : weights);
    if (mayChoose && !isAsked(built.arguments[1].desc)) {
        make(weights);
    }
    if (request.chooseWeights && mayChoose) {
        const std::optional<TnFormat> format = formatOfWeights(built.arguments[1].desc);
        built.weightsKnown = format.has_value();
        built.weights = format.value_or(TnFormat{});
    }
    built.arguments.push_back({DNNL_ARG_DST, 0, true, dst});
    return built;
}

Built buildMatmul(const Request& request) {
    const Chain& chain = request.chain;
    Dims a = request.inputDims[static_cast<size_t>(chain.source)];
    Dims b = request.inputDims[static_cast<size_t>(chain.weights)];
    const TnPortFormat& aPort = request.inputs[static_cast<size_t>(chain.source)];
    const TnPortFormat& bPort = request.inputs[static_cast<size_t>(chain.weights)];
    const bool transA = chain.head.intOr("trans_a", 0) != 0;
    const bool transB = chain.head.intOr("trans_b", 0) != 0;
    Dims result = request.outputDims;
    if (a.size() < 2 || b.size() < 2 || a.size() > 6 || b.size() > 6) {
        refuse("oneDNN multiplies matrices of rank 2 to 6");
    }
    // A stack of rows times one matrix is one product.
    const bool flat = b.size() == 2 && (a.size() == 2 || !transA);
    if (flat && a.size() > 2) {
        const int64_t depth = a.back();
        const int64_t width = result.back();
        a = {kernels::product(a, 0, a.size() - 1), depth};
        result = {a[0], width};
    }
    const size_t rank = std::max(a.size(), b.size());
    a.insert(a.begin(), rank - a.size(), 1);
    b.insert(b.begin(), rank - b.size(), 1);
    if (result.size() != rank || !module::isLinear(aPort.format) || !module::isLinear(request.output.format)) {
        refuse("a product of other than linear operands");
    }
    const auto linear = [](TnDataType type, const Dims& dims) {
        return describe(module::linearFormat(static_cast<int32_t>(dims.size())), type, dims);
    };
    Built built;
    memory::desc src = linear(aPort.dtype, a);
    if (transA) {
        src = transposed(src);
    }
    memory::desc weights = flat ? describe(bPort.format, bPort.dtype, b) : linear(bPort.dtype, b);
    if (!flat && !module::isLinear(bPort.format)) {
        refuse("a stack of matrices is linear");
    }
    if (transB) {
        weights = transposed(weights);
    }
    const memory::desc dst = linear(request.output.dtype, result);
    const bool choose = request.chooseWeights && flat;
    built.arguments.push_back({DNNL_ARG_SRC, chain.source, false, src});
    built.arguments.push_back({DNNL_ARG_WEIGHTS, chain.weights, false, weights});
    const dnnl::primitive_attr attributes = attributesOf(
        request, result,
        [&](int32_t port) {
            const Dims& dims = request.inputDims[static_cast<size_t>(port)];
            const TnPortFormat& format = request.inputs[static_cast<size_t>(port)];
            if (flat && request.outputDims.size() > 2) {
                // Rows were flattened: an operand is a row, or has every row.
                if (kernels::product(dims) == kernels::product(result) && dims.back() == result.back()) {
                    return linear(format.dtype, result);
                }
                if (kernels::product(dims) == dims.back() || dims.empty()) {
                    return linear(format.dtype, {1, dims.empty() ? 1 : dims.back()});
                }
                refuse("an operand that repeats over rows");
            }
            return operandDesc(format, dims, result);
        },
        built.arguments);
    dnnl::matmul::primitive_desc pd(dnnl::matmul::desc(src, choose ? anyLike(weights) : weights, dst), attributes,
                                    cpuEngine());
    built.arguments[1].desc = pd.weights_desc();
    finish(built, pd, dnnl::matmul(pd));
    if (choose) {
        std::optional<TnFormat> format =
            formatOf(pd.weights_desc(), transB ? std::vector<int>{1, 0} : std::vector<int>{0, 1});
        built.weightsKnown = format.has_value();
        built.weights = format.value_or(TnFormat{});
    }
    built.arguments.push_back({DNNL_ARG_DST, 0, true, dst});
    return built;
}

Built buildPool(const Request& request) {
    const Chain& chain = request.chain;
    const Dims& x = request.inputDims[static_cast<size_t>(chain.source)];
    const auto listed = chain.head.ints("kernel");
    const Dims kernel(listed.begin(), listed.end());
    if (x.size() < 3 || x.size() > 5 || kernel.size() + 2 != x.size()) {
        refuse("oneDNN pools 1 to 3 spatial dimensions");
    }
    const kernels::Window window = kernels::windowOf(headCall(request), kernel);
    memory::dims padEnd = window.padEnd;
    bool added = false;
    for (size_t d = 0; d < window.rank(); ++d) {
        const int64_t reach = (window.kernel[d] - 1) * window.dilations[d] + 1;
        const int64_t needed =
            (window.output[d] - 1) * window.strides[d] + reach - window.input[d] - window.padBegin[d];
        added = added || needed > window.padEnd[d];
        padEnd[d] = needed;
        if (window.padBegin[d] < 0 || window.dilations[d] != 1 || needed >= reach || window.padBegin[d] >= reach) {
            refuse("dilated pooling, or windows that lie in the padding");
        }
    }
    const bool average = chain.head.op() == "pool.avg";
    const bool countPadding = average && chain.head.intOr("count_include_pad", 0) != 0;
    if (countPadding && added) {
        refuse("an average that counts some of the padding");
    }
    const memory::desc src = describe(request.inputs[0].format, request.inputs[0].dtype, x);
    const memory::desc dst = describe(request.output.format, request.output.dtype, request.outputDims);
    const dnnl::algorithm algorithm = !average       ? dnnl::algorithm::pooling_max
                                      : countPadding ? dnnl::algorithm::pooling_avg_include_padding
                                                     : dnnl::algorithm::pooling_avg_exclude_padding;
    dnnl::pooling_forward::primitive_desc pd(dnnl::pooling_forward::desc(dnnl::prop_kind::forward_inference, algorithm,
                                                                         src, dst, window.strides, window.kernel,
                                                                         window.padBegin, padEnd),
                                             executionAttributes(), cpuEngine());
    Built built;
    finish(built, pd, dnnl::pooling_forward(pd));
    built.arguments = {{DNNL_ARG_SRC, chain.source, false, src}, {DNNL_ARG_DST, 0, true, dst}};
    return built;
}

} // namespace

Built buildPrimitive(const Request& request) {
    try {
        if (request.chain.isMatmul()) {
            return buildMatmul(request);
        }
        return request.chain.isPool() ? buildPool(request) : buildConvolution(request);
    } catch (const dnnl::error& error) {
        refuse("oneDNN: ", error.what());
    }
}

} // namespace tenon::onednn
