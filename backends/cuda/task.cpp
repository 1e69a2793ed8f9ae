#include "backends/cuda/task.h"

#include "backends/common/ports.h"
#include "backends/cuda/embedding_region.h"
#include "backends/cuda/excite_region.h"
#include "backends/cuda/norm_region.h"
#include "backends/cuda/op_table.h"
#include "backends/cuda/pointwise.h"

namespace tenon::cuda {

namespace {

using module::GraphView;
using module::NodeView;

// Of pointwise ops.
bool isRegion(const GraphView& body) {
    return !isNormRegion(body) && !isExciteRegion(body) && !isEmbeddingRegion(body) &&
           (body.nodeCount() != 1 || isPointwise(body.node(0).op()));
}

// A port's layout: linear, or channels innermost where the op follows that.
void checkPort(const TnPortFormat& port, const module::ValueView& value, const OpEntry* entry, bool isConvert) {
    if (port.format.rank != value.rank()) {
        invalid("a port of rank ", port.format.rank, " for a tensor of rank ", value.rank());
    }
    for (int32_t i = 0; i < port.format.rank; ++i) {
        if (port.format.order[i] < 0 || port.format.order[i] >= port.format.rank) {
            invalid("a layout that names dimension ", port.format.order[i], " of ", port.format.rank);
        }
    }
    if (!contains(kWholeBytes, port.dtype)) {
        refuse("kernels of ", nameOf(port.dtype), " are not generated");
    }
    if (isConvert) {
        if (module::isOpaque(port.format)) {
            refuse("convert of the layout ", module::describe(port.format), ", which has no structure");
        }
        return;
    }
    const bool channelsLast = entry->channelsLast && port.format.rank >= 3 &&
                              module::equal(port.format, module::channelsLastFormat(port.format.rank));
    if (!module::isLinear(port.format) && !channelsLast) {
        refuse("the layout ", module::describe(port.format), "; supported are linear ",
               entry->channelsLast ? "and channels-last " : "", "layouts");
    }
    const bool asFloat = entry->reducible && value.dtype() == TN_F32 && (port.dtype == TN_F16 || port.dtype == TN_BF16);
    if (port.dtype != value.dtype() && !asFloat) {
        refuse("a tensor of ", nameOf(value.dtype()), " as ", nameOf(port.dtype));
    }
}

NodeTypes typesOf(const Task& task, const NodeView& node) {
    NodeTypes types;
    types.node = node;
    types.wideIndex = needsWideIndex(task.body);
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        const int32_t port = node.hasInput(i) ? kernels::portOf(task.body.inputs(), node.inputIndex(i)) : -1;
        types.inputs.push_back(port < 0 ? TnDataType{-1} : task.inputs[static_cast<size_t>(port)].dtype);
    }
    for (int32_t o = 0; o < node.outputCount(); ++o) {
        const int32_t port = kernels::portOf(task.body.outputs(), node.outputIndex(o));
        types.outputs.push_back(port < 0 ? TnDataType{-1} : task.outputs[static_cast<size_t>(port)].dtype);
    }
    return types;
}

} // namespace

bool needsWideIndex(const GraphView& body) {
    for (size_t v = 0; v < body.valueCount(); ++v) {
        const module::ValueView value = body.value(static_cast<int32_t>(v));
        // Room for the padding of blocks and for what strides past the end.
        if (value.isTensor() && value.hasRank() && value.maxElements() >= (int64_t{1} << 30)) {
            return true;
        }
    }
    return false;
}

