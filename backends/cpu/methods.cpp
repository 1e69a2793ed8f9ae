#include "backends/cpu/methods.h"

#include "backends/cpu/brain_convolution.h"
#include "backends/cpu/brain_product.h"
#include "backends/cpu/brain_spread.h"
#include "backends/cpu/byte_average.h"
#include "backends/cpu/byte_convolution.h"
#include "backends/cpu/byte_depthwise.h"
#include "backends/cpu/byte_image.h"
#include "backends/cpu/byte_lookup.h"
#include "backends/cpu/byte_mean.h"
#include "backends/cpu/byte_norm.h"
#include "backends/cpu/byte_product.h"
#include "backends/cpu/byte_sum.h"
#include "backends/cpu/concat.h"
#include "backends/cpu/deconvolution.h"
#include "backends/cpu/depthwise.h"
#include "backends/cpu/depthwise_project.h"
#include "backends/cpu/embedding.h"
#include "backends/cpu/expand_depthwise.h"
#include "backends/cpu/image_maximum.h"
#include "backends/cpu/image_nearest.h"
#include "backends/cpu/inverted_residual.h"
#include "backends/cpu/line_convolution.h"
#include "backends/cpu/offered_layouts.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/packed_product.h"
#include "backends/cpu/plane_convolution.h"
#include "backends/cpu/product_head.h"
#include "backends/cpu/program.h"
#include "backends/cpu/simd/brain_tile.h"
#include "backends/cpu/simd/byte_tile.h"
#include "backends/cpu/spatial_mean.h"
#include "backends/cpu/squeeze_excite.h"
#include "backends/cpu/trailing_norm.h"
#include "backends/cpu/winograd.h"
#include "backends/reference/ops.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

enum : uint64_t {
    kNode = 1,
    kProgram = 2,
    kSumAndNorm = 3,
    kPackedProduct = 4,
    kDepthwise = 5,
    kWinograd = 6,
    kWinogradWeights = 7,
    kDeconvolution = 8,
    kConcat = 9,
    kSpatialMean = 10,
    kExcite = 16,
    kEmbedding = 17,
    kSiblings = 18,
    kByteSum = 19,
    kByteLookup = 20,
    kByteNorm = 21,
    kByteMean = 22,
    kByteImage = 23,
    kExpandDepthwise = 24,
    kByteProduct = 25,
    kDepthwiseProject = 26,
    kByteDepthwise = 32,
    kBrainProduct = 33,
    kBrainConvolution = 40,
    kBrainSpread = 41,
    kImageMaximum = 42,
    kInvertedResidual = 43,
    kPlaneConvolution = 44,
    kImageNearest = 45,
    kByteAverage = 46,
    kByteConvolution = 47,
    kLineConvolution = 48,
};

using Tactics = std::vector<module::Tactic>;

// --- What tactics have in common ---

constexpr TnTraits kTraits = TN_TRAIT_DETERMINISTIC | TN_TRAIT_ANY_EXTENT | TN_TRAIT_EXACT_MATH;

module::Tactic linear(const module::TaskView& task, uint64_t id, std::string name) {
    return module::linearTactic(task, id, std::move(name), kTraits);
}

// With the layouts of the inputs and, where there are more, of the first outputs.
module::Tactic laidOut(const module::TaskView& task, uint64_t id, std::string name,
                       const std::vector<TnFormat>& layouts) {
    module::Tactic tactic = linear(task, id, std::move(name));
    for (size_t i = 0; i < tactic.inputs.size(); ++i) {
        tactic.inputs[i].format = layouts[i];
    }
    for (size_t o = 0; tactic.inputs.size() + o < layouts.size(); ++o) {
        tactic.outputs[o].format = layouts[tactic.inputs.size() + o];
    }
    return tactic;
}

bool isOne(const module::GraphView& body, std::string_view op) {
    return body.nodeCount() == 1 && body.node(0).op() == op;
}

