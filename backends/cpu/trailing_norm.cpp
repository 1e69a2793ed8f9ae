#include "backends/cpu/trailing_norm.h"

#include "backends/common/parallel.h"
#include "backends/common/ports.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>
#include <cmath>

namespace tenon::cpu {

namespace {

// Scale or bias: one number for each element of a block, the same in all blocks, or one for each block.
struct Parameter {
    enum class Kind : uint8_t { kNone, kPerElement, kPerBlock };
    Kind kind = Kind::kNone;
    TnDataType type = TN_F32;
    bool direct = false; // per element, and in memory as the loops want it
    Dims dims;           // that it varies over: the block's, or those in front
    Dims strides;

    int64_t offsetOf(int64_t index) const {
        int64_t offset = 0;
        for (size_t d = dims.size(); d-- > 0;) {
            offset += index % dims[d] * strides[d];
            index /= dims[d];
        }
        return offset;
    }
};

struct Norm {
    TnDataType type = TN_F32;
    int64_t blocks = 0;
    int64_t length = 0;
    bool center = true;
    float epsilon = 0;
    Parameter scale;
    Parameter bias;
};

Parameter parameterOf(const Call& call, size_t input, const Dims& dims, size_t axis) {
    Parameter parameter;
    if (!call.has(input)) {
        return parameter;
    }
    const Dims strides = broadcastStrides(call.in(input).dims, dims);
    const auto isZero = [](int64_t stride) { return stride == 0; };
    const auto middle = strides.begin() + static_cast<int64_t>(axis);
    parameter.type = call.in(input).dtype;
    if (std::all_of(strides.begin(), middle, isZero)) {
        parameter.kind = Parameter::Kind::kPerElement;
        parameter.dims.assign(dims.begin() + static_cast<int64_t>(axis), dims.end());
        parameter.strides.assign(middle, strides.end());
        parameter.direct = parameter.type == TN_F32 && parameter.strides == rowMajorStrides(parameter.dims);
    } else if (std::all_of(middle, strides.end(), isZero)) {
        parameter.kind = Parameter::Kind::kPerBlock;
        parameter.dims.assign(dims.begin(), dims.begin() + static_cast<int64_t>(axis));
        parameter.strides.assign(strides.begin(), middle);
    } else {
        refuse(call.op(), " whose scale or bias differs within blocks and between them");
    }
    return parameter;
}

Norm normOf(const Call& call) {
    const Dims& dims = call.in(0).dims;
    if (dims.empty()) {
        refuse(call.op(), " of a scalar");
    }
    const auto axis = static_cast<size_t>(call.axis("axis", -1, dims.size()));
    Norm norm;
    norm.type = call.in(0).dtype;
    norm.blocks = product(dims, 0, axis);
    norm.length = product(dims, axis, dims.size());
    norm.center = call.op() == "layer_norm";
    norm.epsilon = static_cast<float>(call.floatOr("epsilon", 1e-5));
    norm.scale = parameterOf(call, 1, dims, axis);
    norm.bias = parameterOf(call, 2, dims, axis);
    return norm;
}

// A parameter as one row of floats, or null where it is none or differs from block to block.
const float* rowOf(const Parameter& parameter, const void* from, int64_t length, float* scratch) {
    if (parameter.kind != Parameter::Kind::kPerElement) {
        return nullptr;
    }
    if (parameter.direct) {
        return static_cast<const float*>(from);
    }
    for (int64_t i = 0; i < length; ++i) {
        scratch[i] = *readRow(parameter.type, from, parameter.offsetOf(i), 1, scratch + i);
    }
    return scratch;
}

float numberOf(const Parameter& parameter, const void* from, int64_t block, float otherwise) {
    if (parameter.kind != Parameter::Kind::kPerBlock) {
        return otherwise;
    }
    float scratch = 0;
    return *readRow(parameter.type, from, parameter.offsetOf(block), 1, &scratch);
}

// Operands of one launch. Without a second operand x is normalised; with it the sum is, which goes into `sum` too unless that is null.
struct Operands {
    const void* x;
    const void* y;
    const void* scale;
    const void* bias;
    void* sum;
    void* result;
};

// Floats that a launch needs: the two parameters, then a row for each operand of each thread.
int64_t workspaceOf(const Norm& norm, int threads) {
    return (2 + 2 * static_cast<int64_t>(threads)) * norm.length * static_cast<int64_t>(sizeof(float));
}

void run(const Norm& norm, int threads, const Operands& o, float* workspace) {
    const int64_t length = norm.length;
    if (norm.blocks * length == 0) {
        return;
    }
    const float* scales = rowOf(norm.scale, o.scale, length, workspace);
    const float* biases = rowOf(norm.bias, o.bias, length, workspace + length);
    const bool perBlock = norm.scale.kind == Parameter::Kind::kPerBlock || norm.bias.kind == Parameter::Kind::kPerBlock;
    parallelTeam(
        teamFor(threads, norm.blocks, 6 * length), norm.blocks, [&](int64_t member, int64_t begin, int64_t end) {
            const RowTable& rows = rowTable();
            float* first = workspace + (2 + 2 * member) * length;
            float* second = first + length;
            for (int64_t block = begin; block < end; ++block) {
                const int64_t at = block * length;
                const float* x = readRow(norm.type, o.x, at, length, first);
                if (o.y != nullptr) {
                    const float* y = readRow(norm.type, o.y, at, length, second);
                    float* sum = o.sum != nullptr ? targetRow(norm.type, o.sum, at, first) : first;
                    rows.add(x, y, sum, length);
                    if (o.sum != nullptr) {
                        finishRow(norm.type, o.sum, at, length, sum);
                    }
                    x = sum;
                }
                float mean = 0;
                const float variance = norm.center ? rows.variance(x, length, &mean)
                                                   : rows.sumOfSquares(x, 0, length) / static_cast<float>(length);
                float factor = 1.0F / std::sqrt(variance + norm.epsilon);
                float* to = targetRow(norm.type, o.result, at, second);
                if (perBlock) {
                    factor *= numberOf(norm.scale, o.scale, block, 1.0F);
                }
                rows.normalize(x, mean, factor, scales, biases, to, length);
                if (norm.bias.kind == Parameter::Kind::kPerBlock) {
                    rows.shift(to, numberOf(norm.bias, o.bias, block, 0.0F), to, length);
                }
                finishRow(norm.type, o.result, at, length, to);
            }
        });
}

// The nodes of such a body and the ports of its operands.
struct SumAndNorm {
    module::NodeView sum;
    module::NodeView norm;
    int32_t x, y, scale, bias; // inputs; -1: none
    int32_t sumPort, resultPort;
};

SumAndNorm read(const module::GraphView& body) {
    SumAndNorm region{body.node(0), body.node(1), -1, -1, -1, -1, -1, -1};
    region.x = kernels::portOf(body.inputs(), region.sum.inputIndex(0));
    region.y = kernels::portOf(body.inputs(), region.sum.inputIndex(1));
    region.scale = kernels::portOf(body.inputs(), region.norm.inputIndex(1));
    region.bias = kernels::portOf(body.inputs(), region.norm.inputIndex(2));
    region.sumPort = kernels::portOf(body.outputs(), region.sum.outputIndex(0));
    region.resultPort = kernels::portOf(body.outputs(), region.norm.outputIndex(0));
    return region;
}

} // namespace

Plan planTrailingNorm(const Call& call) {
    const Norm norm = normOf(call);
    const int threads = call.threads();
    Plan plan;
    plan.workspace = workspaceOf(norm, threads);
    plan.run = [norm, threads](const Buffers& b) {
        run(norm, threads,
            {b.inputs[0], nullptr, norm.scale.kind == Parameter::Kind::kNone ? nullptr : b.inputs[1],
             norm.bias.kind == Parameter::Kind::kNone ? nullptr : b.inputs[2], nullptr, b.outputs[0]},
            static_cast<float*>(b.workspace));
        return Code::kOk;
    };
    return plan;
}

void checkTrailingNorm(const module::NodeView& node) {
    const int32_t rank = node.input(0).rank();
    const int64_t axis = node.intOr("axis", -1);
    const auto trailing = static_cast<int32_t>(axis < 0 ? -axis : rank - axis);
    for (int32_t i = 1; i < node.inputCount(); ++i) {
        if (!node.hasInput(i)) {
            continue;
        }
        requireType(node, i, kVectorFloats);
        const module::ValueView value = node.input(i);
        const auto areOnes = [&](int32_t begin, int32_t end) {
            bool ones = true;
            for (int32_t d = std::max(begin, 0); d < end; ++d) {
                ones = ones && value.isStatic(d) && value.dim(d).opt == 1;
            }
            return ones;
        };
        if (!areOnes(0, value.rank() - trailing) && !areOnes(value.rank() - trailing, value.rank())) {
            refuse(node.op(), " whose scale or bias differs within blocks and between them");
        }
    }
}

bool isSumAndNorm(const module::GraphView& body) {
    return body.nodeCount() == 2 && body.node(0).op() == "binary.add" &&
           (body.node(1).op() == "layer_norm" || body.node(1).op() == "rms_norm") &&
           body.node(1).inputIndex(0) == body.node(0).outputIndex(0);
}

void checkSumAndNorm(const Task& task) {
    const SumAndNorm region = read(task.body);
    const module::ValueView sum = region.sum.output(0);
    if (region.x < 0 || region.y < 0 || region.resultPort < 0 ||
        task.outputs.size() != (region.sumPort < 0 ? size_t{1} : size_t{2}) ||
        (region.norm.hasInput(1) && region.scale < 0) || (region.norm.hasInput(2) && region.bias < 0)) {
        refuse("a sum and its norm that read or give something else");
    }
    requireType(region.sum, 0, kVectorFloats);
    requireSameTypes(region.sum);
    const TnDataType type = task.inputs[static_cast<size_t>(region.x)].dtype;
    if (task.inputs[static_cast<size_t>(region.y)].dtype != type ||
        std::any_of(task.outputs.begin(), task.outputs.end(),
                    [&](const TnPortFormat& port) { return port.dtype != type; })) {
        refuse("a sum and its norm in several types");
    }
    for (const int32_t i : {0, 1}) {
        const module::ValueView value = region.sum.input(i);
        for (int32_t d = 0; d < sum.rank(); ++d) {
            const bool same = value.rank() == sum.rank() &&
                              ((value.dim(d).expr >= 0 && value.dim(d).expr == sum.dim(d).expr) ||
                               (value.isStatic(d) && sum.isStatic(d) && value.dim(d).opt == sum.dim(d).opt));
            if (!same) {
                refuse("the norm of a sum that broadcasts");
            }
        }
    }
    checkTrailingNorm(region.norm);
}

TaskPlan planSumAndNorm(const Task& task, const PortShapes& shapes) {
    const SumAndNorm region = read(task.body);
    const auto shapeAt = [&](int32_t port) { return port < 0 ? Shape{} : shapes.inputs[static_cast<size_t>(port)]; };
    const Shape& x = shapes.inputs[static_cast<size_t>(region.x)];
    if (x.dims != shapeAt(region.y).dims) {
        invalid("the norm of a sum that broadcasts");
    }
    const Call call(region.norm, shapes.scalars, {x, shapeAt(region.scale), shapeAt(region.bias)}, {x}, shapes.threads);
    const Norm norm = normOf(call);
    TaskPlan result;
    result.inputPorts = {region.x, region.y, region.scale, region.bias};
    result.outputPorts = {region.sumPort, region.resultPort};
    result.plan.workspace = workspaceOf(norm, shapes.threads);
    result.plan.run = [norm, threads = shapes.threads](const Buffers& b) {
        run(norm, threads, {b.inputs[0], b.inputs[1], b.inputs[2], b.inputs[3], b.outputs[0], b.outputs[1]},
            static_cast<float*>(b.workspace));
        return Code::kOk;
    };
    return result;
}

} // namespace tenon::cpu
