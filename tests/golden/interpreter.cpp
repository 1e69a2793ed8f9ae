#include "tests/golden/interpreter.h"

#include "core/ir/half.h"
#include "tests/golden/interpreter_einsum.h"
#include "tests/golden/interpreter_movement.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

namespace tenon::golden {

using ir::Node;
using support::Result;

namespace {

// The element that broadcasts to a coordinate of a larger shape.
double broadcastAt(const Tensor& tensor, const Dims& at) {
    Dims own(at.end() - static_cast<std::ptrdiff_t>(tensor.dims.size()), at.end());
    for (size_t i = 0; i < own.size(); ++i) {
        own[i] = tensor.dims[i] == 1 ? 0 : own[i];
    }
    return tensor.values[static_cast<size_t>(indexOf(own, tensor.dims))];
}

// quantize and dequantize; each operand of parameters has one element, or one per index of the axis.
Tensor quantization(const Node& node, const std::vector<const Tensor*>& inputs) {
    const Tensor& x = *inputs[0];
    const auto rank = static_cast<int64_t>(x.dims.size());
    int64_t axis = node.attributes().intOr("axis", 1);
    axis += axis < 0 ? rank : 0;
    const bool isSigned = node.output(0)->type().dtype == ir::DataType::kI8;
    return generate(x.dims, [&](const Dims& at) {
        const auto parameter = [&](const Tensor& tensor) {
            return tensor.values[tensor.values.size() == 1 ? 0 : static_cast<size_t>(at[static_cast<size_t>(axis)])];
        };
        const double scale = parameter(*inputs[1]);
        const double zero = inputs.size() > 2 && inputs[2] != nullptr ? parameter(*inputs[2]) : 0;
        const double value = x.values[static_cast<size_t>(indexOf(at, x.dims))];
        if (node.op() == "dequantize") {
            return (value - zero) * scale;
        }
        return std::clamp(std::nearbyint(value / scale) + zero, isSigned ? -128.0 : 0.0, isSigned ? 127.0 : 255.0);
    });
}

using Pointwise = double (*)(double, double, double);

const std::map<std::string, Pointwise>& pointwiseOps() {
    static const std::map<std::string, Pointwise> kOps{
        {"identity", [](double a, double, double) { return a; }},
        {"unary.exp", [](double a, double, double) { return std::exp(a); }},
        {"unary.neg", [](double a, double, double) { return -a; }},
        {"unary.abs", [](double a, double, double) { return std::fabs(a); }},
        {"unary.sqrt", [](double a, double, double) { return std::sqrt(a); }},
        {"unary.recip", [](double a, double, double) { return 1 / a; }},
        {"unary.erf", [](double a, double, double) { return std::erf(a); }},
        {"unary.log", [](double a, double, double) { return std::log(a); }},
        {"unary.rsqrt", [](double a, double, double) { return 1 / std::sqrt(a); }},
        {"unary.isnan", [](double a, double, double) { return std::isnan(a) ? 1.0 : 0.0; }},
        {"unary.not", [](double a, double, double) { return a == 0 ? 1.0 : 0.0; }},
        {"activation.relu", [](double a, double, double) { return a > 0 ? a : 0.0; }},
        {"activation.sigmoid", [](double a, double, double) { return 1 / (1 + std::exp(-a)); }},
        {"activation.gelu_erf",
         [](double a, double, double) { return a / 2 * (1 + std::erf(a / std::numbers::sqrt2)); }},
        {"activation.gelu_tanh",
         [](double a, double, double) {
             return a / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (a + 0.044715 * a * a * a)));
         }},
        {"activation.hard_swish", [](double a, double, double) { return a * std::clamp(a / 6 + 0.5, 0.0, 1.0); }},
        {"activation.mish", [](double a, double, double) { return a * std::tanh(std::log1p(std::exp(a))); }},
        {"activation.softplus", [](double a, double, double) { return std::log1p(std::exp(a)); }},
        {"activation.tanh", [](double a, double, double) { return std::tanh(a); }},
        {"binary.add", [](double a, double b, double) { return a + b; }},
        {"binary.sub", [](double a, double b, double) { return a - b; }},
        {"binary.mul", [](double a, double b, double) { return a * b; }},
        {"binary.div", [](double a, double b, double) { return a / b; }},
        {"binary.max", [](double a, double b, double) { return std::max(a, b); }},
        {"binary.min", [](double a, double b, double) { return std::min(a, b); }},
        {"binary.pow", [](double a, double b, double) { return std::pow(a, b); }},
        {"binary.less", [](double a, double b, double) { return a < b ? 1.0 : 0.0; }},
        {"binary.greater", [](double a, double b, double) { return a > b ? 1.0 : 0.0; }},
        {"prelu", [](double a, double b, double) { return a < 0 ? a * b : a; }},
        {"where", [](double c, double a, double b) { return c != 0 ? a : b; }},
    };
    return kOps;
}