void checkTask(const Task& task) {
    const GraphView& body = task.body;
    if (body.nodeCount() == 0 || task.inputs.size() != body.inputs().size() ||
        task.outputs.size() != body.outputs().size()) {
        invalid("a task of ", body.nodeCount(), " nodes whose tactic has other ports than it");
    }
    if (isExciteRegion(body)) {
        checkExciteRegion(task);
        return;
    }
    if (isEmbeddingRegion(body)) {
        checkEmbeddingRegion(task);
        return;
    }
    const bool region = isRegion(body);
    const OpEntry* first = nullptr;
    bool reducible = true;
    bool channelsLast = true;
    for (size_t n = 0; n < body.nodeCount(); ++n) {
        const NodeView node = body.node(n);
        const OpEntry& entry = OpTable::instance().require(node);
        if (region && !isPointwise(node.op())) {
            refuse(
                "a region with ", node.op(),
                "; regions of pointwise ops, of a sum and its norm, of an embedding, or of squeeze-and-excite, only");
        }
        reducible = reducible && entry.reducible;
        channelsLast = channelsLast && entry.channelsLast;
        first = first == nullptr ? &entry : first;
        for (int32_t i = 0; i < node.inputCount(); ++i) {
            if (region && !node.hasInput(i) && i < entry.checks.minInputs) {
                refuse(node.op(), " without its input ", i);
            }
        }
    }
    if (body.inputs().size() > kMostInputs || body.outputs().size() > kMostOutputs) {
        refuse("a task of ", body.inputs().size(), " inputs and ", body.outputs().size(), " outputs; at most ",
               kMostInputs, " and ", kMostOutputs, " are supported");
    }
    OpEntry ports = *first;
    ports.reducible = reducible;
    ports.channelsLast = channelsLast;
    const bool isConvert = !region && first->checks.op == "convert";
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        checkPort(task.inputs[i], body.value(body.inputs()[i]), &ports, isConvert);
    }
    for (size_t i = 0; i < task.outputs.size(); ++i) {
        checkPort(task.outputs[i], body.value(body.outputs()[i]), &ports, isConvert);
        if (region && !module::equal(task.outputs[i].format, task.outputs[0].format)) {
            refuse("a region whose outputs differ in layout");
        }
    }
    if (isConvert) {
        if (task.inputs.size() != 1 || task.outputs.size() != 1) {
            invalid("convert with ", task.inputs.size(), " inputs and ", task.outputs.size(), " outputs");
        }
        const TnDataType from = task.inputs[0].dtype;
        const TnDataType to = task.outputs[0].dtype;
        if (from != to && !(contains(kFloats, from) && contains(kFloats, to))) {
            refuse("convert from ", nameOf(from), " to ", nameOf(to), "; supported are float types among each other");
        }
    }
    if (region) {
        checkPointwise(task);
        return;
    }
    if (isNormRegion(body)) {
        checkNormRegion(task);
        return;
    }
    const NodeView node = body.node(0);
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        if (node.hasInput(i) && kernels::portOf(body.inputs(), node.inputIndex(i)) < 0) {
            invalid(node.op(), ": input ", i, " is no input of the task");
        }
    }
    if (body.outputs().empty() ||
        (kernels::portOf(body.outputs(), node.outputIndex(0)) < 0 && node.op() != "topk" && node.op() != "split")) {
        refuse(node.op(), " whose first output nobody reads");
    }
}

std::string sourceOfTask(const Task& task) {
    if (isRegion(task.body)) {
        return printPointwise(task, needsWideIndex(task.body));
    }
    if (isNormRegion(task.body)) {
        return printNormRegion(task, needsWideIndex(task.body));
    }
    if (isExciteRegion(task.body)) {
        return printExciteRegion(task, needsWideIndex(task.body));
    }
    if (isEmbeddingRegion(task.body)) {
        return printEmbeddingRegion(task, needsWideIndex(task.body));
    }
    const NodeView node = task.body.node(0);
    return OpTable::instance().find(node.op())->print(typesOf(task, node));
}

