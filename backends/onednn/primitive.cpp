#include "backends/onednn/primitive.h"

#include "backends/onednn/descriptors.h"
#include "backends/onednn/execution.h"
#include "backends/onednn/quantized.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>

namespace tenon::onednn {

namespace {

using dnnl::memory;
using kernels::refuse;
using kernels::Shape;

kernels::TaskPlan planReorder(const kernels::Task& task, const kernels::PortShapes& shapes) {
    const Dims& dims = shapes.inputs[0].dims;
    const memory::desc from = describe(task.inputs[0].format, task.inputs[0].dtype, dims);
    const memory::desc to = describe(task.outputs[0].format, task.outputs[0].dtype, dims);
    const ThreadScope scope(shapes.threads);
    kernels::TaskPlan plan;
    plan.inputPorts = {0};
    plan.outputPorts = {0};
    try {
        const dnnl::reorder::primitive_desc pd(cpuEngine(), from, cpuEngine(), to, executionAttributes());
        auto execution = std::make_shared<Execution>(dnnl::reorder(pd), pd.scratchpad_desc(), shapes.threads);
        execution->bindWithLayout({DNNL_ARG_FROM, 0, false, from});
        execution->bindWithLayout({DNNL_ARG_TO, 0, true, to});
        plan.plan.workspace = execution->workspace();
        plan.plan.run = [execution](const kernels::Buffers& buffers) { return execution->run(buffers); };
    } catch (const dnnl::error& error) {
        refuse("oneDNN: ", error.what());
    }
    return plan;
}

bool isReference(const Built& built) { return built.implementation.rfind("ref", 0) == 0; }

// Multiplications of the head of a chain, comparisons of a pooling.
double workOf(const Chain& chain, const std::vector<Dims>& inputs, const Dims& output) {
    const Dims& source = inputs[static_cast<size_t>(chain.source)];
    const auto number = [](const Dims& dims) { return static_cast<double>(kernels::product(dims)); };
    if (chain.isPool()) {
        const auto kernel = chain.head.ints("kernel");
        return number(output) * number(Dims(kernel.begin(), kernel.end()));
    }
    if (chain.isMatmul()) {
        const size_t depth = source.size() - (chain.head.intOr("trans_a", 0) != 0 ? 2 : 1);
        return number(output) * static_cast<double>(depth < source.size() ? source[depth] : 1);
    }
    const Dims& weights = inputs[static_cast<size_t>(chain.weights)];
    return number(chain.isDeconvolution() ? source : output) * number(Dims(weights.begin() + 1, weights.end()));
}

// So many that what each has to do takes as long as handing it out, some half a microsecond.
int threadsFor(const Chain& chain, const std::vector<Dims>& inputs, const Dims& output, int threads) {
    constexpr double kLeast = 1 << 15;
    return static_cast<int>(std::clamp(workOf(chain, inputs, output) / kLeast, 1.0, static_cast<double>(threads)));
}

const Argument& weightsOf(const Built& built) {
    return *std::find_if(built.arguments.begin(), built.arguments.end(),
                         [](const Argument& argument) { return argument.id == DNNL_ARG_WEIGHTS; });
}

// For other extents or threads than those that weights were laid out for, oneDNN may have nothing but loops a hundred times slower. Laying the
// weights out anew at each launch costs little beside them. Null where that leads nowhere either.
std::shared_ptr<Execution> relaidExecution(Request request, const Built& slow, int threads) {
    try {
        request.chooseWeights = true;
        request.packed.reset();
        const Built built = buildPrimitive(request);
        if (isReference(built)) {
            return nullptr;
        }
        auto execution = std::make_shared<Execution>(built.primitive, built.scratchpad, threads);
        for (const Argument& argument : built.arguments) {
            if (argument.id == DNNL_ARG_WEIGHTS) {
                execution->bindRelaid(weightsOf(slow), argument.desc);
            } else {
                execution->bind(argument);
            }
        }
        return execution;
    } catch (const dnnl::error&) {
        return nullptr;
    } catch (const kernels::Failure&) {
        return nullptr;
    }
}

// oneDNN's general product of floats generates code for every case of it as soon as one is asked for: 7 MiB with what describes it, whatever the
// shape, and milliseconds of the first answer. The cpu backend is as fast in the same layouts: with windows of one, whose planes are the operands,
// with a channel in each group, and with deconvolutions whose windows do not overlap.
bool isCheapElsewhere(const Chain& chain, const std::vector<Dims>& inputs) {
    if (chain.weights < 0 || chain.isMatmul()) {
        return false;
    }
    const Dims& weights = inputs[static_cast<size_t>(chain.weights)];
    const Dims kernel(weights.begin() + 2, weights.end());
    const auto strides = chain.head.ints("strides");
    if (chain.isDeconvolution()) {
        return std::equal(kernel.begin(), kernel.end(), strides.begin(), strides.end());
    }
    const int64_t groups = chain.head.intOr("group", 1);
    return kernels::product(kernel) == 1 || (groups > 1 && groups == inputs[static_cast<size_t>(chain.source)][1]);
}

bool isReorder(const kernels::Task& task) { return task.body.nodeCount() == 1 && task.body.node(0).op() == "convert"; }

} // namespace

std::vector<Variant> variantsOf(const module::TaskView& task, const Chain& chain, TnDataType type, int threads,
                                PackingTable& table, std::vector<std::string>& dropped) {
    const int32_t rank = task.output(0).rank();
    const Dims outputDims = task.output(0).optExtents();
    std::vector<Dims> inputDims;
    for (int32_t i = 0; i < task.inputCount(); ++i) {
        inputDims.push_back(task.input(i).optExtents());
    }
    const ThreadScope scope(threadsFor(chain, inputDims, outputDims, threads));
    std::vector<std::pair<TnFormat, TnFormat>> layouts; // source, result
    const TnFormat plain = module::linearFormat(rank);
    if (chain.isMatmul()) {
        layouts = {{module::linearFormat(task.input(chain.source).rank()), plain}};
    } else {
        const int64_t channels = inputDims[static_cast<size_t>(chain.source)][1];
        const int64_t outputs = outputDims[1];
        const TnFormat last = module::channelsLastFormat(rank);
        for (int32_t block : {16, 8}) {
            const TnFormat blocked = module::blockedFormat(rank, {{1, block}});
            if (outputs % block == 0 && channels % block == 0) {
                layouts.emplace_back(blocked, blocked);
                break;
            }
            if (outputs % block == 0 && channels <= 4 && !chain.isPool()) {
                layouts.emplace_back(plain, blocked);
                break;
            }
        }
        layouts.emplace_back(last, last);
        if (channels <= 4 && !chain.isPool()) {
            layouts.emplace_back(plain, last);
        }
        layouts.emplace_back(plain, plain);
    }
    std::vector<Variant> variants;
    for (const auto& [source, result] : layouts) {
        Variant variant;
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            const int32_t inputRank = task.input(i).rank();
            TnPortFormat port = module::linearPort(task.input(i).dtype(), inputRank);
            if (i == chain.source || i == chain.weights) {
                port.dtype = type;
            }
            if (i == chain.source) {
                port.format = source;
            } else if (i != chain.weights && i != chain.bias && inputDims[static_cast<size_t>(i)] == outputDims) {
                port = {type, TN_PLACEMENT_HOST, result}; // a residual has the result's layout
            }
            variant.inputs.push_back(port);
        }
        variant.outputs = {{type, TN_PLACEMENT_HOST, result}};
        const bool choose = chain.weights >= 0 && task.input(chain.weights).isConstant();
        try {
            Request request{chain, variant.inputs, variant.outputs[0], inputDims, outputDims, choose};
            Built built = buildPrimitive(request);
            TnPortFormat& weights = variant.inputs[static_cast<size_t>(std::max(chain.weights, 0))];
            if (choose && built.weightsKnown) {
                weights.format = built.weights;
            } else if (choose && !built.linearWeights.is_zero() && type == TN_F32) {
                // In groups: blocks of the channels of one group.
                const Packing packing{built.linearWeights, weightsOf(built).desc};
                if (packing.from != packing.to) {
                    table.add(packing);
                    weights.format = packedFormat(packing, weights.format.rank);
                }
            } else if (choose) {
                request.chooseWeights = false;
                built = buildPrimitive(request);
            }
            if (isReference(built)) {
                dropped.push_back(module::text(module::describe(result), ": only oneDNN's reference implementation"));
                continue;
            }
            if (type == TN_F32 && built.implementation.rfind("x64:gemm", 0) == 0 &&
                (!variants.empty() || isCheapElsewhere(chain, inputDims))) {
                dropped.push_back(module::text(module::describe(result), ": oneDNN's general product of floats"));
                continue;
            }
            variant.name = built.implementation;
            variants.push_back(std::move(variant));
        } catch (const kernels::Failure& failure) {
            dropped.push_back(module::text(module::describe(result), ": ", failure.what()));
        }
    }
    return variants;
}