std::vector<int64_t> normalAxes(const Node& node, size_t rank) {
    std::vector<int64_t> axes = node.attributes().intsOr("axes", {});
    for (int64_t& axis : axes) {
        axis += axis < 0 ? static_cast<int64_t>(rank) : 0;
    }
    return axes;
}

Result<Tensor> reduce(const Node& node, const std::vector<const Tensor*>& inputs, const Dims& dims) {
    const Tensor& x = *inputs[0];
    std::vector<int64_t> axes = normalAxes(node, x.dims.size());
    if (inputs.size() > 1) {
        if (node.input(1)->constant() == nullptr) {
            return support::unsupported("axes that the data decides");
        }
        for (const double axis : inputs[1]->values) {
            axes.push_back(static_cast<int64_t>(axis) + (axis < 0 ? static_cast<int64_t>(x.dims.size()) : 0));
        }
    }
    if (axes.empty() && node.attributes().intOr("noop_with_empty_axes", 0) == 0) {
        axes.resize(x.dims.size());
        std::iota(axes.begin(), axes.end(), 0);
    }
    Dims kept = x.dims;
    for (const int64_t axis : axes) {
        kept[static_cast<size_t>(axis)] = 1;
    }
    const bool isMax = node.op() == "reduce.max";
    const bool isRoot = node.op() == "reduce.l2";
    const bool squares = isRoot || node.op() == "reduce.sum_square";
    if (!isMax && !squares && node.op() != "reduce.sum" && node.op() != "reduce.mean") {
        return support::unsupported(node.op());
    }
    std::vector<double> results(static_cast<size_t>(countOf(kept)), isMax ? -INFINITY : 0.0);
    for (int64_t i = 0; i < countOf(x.dims); ++i) {
        Dims at = coordinateOf(i, x.dims);
        for (const int64_t axis : axes) {
            at[static_cast<size_t>(axis)] = 0;
        }
        double& result = results[static_cast<size_t>(indexOf(at, kept))];
        const double number = x.values[static_cast<size_t>(i)];
        const double value = squares ? number * number : number;
        result = isMax ? std::max(result, value) : result + value;
    }
    if (node.op() == "reduce.mean") {
        const auto count = static_cast<double>(countOf(x.dims)) / static_cast<double>(countOf(kept));
        for (double& result : results) {
            result /= count;
        }
    }
    for (double& result : results) {
        result = isRoot ? std::sqrt(result) : result;
    }
    return Tensor{dims, std::move(results)};
}

Tensor softmax(const Node& node, const Tensor& x) {
    int64_t axis = node.attributes().intOr("axis", -1);
    axis += axis < 0 ? static_cast<int64_t>(x.dims.size()) : 0;
    return generate(x.dims, [&](const Dims& at) {
        double sum = 0;
        Dims other = at;
        for (int64_t i = 0; i < x.dims[static_cast<size_t>(axis)]; ++i) {
            other[static_cast<size_t>(axis)] = i;
            sum += std::exp(x.values[static_cast<size_t>(indexOf(other, x.dims))]);
        }
        return std::exp(x.values[static_cast<size_t>(indexOf(at, x.dims))]) / sum;
    });
}