bool isProgram(const module::GraphView& body) {
    for (size_t n = 0; n < body.nodeCount(); ++n) {
        if (!isPointwise(body.node(n).op())) {
            return false;
        }
    }
    return body.nodeCount() > 0;
}

// --- Single ops, by their row in a table ---

KernelTable makeTable() {
    KernelTable table;
    addAttention(table);
    addSoftmax(table);
    addNormalization(table);
    addReduce(table);
    addOrder(table);
    addMovement(table);
    addGather(table);
    addScatter(table);
    addMatmul(table);
    addConv(table);
    addIntegerProducts(table);
    addPool(table);
    addResize(table);
    addQuantize(table);
    addConvert(table);
    // What is there already stays.
    reference::addReshape(table);
    reference::addGenerate(table);
    reference::addGather(table);
    return table;
}

const KernelTable& table() {
    static const KernelTable table = makeTable();
    return table;
}

bool isView(std::string_view op) { return op == "reshape" || op == "flatten" || op == "squeeze" || op == "unsqueeze"; }

bool takesNode(const module::GraphView& body) { return body.nodeCount() == 1 && !isProgram(body); }

void checkNode(const Task& task) {
    checkNodeTask(table(), task, true);
    if (task.body.node(0).op() == "convert") {
        checkConvertPorts(task.inputs[0], task.outputs[0]);
    }
}

TaskPlan planTableNode(const Task& task, const PortShapes& shapes) { return planNode(table(), task, shapes); }

Tactics offerConversion(const module::TaskView& task, uint64_t id, std::string name, TnTraits more) {
    if (task.convertTo() == nullptr || task.offered(0).empty()) {
        invalid("convert without its two formats");
    }
    module::Tactic tactic = module::linearTactic(task, id, std::move(name), kTraits | more);
    tactic.inputs[0] = task.offered(0)[0];
    tactic.outputs[0] = *task.convertTo();
    return {tactic};
}

Tactics offerNode(const module::TaskView& task) {
    if (task.op() == "convert") {
        Tactics tactics = offerConversion(task, kNode, "strided copy", TN_TRAIT_OUTER_PITCH);
        const TnPortFormat& from = tactics[0].inputs[0];
        const TnPortFormat& to = tactics[0].outputs[0];
        if (from.dtype == to.dtype && isSameOrder(task.input(0), from.format, to.format)) {
            tactics[0].traits |= TN_TRAIT_FREE_ALIAS;
        }
        return tactics;
    }
    module::Tactic tactic = linear(task, kNode, std::string(task.op()));
    if (isView(task.op())) {
        tactic.traits |= TN_TRAIT_FREE_ALIAS;
    }
    return {tactic};
}

// --- Pointwise programs ---

void checkProgramTask(const Task& task) {
    checkProgram(task.body);
    checkProgramLayout(task);
}

module::Tactic programTactic(const module::TaskView& task, const TnFormat* format) {
    module::Tactic tactic = linear(task, kProgram, module::text("pointwise x", task.body().nodeCount()));
    if (isOne(task.body(), "identity")) {
        tactic.traits |= TN_TRAIT_FREE_ALIAS;
    }
    const module::ValueView output = task.output(0);
    for (int32_t i = 0; format != nullptr && i < task.inputCount(); ++i) {
        if (isFullShape(task.input(i), output)) {
            tactic.inputs[static_cast<size_t>(i)].format = *format;
        }
    }
    for (TnPortFormat& port : tactic.outputs) {
        port.format = format != nullptr ? *format : port.format;
    }
    // One output may take over an operand of its shape: each element is read before it is written.
    if (task.outputCount() == 1) {
        int32_t operand = -1;
        for (int32_t i = 0; i < task.inputCount() && operand < 0; ++i) {
            const bool same = task.input(i).dtype() == output.dtype() && isFullShape(task.input(i), output) &&
                              !task.input(i).isConstant();
            operand = same ? i : -1;
        }
        tactic.mayAlias = {operand};
    }
    return tactic;
}