PortShapes shapesOfTask(const Task& task, const module::PrepareArgs& args) {
    if (args.inputCount() != static_cast<int32_t>(task.inputs.size()) ||
        args.outputCount() != static_cast<int32_t>(task.outputs.size())) {
        invalid("prepare with ", args.inputCount(), " inputs and ", args.outputCount(), " outputs for a kernel of ",
                task.inputs.size(), " and ", task.outputs.size());
    }
    const auto shapeOf = [](const TnTensor& tensor, const TnPortFormat& port) {
        if (tensor.rank != port.format.rank || tensor.dtype != port.dtype) {
            invalid("a tensor of ", nameOf(tensor.dtype), " and rank ", tensor.rank, " at a port of ",
                    nameOf(port.dtype), " and rank ", port.format.rank);
        }
        Shape shape;
        shape.present = true;
        shape.dtype = tensor.dtype;
        shape.dims.assign(tensor.dims, tensor.dims + tensor.rank);
        for (const int64_t dim : shape.dims) {
            if (dim < 0) {
                invalid("a tensor with an extent of ", dim);
            }
        }
        shape.elements = product(shape.dims);
        shape.format = port.format;
        shape.bytes = module::bytesOf(shape.format, shape.dtype, shape.dims.data());
        if (shape.bytes < 0) {
            invalid("a tensor of shape ", shapeText(shape.dims), " has more bytes than 64 bits count");
        }
        return shape;
    };
    PortShapes shapes;
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        shapes.inputs.push_back(shapeOf(args.input(static_cast<int32_t>(i)), task.inputs[i]));
    }
    for (size_t i = 0; i < task.outputs.size(); ++i) {
        shapes.outputs.push_back(shapeOf(args.output(static_cast<int32_t>(i)), task.outputs[i]));
    }
    shapes.scalars = args.scalars();
    return shapes;
}

DevicePlan planTask(const Task& task, const PortShapes& shapes) {
    DevicePlan plan;
    if (isRegion(task.body)) {
        planPointwise(task, shapes, plan);
        return plan;
    }
    if (isNormRegion(task.body)) {
        planNormRegion(task, shapes, plan);
        return plan;
    }
    if (isExciteRegion(task.body)) {
        planExciteRegion(task, shapes, plan);
        return plan;
    }
    if (isEmbeddingRegion(task.body)) {
        planEmbeddingRegion(task, shapes, plan);
        return plan;
    }
    const NodeView node = task.body.node(0);
    Operands operands{};
    std::fill(std::begin(operands.in), std::end(operands.in), static_cast<signed char>(-1));
    std::fill(std::begin(operands.out), std::end(operands.out), static_cast<signed char>(-1));
    if (node.inputCount() > kMostInputs || node.outputCount() > kMostOutputs) {
        refuse(node.op(), " with ", node.inputCount(), " inputs and ", node.outputCount(), " outputs; at most ",
               kMostInputs, " and ", kMostOutputs, " are supported");
    }
    std::vector<Shape> inputs(static_cast<size_t>(node.inputCount()));
    for (int32_t i = 0; i < node.inputCount(); ++i) {
        const int32_t port = node.hasInput(i) ? kernels::portOf(task.body.inputs(), node.inputIndex(i)) : -1;
        operands.in[i] = static_cast<signed char>(port);
        if (port >= 0) {
            inputs[static_cast<size_t>(i)] = shapes.inputs[static_cast<size_t>(port)];
        }
    }
    std::vector<Shape> outputs(static_cast<size_t>(node.outputCount()));
    // To the end of the array, not of the node: this way the compiler sees that the loop stays inside it.
    for (int32_t o = 0; o < kMostOutputs; ++o) {
        const int32_t port = o < node.outputCount() ? kernels::portOf(task.body.outputs(), node.outputIndex(o)) : -1;
        operands.out[o] = static_cast<signed char>(port);
        if (port >= 0) {
            outputs[static_cast<size_t>(o)] = shapes.outputs[static_cast<size_t>(port)];
        }
    }
    const Call call(node, shapes.scalars, std::move(inputs), std::move(outputs), 1);
    NodePlan nodePlan{call, operands, plan};
    OpTable::instance().find(node.op())->plan(nodePlan);
    return plan;
}

} // namespace tenon::cuda