Tensor concat(const Node& node, const std::vector<const Tensor*>& inputs, const Dims& dims) {
    int64_t axis = node.attributes().intOr("axis", 0);
    axis += axis < 0 ? static_cast<int64_t>(dims.size()) : 0;
    return generate(dims, [&](Dims at) {
        size_t input = 0;
        int64_t& position = at[static_cast<size_t>(axis)];
        while (position >= inputs[input]->dims[static_cast<size_t>(axis)]) {
            position -= inputs[input]->dims[static_cast<size_t>(axis)];
            ++input;
        }
        return inputs[input]->values[static_cast<size_t>(indexOf(at, inputs[input]->dims))];
    });
}

Tensor matmul(const Node& node, const Tensor& a, const Tensor& b, const Dims& dims) {
    const bool transA = node.attributes().intOr("trans_a", 0) != 0;
    const bool transB = node.attributes().intOr("trans_b", 0) != 0;
    const int64_t depth = transA ? a.dims[a.dims.size() - 2] : a.dims.back();
    const auto element = [](const Tensor& t, bool trans, const Dims& at, int64_t row, int64_t column) {
        Dims own(at.begin(), at.end() - 2);
        own.push_back(trans ? column : row);
        own.push_back(trans ? row : column);
        return broadcastAt(t, own);
    };
    return generate(dims, [&](const Dims& at) {
        double sum = 0;
        for (int64_t k = 0; k < depth; ++k) {
            sum += element(a, transA, at, at[at.size() - 2], k) * element(b, transB, at, k, at.back());
        }
        return sum;
    });
}

// One rule for both: which window element links an input and an output position.
Tensor convolution(const Node& node, const Tensor& x, const Tensor& w, const Tensor* bias, const Dims& dims) {
    const bool isDeconv = node.op() == "deconv";
    const size_t spatial = dims.size() - 2;
    Dims strides = node.attributes().intsOr("strides", Dims(spatial, 1));
    Dims dilations = node.attributes().intsOr("dilations", Dims(spatial, 1));
    Dims pads = node.attributes().intsOr("pads", Dims(2 * spatial, 0));
    const std::string mode = node.attributes().stringOr("auto_pad", "explicit");
    for (size_t i = 0; i < spatial && (mode == "same_upper" || mode == "same_lower"); ++i) {
        const int64_t reach = (w.dims[i + 2] - 1) * dilations[i] + 1;
        const int64_t total = isDeconv ? reach - strides[i]
                                       : std::max<int64_t>((dims[i + 2] - 1) * strides[i] + reach - x.dims[i + 2], 0);
        pads[i] = mode == "same_upper" ? total / 2 : total - total / 2;
    }
    const int64_t groups = node.attributes().intOr("group", 1);
    const int64_t inPerGroup = x.dims[1] / groups;
    const int64_t outPerGroup = dims[1] / groups;
    Dims window{inPerGroup};
    window.insert(window.end(), w.dims.begin() + 2, w.dims.end());
    return generate(dims, [&](const Dims& at) {
        const int64_t group = at[1] / outPerGroup;
        double sum = bias != nullptr ? bias->values[static_cast<size_t>(at[1])] : 0.0;
        for (int64_t i = 0; i < countOf(window); ++i) {
            const Dims k = coordinateOf(i, window);
            Dims from{at[0], group * inPerGroup + k[0]};
            bool inside = true;
            for (size_t d = 0; d < spatial; ++d) {
                int64_t position = isDeconv ? at[d + 2] + pads[d] - k[d + 1] * dilations[d]
                                            : at[d + 2] * strides[d] - pads[d] + k[d + 1] * dilations[d];
                inside = inside && (!isDeconv || position % strides[d] == 0);
                position = isDeconv ? position / strides[d] : position;
                inside = inside && position >= 0 && position < x.dims[d + 2];
                from.push_back(position);
            }
            if (!inside) {
                continue;
            }
            Dims weight = isDeconv ? Dims{from[1], at[1] % outPerGroup} : Dims{at[1], k[0]};
            weight.insert(weight.end(), k.begin() + 1, k.end());
            sum += x.values[static_cast<size_t>(indexOf(from, x.dims))] *
                   w.values[static_cast<size_t>(indexOf(weight, w.dims))];
        }
        return sum;
    });
}