Tactics offerProgram(const module::TaskView& task) {
    Tactics tactics{programTactic(task, nullptr)};
    for (const TnFormat& format : programLayouts(task)) {
        tactics.push_back(programTactic(task, &format));
    }
    return tactics;
}

// A program that another loop computes too.
Tactics offerBytes(const module::TaskView& task, uint64_t id, const char* name) {
    Tactics tactics = offerProgram(task);
    for (module::Tactic& tactic : tactics) {
        tactic.id = id;
        tactic.name = name;
    }
    return tactics;
}

// --- One layout on all ports, whichever the neighbours have ---

Tactics offerConcat(const module::TaskView& task) {
    Tactics tactics;
    for (const TnFormat& format : offeredLayouts(task, [](int32_t) { return true; })) {
        tactics.push_back(laidOut(task, kConcat, "concat",
                                  std::vector<TnFormat>(static_cast<size_t>(task.inputCount()) + 1, format)));
    }
    return tactics;
}

Tactics offerNearest(const module::TaskView& task) {
    Tactics tactics;
    for (const TnFormat& format : offeredLayouts(task, [](int32_t port) { return port == 0; })) {
        module::Tactic tactic = linear(task, kImageNearest, "nearest pixels");
        tactic.inputs[0].format = tactic.outputs[0].format = format;
        tactics.push_back(std::move(tactic));
    }
    return tactics;
}

Tactics offerSpatialMean(const module::TaskView& task) {
    Tactics tactics;
    for (const TnFormat& format : offeredLayouts(task, [](int32_t) { return true; })) {
        tactics.push_back(laidOut(task, kSpatialMean, "mean over pixels", {format}));
        if (task.output(0).rank() == format.rank) {
            tactics.push_back(laidOut(task, kSpatialMean, "mean over pixels", {format, format}));
        }
    }
    return tactics;
}

Tactics offerByteMean(const module::TaskView& task) {
    Tactics tactics;
    const TnFormat last = module::channelsLastFormat(4);
    for (const bool isLinear : {true, false}) {
        module::Tactic tactic = linear(task, kByteMean, "mean over pixels of bytes");
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            if (task.input(i).rank() == 4) {
                tactic.inputs[static_cast<size_t>(i)].format = last;
            }
        }
        if (isLinear || task.output(0).rank() == 4) {
            tactic.outputs[0].format = isLinear ? tactic.outputs[0].format : last;
            tactics.push_back(std::move(tactic));
        }
    }
    return tactics;
}

Tactics offerExcite(const module::TaskView& task) {
    Tactics tactics;
    for (const TnFormat& format : exciteLayouts(task)) {
        module::Tactic tactic = linear(task, kExcite, "squeeze and excite");
        layOutExcite(task.body(), format, tactic.inputs, tactic.outputs);
        tactic.mayAlias = {excitedInPlace(task.body())};
        tactics.push_back(std::move(tactic));
    }
    return tactics;
}

// --- Products and convolutions with constant weights in a layout of their own, and what follows them ---

Tactics offerWinograd(const module::TaskView& task) {
    Tactics tactics;
    for (const WinogradVariant& variant : winogradVariants(task.body())) {
        const int64_t results = variant.weights.results;
        const char* const how = variant.weights.isTransformed ? "" : ", plain weights";
        tactics.push_back(
            laidOut(task, kWinograd, module::text("winograd ", results, "x", results, how), variant.layouts));
        // Its errors are relative to the largest input of a tile: it answers for no other kernel.
        tactics.back().traits &= ~TN_TRAIT_EXACT_MATH;
    }
    return tactics;
}