void OneDnnPlanner::check(const kernels::Task& task) const {
    if (isReorder(task)) {
        const TnPortFormat& from = task.inputs.at(0);
        const TnPortFormat& to = task.outputs.at(0);
        if (isPacked(to)) {
            if (!mPackings->find(to.format.opaque_id) || !module::isLinear(from.format) || from.dtype != to.dtype ||
                (to.dtype != TN_I8 && to.dtype != TN_F32)) {
                refuse("weights are packed from linear i8 or f32 into what a kernel of onednn asked for");
            }
            return;
        }
        if (from.format.rank > 6 || module::isOpaque(from.format) || module::isOpaque(to.format) ||
            !dataTypeOf(from.dtype) || !dataTypeOf(to.dtype) || from.format.outer_pitch != 0 ||
            to.format.outer_pitch != 0) {
            refuse("oneDNN reorders f32, bf16, s32, s8 and u8 tensors of up to 6 dimensions in structural layouts");
        }
        if ((from.dtype == TN_F32 || from.dtype == TN_BF16) != (to.dtype == TN_F32 || to.dtype == TN_BF16)) {
            refuse("oneDNN's conversions between integers and floats saturate; casts do not");
        }
        return;
    }
    if (isQuantizedBody(task.body)) {
        readQuantizedChain(task.body);
        return;
    }
    readChain(task.body);
}