Tensor batchNorm(const Node& node, const std::vector<const Tensor*>& in) {
    const double epsilon = node.attributes().floatOr("epsilon", 1e-5);
    return generate(in[0]->dims, [&](const Dims& at) {
        const auto c = static_cast<size_t>(at[1]);
        const double x = in[0]->values[static_cast<size_t>(indexOf(at, in[0]->dims))];
        return (x - in[3]->values[c]) / std::sqrt(in[4]->values[c] + epsilon) * in[1]->values[c] + in[2]->values[c];
    });
}

// layer_norm and rms_norm.
Tensor normalize(const Node& node, const std::vector<const Tensor*>& in) {
    const Tensor& x = *in[0];
    int64_t axis = node.attributes().intOr("axis", -1);
    axis += axis < 0 ? static_cast<int64_t>(x.dims.size()) : 0;
    const int64_t length = countOf(Dims(x.dims.begin() + axis, x.dims.end()));
    const bool centers = node.op() == "layer_norm";
    return generate(x.dims, [&](const Dims& at) {
        const int64_t index = indexOf(at, x.dims);
        const double* const block = x.values.data() + index / length * length;
        const double mean = centers ? std::accumulate(block, block + length, 0.0) / static_cast<double>(length) : 0.0;
        double variance = 0;
        for (int64_t i = 0; i < length; ++i) {
            variance += (block[i] - mean) * (block[i] - mean) / static_cast<double>(length);
        }
        double y = (x.values[static_cast<size_t>(index)] - mean) /
                   std::sqrt(variance + node.attributes().floatOr("epsilon", 1e-5));
        y *= in.size() > 1 && in[1] != nullptr ? broadcastAt(*in[1], at) : 1.0;
        return y + (in.size() > 2 && in[2] != nullptr ? broadcastAt(*in[2], at) : 0.0);
    });
}

// Over blocks of neighbouring channels and all that is behind them.
Tensor normalizeGroups(const Node& node, const std::vector<const Tensor*>& inputs) {
    const Tensor& x = *inputs[0];
    const int64_t groups = node.attributes().intOr("groups", x.dims[1]);
    const int64_t block = countOf(x.dims) / x.dims[0] / groups;
    const int64_t perChannel = countOf(x.dims) / x.dims[0] / x.dims[1];
    Tensor result = x;
    for (int64_t begin = 0; begin < countOf(x.dims); begin += block) {
        double mean = 0;
        double variance = 0;
        for (int64_t i = begin; i < begin + block; ++i) {
            mean += x.values[static_cast<size_t>(i)] / static_cast<double>(block);
        }
        for (int64_t i = begin; i < begin + block; ++i) {
            variance += std::pow(x.values[static_cast<size_t>(i)] - mean, 2) / static_cast<double>(block);
        }
        for (int64_t i = begin; i < begin + block; ++i) {
            const auto channel = static_cast<size_t>(i / perChannel % x.dims[1]);
            double& y = result.values[static_cast<size_t>(i)];
            y = (y - mean) / std::sqrt(variance + node.attributes().floatOr("epsilon", 1e-5)) *
                    inputs[1]->values[channel] +
                inputs[2]->values[channel];
        }
    }
    return result;
}