Tactics offerDeconvolution(const module::TaskView& task) {
    Tactics tactics;
    for (const std::vector<TnFormat>& layouts : deconvolutionLayouts(task.body())) {
        tactics.push_back(laidOut(task, kDeconvolution, "deconvolution", layouts));
    }
    return tactics;
}

// --- In bf16 alone ---

// With the ports of the inputs and then of the output, where the build allows bf16.
Tactics offerBrain(const module::TaskView& task, uint64_t id, const char* name,
                   const std::vector<TnPortFormat>& ports) {
    if (!task.mayComputeIn(TN_BF16)) {
        refuse("a build that allows no bf16");
    }
    module::Tactic tactic = linear(task, id, name);
    std::copy(ports.begin(), ports.end() - 1, tactic.inputs.begin());
    tactic.outputs[0] = ports.back();
    tactic.traits &= ~TN_TRAIT_EXACT_MATH;
    return {tactic};
}

constexpr Method::Instructions kVectorsOfBytes{"AVX-512 VNNI", [] { return byteTile() != nullptr; }};
constexpr Method::Instructions kBrainProducts{"AMX or AVX-512 with bf16", [] { return brainTile() != nullptr; }};

constexpr Method kMethods[] = {
    {kProgram, Method::Ports::kBody, isProgram, offerProgram, checkProgramTask, planProgram, Method::Brain::kAlways},
    {kByteSum, Method::Ports::kBody, isByteSum,
     [](const module::TaskView& task) { return offerBytes(task, kByteSum, "sum of bytes"); }, checkByteSum,
     planByteSum},
    {kByteLookup, Method::Ports::kBody, isByteLookup,
     [](const module::TaskView& task) { return offerBytes(task, kByteLookup, "bytes looked up"); }, checkByteLookup,
     planByteLookup},
    {kByteImage, Method::Ports::kBody, isByteImage,
     [](const module::TaskView& task) {
         module::Tactic tactic = linear(task, kByteImage, "image of bytes");
         tactic.outputs[0].format = module::channelsLastFormat(4);
         return Tactics{tactic};
     },
     checkByteImage, planByteImage},
    {kByteDepthwise, Method::Ports::kBody, isByteDepthwise,
     [](const module::TaskView& task) {
         return Tactics{laidOut(task, kByteDepthwise, "depthwise of bytes", byteDepthwiseLayouts(task.body()))};
     },
     checkByteDepthwise, planByteDepthwise},
    {kByteAverage, Method::Ports::kBody, isByteAverage,
     [](const module::TaskView& task) {
         return Tactics{laidOut(task, kByteAverage, "average of bytes", byteAverageLayouts(task.body()))};
     },
     checkByteAverage, planByteAverage},
    {kByteMean, Method::Ports::kBody, isByteMean, offerByteMean, checkByteMean, planByteMean},
    {kByteProduct, Method::Ports::kBody, isByteProduct,
     [](const module::TaskView& task) {
         return Tactics{laidOut(task, kByteProduct, "product of bytes", byteProductLayouts(task.body()))};
     },
     checkByteProduct, planByteProduct, Method::Brain::kNever, kVectorsOfBytes},
    {kByteConvolution, Method::Ports::kBody, isByteConvolution,
     [](const module::TaskView& task) {
         if (byteTile() != nullptr && isByteProduct(task.body())) {
             refuse("windows of one on a processor whose vectors multiply bytes");
         }
         return Tactics{
             laidOut(task, kByteConvolution, byteConvolutionName(task.body()), byteConvolutionLayouts(task.body()))};
     },
     checkByteConvolution, planByteConvolution},
    {kByteNorm, Method::Ports::kLinear, isByteNorm,
     [](const module::TaskView& task) { return Tactics{linear(task, kByteNorm, "norm of bytes")}; }, checkByteNorm,
     planByteNorm},
    {kSumAndNorm, Method::Ports::kLinear, isSumAndNorm,
     [](const module::TaskView& task) { return Tactics{linear(task, kSumAndNorm, "sum and norm")}; }, checkSumAndNorm,
     planSumAndNorm, Method::Brain::kAlways},
    {kEmbedding, Method::Ports::kLinear, isEmbedding,
     [](const module::TaskView& task) { return Tactics{linear(task, kEmbedding, "embedding")}; }, checkEmbedding,
     planEmbedding},
    {kExcite, Method::Ports::kBody, isExcite, offerExcite, checkExcite, planExcite},
    {kSiblings, Method::Ports::kBody, isSiblingProducts,
     [](const module::TaskView& task) {
         return Tactics{laidOut(task, kSiblings, "packed products", siblingLayouts(task.body()))};
     },
     checkSiblings, planSiblings},
    {kPackedProduct, Method::Ports::kBody, beginsWithProduct,
     [](const module::TaskView& task) {
         return Tactics{laidOut(task, kPackedProduct, "packed product", packedProductLayouts(task.body()))};
     },
     checkPackedProduct, planPackedProduct},
    {kBrainProduct, Method::Ports::kBody, isBrainProduct,
     [](const module::TaskView& task) {
         return offerBrain(task, kBrainProduct, "product of bf16", brainProductPorts(task.body()));
     },
     checkBrainProduct, planBrainProduct, Method::Brain::kItself, kBrainProducts},
    {kDepthwise, Method::Ports::kBody, beginsWithDepthwise,
     [](const module::TaskView& task) {
         return Tactics{laidOut(task, kDepthwise, "depthwise", depthwiseLayouts(task.body()))};
     },
     checkDepthwise, planDepthwise, Method::Brain::kAlways},
    {kPlaneConvolution, Method::Ports::kBody, isPlaneConvolution,
     [](const module::TaskView& task) {
         Tactics tactics{
             laidOut(task, kPlaneConvolution, "convolution of planes", planeConvolutionLayouts(task.body(), 0))};
         if (const int64_t block = planeConvolutionBlock(task.body()); block > 0) {
             tactics.push_back(laidOut(task, kPlaneConvolution, "convolution of planes",
                                       planeConvolutionLayouts(task.body(), block)));
         }
         return tactics;
     },
     checkPlaneConvolution, planPlaneConvolution},
    {kExpandDepthwise, Method::Ports::kBody, isExpandDepthwise,
     [](const module::TaskView& task) {
         return Tactics{laidOut(task, kExpandDepthwise, "expand and depthwise", expandDepthwiseLayouts(task.body()))};
     },
     checkExpandDepthwise, planExpandDepthwise},
    {kDepthwiseProject, Method::Ports::kBody, isDepthwiseProject,
     [](const module::TaskView& task) {
         return Tactics{
             laidOut(task, kDepthwiseProject, "depthwise and project", depthwiseProjectLayouts(task.body()))};
     },
     checkDepthwiseProject, planDepthwiseProject},
    {kInvertedResidual, Method::Ports::kBody, isInvertedResidual,
     [](const module::TaskView& task) {
         return Tactics{laidOut(task, kInvertedResidual, "inverted residual", invertedResidualLayouts(task.body()))};
     },
     checkInvertedResidual, planInvertedResidual},
    {kBrainConvolution, Method::Ports::kBody, beginsWithBrainConvolution,
     [](const module::TaskView& task) {
         Tactics tactics = offerBrain(task, kBrainConvolution, "convolution bf16", brainConvolutionPorts(task.body()));
         tactics[0].mayAlias = {brainConvolutionSum(task.body())};
         return tactics;
     },
     checkBrainConvolution, planBrainConvolution, Method::Brain::kItself, kBrainProducts},
    {kBrainSpread, Method::Ports::kBody, isSpread,
     [](const module::TaskView& task) {
         return offerBrain(task, kBrainSpread, "spread bf16", brainSpreadPorts(task.body()));
     },
     checkBrainSpread, planBrainSpread, Method::Brain::kItself, kBrainProducts},
    {kWinograd, Method::Ports::kBody, beginsWithWinograd, offerWinograd, checkWinograd, planWinograd},
    {kWinogradWeights, Method::Ports::kBody, [](const module::GraphView& body) { return isOne(body, "convert"); },
     [](const module::TaskView& task) { return offerConversion(task, kWinogradWeights, "winograd weights", 0); },
     checkWinogradConversion, planWinogradConversion},
    {kLineConvolution, Method::Ports::kBody, beginsWithLineConvolution,
     [](const module::TaskView& task) { return Tactics{linear(task, kLineConvolution, "convolution along lines")}; },
     checkLineConvolution, planLineConvolution},
    {kDeconvolution, Method::Ports::kBody, beginsWithDeconvolution, offerDeconvolution, checkDeconvolution,
     planDeconvolution},
    {kConcat, Method::Ports::kBody, [](const module::GraphView& body) { return isOne(body, "concat"); }, offerConcat,
     checkConcat, planConcat, Method::Brain::kAlways},
    {kImageMaximum, Method::Ports::kBody, isImageMaximum,
     [](const module::TaskView& task) {
         return Tactics{
             laidOut(task, kImageMaximum, "maximum", std::vector<TnFormat>(2, module::channelsLastFormat(4)))};
     },
     checkImageMaximum, planImageMaximum, Method::Brain::kAlways},
    {kImageNearest, Method::Ports::kBody, isImageNearest, offerNearest, checkImageNearest, planImageNearest,
     Method::Brain::kAlways},
    {kSpatialMean, Method::Ports::kBody, isSpatialMean, offerSpatialMean, checkSpatialMean, planSpatialMean},
    {kNode, Method::Ports::kChecked, takesNode, offerNode, checkNode, planTableNode, Method::Brain::kByOp},
};