kernels::TaskPlan OneDnnPlanner::plan(const kernels::Task& task, const kernels::PortShapes& shapes) const {
    if (isReorder(task)) {
        const TnFormat& to = task.outputs[0].format;
        return isPacked(task.outputs[0]) ? planPacking(*mPackings->find(to.opaque_id), shapes.threads)
                                         : planReorder(task, shapes);
    }
    if (isQuantizedBody(task.body)) {
        return planQuantized(task, shapes, *mPackings);
    }
    const Chain chain = readChain(task.body);
    std::vector<Dims> inputDims;
    bool empty = false;
    for (const Shape& shape : shapes.inputs) {
        inputDims.push_back(shape.dims);
    }
    empty = kernels::product(shapes.outputs[0].dims) == 0;
    kernels::TaskPlan plan;
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        plan.inputPorts.push_back(static_cast<int32_t>(i));
    }
    plan.outputPorts = {0};
    if (empty) {
        plan.plan.run = [](const kernels::Buffers&) { return module::Code::kOk; };
        return plan;
    }
    const int threads = threadsFor(chain, inputDims, shapes.outputs[0].dims, shapes.threads);
    const ThreadScope scope(threads);
    Request request{chain, task.inputs, task.outputs[0], inputDims, shapes.outputs[0].dims, false};
    if (chain.weights >= 0 && isPacked(task.inputs[static_cast<size_t>(chain.weights)])) {
        const TnFormat& weights = task.inputs[static_cast<size_t>(chain.weights)].format;
        const std::optional<Packing> packing = mPackings->find(weights.opaque_id);
        if (!packing) {
            refuse("weights in a layout that nobody has described");
        }
        request.packed = packing->to;
    }
    const Built built = buildPrimitive(request);
    auto execution = isReference(built) && chain.weights >= 0 ? relaidExecution(request, built, threads) : nullptr;
    if (execution == nullptr) {
        execution = std::make_shared<Execution>(built.primitive, built.scratchpad, threads);
        for (const Argument& argument : built.arguments) {
            execution->bind(argument);
        }
    }
    plan.plan.workspace = execution->workspace();
    plan.plan.run = [execution](const kernels::Buffers& buffers) { return execution->run(buffers); };
    return plan;
}

} // namespace tenon::onednn