// One element of the output at a time.
Tensor attention(const Node& node, const std::vector<const Tensor*>& in, const Dims& dims) {
    const ir::AttributeMap& attributes = node.attributes();
    const bool headsInner = attributes.intOr("heads_axis", -3) == -2;
    const bool transposedKeys = attributes.intOr("k_transposed", 0) != 0;
    const bool maskKeeps = attributes.intOr("mask_keeps", 1) != 0;
    const bool boolMask = node.input(3) != nullptr && node.input(3)->type().dtype == ir::DataType::kBool;
    // (batch, head, position, element) with the batch left out at rank 3.
    const auto element = [&](const Tensor& t, bool inner, int64_t batch, int64_t head, int64_t s, int64_t d) {
        Dims at{batch, inner ? s : head, inner ? head : s, d};
        at.erase(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(4 - t.dims.size()));
        return t.values[static_cast<size_t>(indexOf(at, t.dims))];
    };
    const size_t rank = dims.size();
    const size_t headAt = rank - (headsInner ? 2 : 3);
    const int64_t group = dims[headAt] / in[1]->dims[headAt];
    const int64_t keys = in[2]->dims[rank - (headsInner ? 3 : 2)];
    const int64_t depth = in[0]->dims.back();
    return generate(dims, [&](const Dims& at) {
        const int64_t batch = rank == 4 ? at[0] : 0;
        const int64_t head = at[headAt];
        const int64_t row = at[rank - (headsInner ? 3 : 2)];
        std::vector<double> weights;
        double sum = 0;
        for (int64_t j = 0; j < keys; ++j) {
            double score = 0;
            for (int64_t d = 0; d < depth; ++d) {
                const double k = transposedKeys ? element(*in[1], false, batch, head / group, d, j)
                                                : element(*in[1], headsInner, batch, head / group, j, d);
                score += element(*in[0], headsInner, batch, head, row, d) * k;
            }
            score *= attributes.floatOr("scale", 1);
            if (in.size() > 3 && in[3] != nullptr) {
                Dims place{batch, head, row, j};
                place.erase(place.begin(), place.begin() + static_cast<std::ptrdiff_t>(4 - rank));
                const double mask = broadcastAt(*in[3], place);
                score = !boolMask                  ? score + mask
                        : (mask != 0) == maskKeeps ? score
                                                   : attributes.floatOr("fill", -INFINITY);
            }
            const bool visible = attributes.intOr("causal", 0) == 0 || j <= row;
            weights.push_back(visible ? std::exp(score) : 0.0);
            sum += weights.back();
        }
        double y = 0;
        for (int64_t j = 0; j < keys; ++j) {
            y += weights[static_cast<size_t>(j)] / sum * element(*in[2], headsInner, batch, head / group, j, at.back());
        }
        return std::isnan(sum) || sum == 0 ? (attributes.intOr("nan_to_zero", 0) != 0 ? 0.0 : std::nan("")) : y;
    });
}

Tensor tensorOf(const ir::Constant& constant) {
    Tensor tensor{constant.dims, {}};
    for (int64_t i = 0; i < constant.elements(); ++i) {
        tensor.values.push_back(constant.numberAt(i));
    }
    return tensor;
}

template <class T>
ir::ConstantPtr constantAs(ir::DataType dtype, const Tensor& tensor, const std::function<T(double)>& convert) {
    std::vector<T> values;
    for (const double value : tensor.values) {
        values.push_back(convert(value));
    }
    return ir::makeConstant(dtype, tensor.dims, values.data());
}

} // namespace

std::vector<int64_t> extentsOf(const ir::ExprPool& pool, const ir::TensorType& type,
                               const std::vector<int64_t>& symbols) {
    Dims dims;
    for (const ir::DimExpr extent : type.dims) {
        dims.push_back(extent.valid() ? pool.evaluate(extent, symbols) : 0);
    }
    return dims;
}