// Of a region: the body's own element types, in host memory, of the right rank.
void checkPorts(const Task& task, bool linear, bool mayBeBrain) {
    if (task.inputs.size() != task.body.inputs().size() || task.outputs.size() != task.body.outputs().size() ||
        task.outputs.empty()) {
        invalid("the tactic has another number of ports than the region");
    }
    const auto check = [&](const TnPortFormat& port, const module::ValueView& value) {
        const bool isType =
            port.dtype == value.dtype() || (mayBeBrain && port.dtype == TN_BF16 && value.dtype() == TN_F32);
        if (port.placement != TN_PLACEMENT_HOST || !isType || port.format.rank != value.rank()) {
            refuse("a region on a port of another type, rank or memory");
        }
        if (linear && !module::isLinear(port.format)) {
            refuse("a region in another layout than the linear one");
        }
    };
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        check(task.inputs[i], task.body.value(task.body.inputs()[i]));
    }
    for (size_t o = 0; o < task.outputs.size(); ++o) {
        check(task.outputs[o], task.body.value(task.body.outputs()[o]));
    }
}

} // namespace

std::span<const Method> methods() { return kMethods; }

const Method& methodOf(uint64_t tactic) {
    const auto found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                    [&](const Method& method) { return method.id == (tactic & ~kOnOneThread); });
    if (found == std::end(kMethods)) {
        invalid("there is no tactic ", tactic);
    }
    return *found;
}

void checkTask(const Method& method, const Task& task) {
    if (!method.canRun()) {
        refuse("a kernel for ", method.instructions.name,
               ", which this processor, or system, does not have: build the plan for it here");
    }
    if (!method.takes(task.body)) {
        invalid("tactic ", method.id, " computes regions of another kind");
    }
    if (method.ports != Method::Ports::kChecked) {
        checkPorts(task, method.ports == Method::Ports::kLinear,
                   method.brain == Method::Brain::kAlways || method.brain == Method::Brain::kItself);
    }
    method.check(task);
}

} // namespace tenon::cpu