Result<std::vector<Tensor>> computeNode(const Node& node, const std::vector<const Tensor*>& inputs,
                                        const std::vector<int64_t>& symbols) {
    const ir::ExprPool& pool = node.graph()->pool();
    const std::string& op = node.op();
    if (op == "split") {
        return split(node, *inputs[0], symbols);
    }
    if (node.outputs().size() != 1) {
        return support::unsupported(op, " with several outputs");
    }
    const ir::Value& output = *node.output(0);
    const Dims dims = extentsOf(pool, output.type(), symbols);
    if (const ir::ConstantPtr constant = output.constant()) {
        return std::vector<Tensor>{tensorOf(*constant)};
    }
    if (output.contents()) {
        Tensor tensor{dims, {}};
        for (const ir::DimExpr element : *output.contents()) {
            tensor.values.push_back(static_cast<double>(pool.evaluate(element, symbols)));
        }
        return std::vector<Tensor>{std::move(tensor)};
    }
    if (const auto found = pointwiseOps().find(op); found != pointwiseOps().end()) {
        return std::vector<Tensor>{generate(dims, [&](const Dims& at) {
            const auto operand = [&](size_t i) {
                return i < inputs.size() && inputs[i] != nullptr ? broadcastAt(*inputs[i], at) : 0.0;
            };
            return found->second(operand(0), operand(1), operand(2));
        })};
    }
    if (op == "quantize" || op == "dequantize") {
        return std::vector<Tensor>{quantization(node, inputs)};
    }
    if (op == "cast") {
        Tensor tensor = *inputs[0];
        for (double& value : tensor.values) {
            value = output.type().dtype == ir::DataType::kBool ? (value != 0 ? 1.0 : 0.0)
                    : ir::isInteger(output.type().dtype)       ? std::trunc(value)
                                                               : value;
        }
        return std::vector<Tensor>{std::move(tensor)};
    }
    const bool isView = op == "reshape" || op == "flatten" || op == "squeeze" || op == "unsqueeze";
    if (isView) {
        return std::vector<Tensor>{{dims, inputs[0]->values}};
    }
    if (op == "activation.clip") {
        const double low = node.attributes().floatOr("min", -INFINITY);
        const double high = node.attributes().floatOr("max", INFINITY);
        return std::vector<Tensor>{
            generate(dims, [&](const Dims& at) { return std::clamp(broadcastAt(*inputs[0], at), low, high); })};
    }
    if (op == "activation.hard_sigmoid" || op == "activation.silu") {
        const double alpha = node.attributes().floatOr("alpha", op == "activation.silu" ? 1 : 0.2);
        const double beta = node.attributes().floatOr("beta", 0.5);
        return std::vector<Tensor>{generate(dims, [&](const Dims& at) {
            const double x = broadcastAt(*inputs[0], at);
            return op == "activation.silu" ? x / (1 + std::exp(-alpha * x)) : std::clamp(alpha * x + beta, 0.0, 1.0);
        })};
    }
    if (op == "layer_norm" || op == "rms_norm") {
        return std::vector<Tensor>{normalize(node, inputs)};
    }
    if (op == "instance_norm" || op == "group_norm") {
        return std::vector<Tensor>{normalizeGroups(node, inputs)};
    }
    if (op == "attention") {
        return std::vector<Tensor>{attention(node, inputs, dims)};
    }
    if (op == "tile") {
        return std::vector<Tensor>{generate(dims, [&](Dims at) {
            for (size_t i = 0; i < at.size(); ++i) {
                at[i] %= inputs[0]->dims[i];
            }
            return inputs[0]->values[static_cast<size_t>(indexOf(at, inputs[0]->dims))];
        })};
    }
    if (op == "expand") {
        return std::vector<Tensor>{generate(dims, [&](const Dims& at) { return broadcastAt(*inputs[0], at); })};
    }
    if (op == "transpose") {
        Dims perm = node.attributes().intsOr("perm", {});
        for (size_t i = dims.size(); i-- > 0 && !node.attributes().has("perm");) {
            perm.push_back(static_cast<int64_t>(i));
        }
        return std::vector<Tensor>{generate(dims, [&](const Dims& at) {
            Dims from(at.size());
            for (size_t i = 0; i < at.size(); ++i) {
                from[static_cast<size_t>(perm[i])] = at[i];
            }
            return inputs[0]->values[static_cast<size_t>(indexOf(from, inputs[0]->dims))];
        })};
    }
    if (op == "concat") {
        return std::vector<Tensor>{concat(node, inputs, dims)};
    }
    if (op == "slice" && inputs.size() == 1) {
        TN_ASSIGN_OR_RETURN(Tensor part, slice(node, *inputs[0], dims, symbols));
        return std::vector<Tensor>{std::move(part)};
    }
    if (op == "one_hot") {
        return std::vector<Tensor>{oneHot(node, *inputs[0], *inputs[2], dims)};
    }
    if (op == "pool.avg") {
        return std::vector<Tensor>{averagePool(node, *inputs[0], dims)};
    }
    if (op == "gather") {
        return std::vector<Tensor>{gather(node, *inputs[0], *inputs[1], dims)};
    }
    if (op == "softmax") {
        return std::vector<Tensor>{softmax(node, *inputs[0])};
    }
    if (op == "matmul") {
        // A vector is a row on the left and a column on the right, which the result has not.
        Tensor a = *inputs[0];
        Tensor b = *inputs[1];
        std::vector<int64_t> whole = dims;
        if (a.dims.size() == 1) {
            a.dims.insert(a.dims.begin(), 1);
            whole.insert(b.dims.size() == 1 ? whole.end() : whole.end() - 1, 1);
        }
        if (b.dims.size() == 1) {
            b.dims.push_back(1);
            whole.push_back(1);
        }
        Tensor result = matmul(node, a, b, whole);
        result.dims = dims;
        return std::vector<Tensor>{std::move(result)};
    }
    if (op == "einsum") {
        return std::vector<Tensor>{einsum(node, inputs, dims)};
    }
    if (op == "matmul_integer" && inputs[0]->dims.size() >= 2 && inputs[1]->dims.size() >= 2) {
        const auto shifted = [&](size_t operand, size_t zero) {
            Tensor tensor = *inputs[operand];
            for (double& value : tensor.values) {
                value -= zero < inputs.size() && inputs[zero] != nullptr ? inputs[zero]->values.at(0) : 0;
            }
            return tensor;
        };
        return std::vector<Tensor>{matmul(node, shifted(0, 2), shifted(1, 3), dims)};
    }
    if (op == "conv" || op == "deconv") {
        return std::vector<Tensor>{
            convolution(node, *inputs[0], *inputs[1], inputs.size() > 2 ? inputs[2] : nullptr, dims)};
    }
    if (op == "batch_norm") {
        return std::vector<Tensor>{batchNorm(node, inputs)};
    }
    if (op.compare(0, 7, "reduce.") == 0) {
        TN_ASSIGN_OR_RETURN(Tensor result, reduce(node, inputs, dims));
        return std::vector<Tensor>{std::move(result)};
    }
    return support::unsupported("the interpreter does not know ", op);
}

Result<std::map<const ir::Value*, Tensor>> computeValues(const ir::Graph& graph, const std::vector<Tensor>& inputs,
                                                         const std::vector<int64_t>& symbols) {
    std::map<const ir::Value*, Tensor> values;
    for (size_t i = 0; i < inputs.size(); ++i) {
        values[graph.inputs()[i]] = inputs[i];
    }
    for (const Node* node : graph.nodes()) {
        std::vector<const Tensor*> operands;
        for (const ir::Value* input : node->inputs()) {
            operands.push_back(input != nullptr ? &values.at(input) : nullptr);
        }
        TN_ASSIGN_OR_RETURN(auto results, computeNode(*node, operands, symbols));
        for (size_t i = 0; i < results.size(); ++i) {
            values[node->output(i)] = std::move(results[i]);
        }
    }
    return values;
}

Result<std::vector<Tensor>> computeGraph(const ir::Graph& graph, const std::vector<Tensor>& inputs,
                                         const std::vector<int64_t>& symbols) {
    TN_ASSIGN_OR_RETURN(const auto values, computeValues(graph, inputs, symbols));
    std::vector<Tensor> outputs;
    for (const ir::Value* output : graph.outputs()) {
        outputs.push_back(values.at(output));
    }
    return outputs;
}

Result<std::vector<ir::ConstantPtr>> SmallEvaluator::evaluate(const Node& node) {
    std::vector<Tensor> inputs;
    for (const ir::Value* input : node.inputs()) {
        inputs.push_back(input != nullptr ? tensorOf(*input->constant()) : Tensor{});
    }
    std::vector<const Tensor*> operands;
    for (size_t i = 0; i < inputs.size(); ++i) {
        operands.push_back(node.input(i) != nullptr ? &inputs[i] : nullptr);
    }
    TN_ASSIGN_OR_RETURN(const auto results,
                        computeNode(node, operands, std::vector<int64_t>(node.graph()->pool().symbols().size(), 1)));
    const ir::DataType dtype = node.output(0)->type().dtype;
    if (dtype == ir::DataType::kF32) {
        return std::vector<ir::ConstantPtr>{
            constantAs<float>(dtype, results[0], [](double v) { return static_cast<float>(v); })};
    }
    if (dtype == ir::DataType::kF16) {
        return std::vector<ir::ConstantPtr>{
            constantAs<uint16_t>(dtype, results[0], [](double v) { return ir::floatToHalf(static_cast<float>(v)); })};
    }
    if (dtype == ir::DataType::kI64) {
        return std::vector<ir::ConstantPtr>{
            constantAs<int64_t>(dtype, results[0], [](double v) { return static_cast<int64_t>(v); })};
    }
    return support::unsupported("the interpreter folds no ", ir::nameOf(dtype));
}

} // namespace tenon::golden
