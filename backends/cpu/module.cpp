// The cpu backend: host kernels with threads and vectors. A task is a program where all of its nodes are pointwise, a sum with its norm, a product
// with packed weights and what follows it, squeeze-and-excite, else a single op with a row in the table. Ops in which nothing is to be gained run the reference's plain loops.
#include "tenon/module/module.hpp"
#include "backends/common/task_kernel.h"
#include "backends/cpu/byte_sum.h"
#include "backends/cpu/concat.h"
#include "backends/cpu/depthwise.h"
#include "backends/cpu/embedding.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/packed_product.h"
#include "backends/cpu/program.h"
#include "backends/cpu/simd/steps.h"
#include "backends/cpu/spatial_mean.h"
#include "backends/cpu/spread.h"
#include "backends/cpu/squeeze_excite.h"
#include "backends/cpu/trailing_norm.h"
#include "backends/cpu/winograd.h"
#include "backends/reference/ops.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

// Which way a task is computed; part of the tactic's id.
enum : uint64_t {
    kNodeTactic = 1,
    kProgramTactic = 2,
    kSumAndNormTactic = 3,
    kPackedProductTactic = 4,
    kDepthwiseTactic = 5,
    kWinogradTactic = 6,
    kWinogradWeightsTactic = 7,
    kSpreadTactic = 8,
    kConcatTactic = 9,
    kSpatialMeanTactic = 10,
    kExciteTactic = 16,
    kEmbeddingTactic = 17,
    kSiblingsTactic = 18,
    kByteSumTactic = 19
};

KernelTable makeTable() {
    KernelTable table;
    addAttention(table);
    addSoftmax(table);
    addNormalization(table);
    addReduce(table);
    addMovement(table);
    addGather(table);
    addMatmul(table);
    addConv(table);
    addPool(table);
    addResize(table);
    addQuantize(table);
    addConvert(table);
    // What is there already stays.
    reference::addOrder(table);
    reference::addReshape(table);
    reference::addGenerate(table);
    reference::addGather(table);
    reference::addScatter(table);
    return table;
}

bool isProgram(const module::GraphView& body) {
    for (size_t n = 0; n < body.nodeCount(); ++n) {
        if (!isPointwise(body.node(n).op())) {
            return false;
        }
    }
    return body.nodeCount() > 0;
}

class CpuPlanner final : public Planner {
public:
    void check(const Task& task) const override {
        if (task.tactic == kProgramTactic) {
            checkPorts(task);
            checkProgram(task.body);
            checkProgramLayout(task);
            return;
        }
        if (task.tactic == kSumAndNormTactic && isSumAndNorm(task.body)) {
            checkPorts(task);
            checkLinear(task);
            checkSumAndNorm(task);
            return;
        }
        if (task.tactic == kPackedProductTactic && beginsWithProduct(task.body)) {
            checkPorts(task);
            checkPackedProduct(task);
            return;
        }
        if (task.tactic == kDepthwiseTactic && beginsWithDepthwise(task.body)) {
            checkPorts(task);
            checkDepthwise(task);
            return;
        }
        if (task.tactic == kByteSumTactic) {
            checkPorts(task);
            checkByteSum(task);
            return;
        }
        if (task.tactic == kExciteTactic && isExcite(task.body)) {
            checkPorts(task);
            checkExcite(task);
            return;
        }
        if (task.tactic == kSiblingsTactic && isSiblingProducts(task.body)) {
            checkPorts(task);
            checkSiblings(task);
            return;
        }
        if (task.tactic == kEmbeddingTactic && isEmbedding(task.body)) {
            checkPorts(task);
            checkLinear(task);
            checkEmbedding(task);
            return;
        }
        if (task.tactic == kWinogradTactic && beginsWithWinograd(task.body)) {
            checkPorts(task);
            checkWinograd(task);
            return;
        }
        if (task.tactic == kSpreadTactic && isSpread(task.body)) {
            checkPorts(task);
            checkSpread(task);
            return;
        }
        if (task.tactic == kSpatialMeanTactic) {
            checkPorts(task);
            checkSpatialMean(task);
            return;
        }
        if (task.tactic == kConcatTactic) {
            checkPorts(task);
            checkConcat(task);
            return;
        }
        if (task.tactic == kWinogradWeightsTactic && isWinogradConversion(task)) {
            checkPorts(task);
            checkWinogradConversion(task);
            return;
        }
        if (task.tactic != kNodeTactic) {
            invalid("there is no tactic ", task.tactic);
        }
        checkNodeTask(mTable, task);
        if (task.body.node(0).op() == "convert") {
            checkConvertPorts(task.inputs[0], task.outputs[0]);
        }
    }
    TaskPlan plan(const Task& task, const PortShapes& shapes) const override {
        switch (task.tactic) {
        case kProgramTactic:
            return planProgram(task, shapes);
        case kSumAndNormTactic:
            return planSumAndNorm(task, shapes);
        case kPackedProductTactic:
            return planPackedProduct(task, shapes);
        case kDepthwiseTactic:
            return planDepthwise(task, shapes);
        case kExciteTactic:
            return planExcite(task, shapes);
        case kEmbeddingTactic:
            return planEmbedding(task, shapes);
        case kSiblingsTactic:
            return planSiblings(task, shapes);
        case kWinogradTactic:
            return planWinograd(task, shapes);
        case kWinogradWeightsTactic:
            return planWinogradConversion(task, shapes);
        case kSpreadTactic:
            return planSpread(task, shapes);
        case kConcatTactic:
            return planConcat(task, shapes);
        case kSpatialMeanTactic:
            return planSpatialMean(task, shapes);
        case kByteSumTactic:
            return planByteSum(task, shapes);
        default:
            return planNode(mTable, task, shapes);
        }
    }
    bool knows(std::string_view op) const { return mTable.find(op) != nullptr; }

private:
    static void checkLinear(const Task& task) {
        const auto isLinear = [](const TnPortFormat& port) { return module::isLinear(port.format); };
        if (!std::all_of(task.inputs.begin(), task.inputs.end(), isLinear) ||
            !std::all_of(task.outputs.begin(), task.outputs.end(), isLinear)) {
            refuse("a region in another layout than the linear one");
        }
    }
    // Of a region: the body's own element types, in host memory, of the right rank.
    static void checkPorts(const Task& task) {
        if (task.inputs.size() != task.body.inputs().size() || task.outputs.size() != task.body.outputs().size() ||
            task.outputs.empty()) {
            invalid("the tactic has another number of ports than the region");
        }
        const auto check = [](const TnPortFormat& port, const module::ValueView& value) {
            if (port.placement != TN_PLACEMENT_HOST || port.dtype != value.dtype() ||
                port.format.rank != value.rank()) {
                refuse("a region on a port of another type, rank or memory");
            }
        };
        for (size_t i = 0; i < task.inputs.size(); ++i) {
            check(task.inputs[i], task.body.value(task.body.inputs()[i]));
        }
        for (size_t o = 0; o < task.outputs.size(); ++o) {
            check(task.outputs[o], task.body.value(task.body.outputs()[o]));
        }
    }

    KernelTable mTable = makeTable();
};

bool isView(std::string_view op) {
    return op == "reshape" || op == "flatten" || op == "squeeze" || op == "unsqueeze" || op == "identity";
}

class CpuProvider final : public module::Provider {
public:
    explicit CpuProvider(std::shared_ptr<const CpuPlanner> planner) : mPlanner(std::move(planner)) {}
    std::string name() const override { return "cpu"; }
    std::string version() const override { return module::text("1-", instructionSet()); }
    int32_t rank() const override { return 0; }

    Code supports(const module::TargetView& target, const module::TaskView& task,
                  module::Reason& reason) const override {
        if (!target.isHost()) {
            return reason.unsupported("cpu computes on the host only, not on ", target.backend());
        }
        if (isProgram(task.body())) {
            return explained(reason, [&] { mPlanner->check(chosen(task, programTactic(task, nullptr))); });
        }
        if (isSumAndNorm(task.body())) {
            return explained(reason, [&] { mPlanner->check(chosen(task, sumAndNormTactic(task))); });
        }
        if (isExcite(task.body())) {
            return explained(reason, [&] { mPlanner->check(chosen(task, exciteTactic(task, nullptr))); });
        }
        if (isSiblingProducts(task.body())) {
            return explained(reason, [&] { mPlanner->check(chosen(task, siblingsTactic(task))); });
        }
        if (isEmbedding(task.body())) {
            return explained(reason, [&] { mPlanner->check(chosen(task, embeddingTactic(task))); });
        }
        if (isPackable(task) && (!task.isSingleNode() || !mPlanner->knows(task.op()))) {
            return explained(reason, [&] { packedTactics(task); });
        }
        if (!task.isSingleNode()) {
            for (size_t n = 0; n < task.body().nodeCount(); ++n) {
                if (!isPointwise(task.body().node(n).op())) {
                    return reason.unsupported("a region of several ops must be pointwise, a sum and its norm, "
                                              "an embedding, squeeze-and-excite, products of one value, or a product "
                                              "with constant weights and what follows it; ",
                                              task.body().node(n).op(), " fits none");
                }
            }
            return reason.unsupported("a region without nodes");
        }
        if (task.op() == "convert" && (task.convertTo() == nullptr || task.offered(0).empty())) {
            return reason.invalidArgument("convert without its two formats");
        }
        return explained(reason, [&] { mPlanner->check(chosen(task, nodeTactic(task))); });
    }

    Code enumerate(const module::TargetView&, const module::TaskView& task, module::TacticList& tactics,
                   module::Reason& reason) const override {
        if (isSumAndNorm(task.body())) {
            tactics.add(sumAndNormTactic(task));
            return Code::kOk;
        }
        if (isExcite(task.body())) {
            for (const TnFormat& format : exciteLayouts(task)) {
                tactics.add(exciteTactic(task, &format));
            }
            return Code::kOk;
        }
        if (isSiblingProducts(task.body())) {
            return explained(reason, [&] { tactics.add(siblingsTactic(task)); });
        }
        if (isEmbedding(task.body())) {
            tactics.add(embeddingTactic(task));
            return Code::kOk;
        }
        if (isPackable(task)) {
            const Code code = explained(reason, [&] {
                for (const module::Tactic& tactic : packedTactics(task)) {
                    mPlanner->check(chosen(task, tactic));
                    tactics.add(tactic);
                }
            });
            const bool hasOther = task.isSingleNode() && mPlanner->knows(task.op());
            if (hasOther) {
                tactics.add(nodeTactic(task));
            }
            return hasOther ? Code::kOk : code;
        }
        if (!isProgram(task.body())) {
            tactics.add(nodeTactic(task));
            if (task.op() == "concat" || isSpatialMean(task.body())) {
                addOfferedLayouts(task, tactics, reason);
            }
            return Code::kOk;
        }
        const auto addByteSum = [&](module::Tactic tactic) {
            tactic.id = kByteSumTactic;
            tactic.name = "sum of bytes";
            const Code code = explained(reason, [&] { mPlanner->check(chosen(task, tactic)); });
            if (code == Code::kOk) {
                tactics.add(tactic);
            }
        };
        const bool sumsBytes = isByteSum(task.body());
        tactics.add(programTactic(task, nullptr));
        if (sumsBytes) {
            addByteSum(programTactic(task, nullptr));
        }
        for (const TnFormat& format : programLayouts(task)) {
            const module::Tactic tactic = programTactic(task, &format);
            if (sumsBytes && format.block_count == 0) {
                addByteSum(tactic);
            }
            try {
                mPlanner->check(chosen(task, tactic));
                tactics.add(tactic);
            } catch (const Failure& failure) {
                reason.note(tactic.name, " in ", module::describe(format), ": ", failure.what());
            }
        }
        return Code::kOk;
    }

    bool proposes() const override { return true; }
    Code propose(const module::TargetView& target, const module::GraphView& graph, module::ProposalList& proposals,
                 module::Reason&) const override {
        for (const std::vector<int32_t>& nodes :
             target.isHost() ? gatedProducts(graph) : std::vector<std::vector<int32_t>>()) {
            module::Proposal proposal;
            proposal.label = "gate and product";
            proposal.nodes = nodes;
            proposals.add(proposal);
        }
        return Code::kOk;
    }

    Code compile(const module::TargetView&, const module::TaskView& task, const module::TacticView& tactic,
                 const module::Cancel&, module::BlobOutput& blob, module::Reason& reason) const override {
        const Task compiled = taskOf(task, tactic);
        const Code code = explained(reason, [&] { mPlanner->check(compiled); });
        if (code == Code::kOk) {
            blob.set("cpu", kTaskBlobVersion, writeTask(compiled));
        }
        return code;
    }

private:
    static constexpr TnTraits kTraits = TN_TRAIT_DETERMINISTIC | TN_TRAIT_ANY_EXTENT | TN_TRAIT_EXACT_MATH;

    // Too little work for a second thread in any case.
    static TnTraits sizeTrait(const module::TaskView& task) {
        int64_t elements = 0;
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            elements = std::max(elements, task.input(i).optElements());
        }
        for (int32_t o = 0; o < task.outputCount(); ++o) {
            elements = std::max(elements, task.output(o).optElements());
        }
        return elements <= 1024 ? TN_TRAIT_HOST_INLINE : 0;
    }

    static module::Tactic nodeTactic(const module::TaskView& task) {
        if (task.op() == "convert" &&
            (winogradWeightsOf(task.convertTo()->format) || winogradWeightsOf(task.offered(0)[0].format))) {
            module::Tactic tactic = module::linearTactic(task, kWinogradWeightsTactic, "winograd weights", kTraits);
            tactic.inputs[0] = task.offered(0)[0];
            tactic.outputs[0] = *task.convertTo();
            return tactic;
        }
        if (task.op() == "convert") {
            module::Tactic tactic =
                module::linearTactic(task, kNodeTactic, "strided copy", kTraits | TN_TRAIT_OUTER_PITCH);
            tactic.inputs[0] = task.offered(0)[0];
            tactic.outputs[0] = *task.convertTo();
            return tactic;
        }
        const TnTraits view = isView(task.op()) ? TN_TRAIT_FREE_ALIAS : 0;
        return module::linearTactic(task, kNodeTactic, std::string(task.op()), kTraits | sizeTrait(task) | view);
    }

    static module::Tactic sumAndNormTactic(const module::TaskView& task) {
        return module::linearTactic(task, kSumAndNormTactic, "sum and norm", kTraits | sizeTrait(task));
    }

    static module::Tactic siblingsTactic(const module::TaskView& task) {
        const std::vector<TnFormat> layouts = siblingLayouts(task.body());
        module::Tactic tactic =
            module::linearTactic(task, kSiblingsTactic, "packed products", kTraits | sizeTrait(task));
        for (size_t i = 0; i < tactic.inputs.size(); ++i) {
            tactic.inputs[i].format = layouts[i];
        }
        return tactic;
    }

    static module::Tactic embeddingTactic(const module::TaskView& task) {
        return module::linearTactic(task, kEmbeddingTactic, "embedding", kTraits | sizeTrait(task));
    }

    static module::Tactic exciteTactic(const module::TaskView& task, const TnFormat* format) {
        module::Tactic tactic =
            module::linearTactic(task, kExciteTactic, "squeeze and excite", kTraits | sizeTrait(task));
        if (format != nullptr) {
            layOutExcite(task.body(), *format, tactic.inputs, tactic.outputs);
        }
        return tactic;
    }

    // A product or convolution with constant weights in a layout of their own, and what follows it.
    static bool isPackable(const module::TaskView& task) {
        return beginsWithProduct(task.body()) || beginsWithDepthwise(task.body()) || beginsWithWinograd(task.body()) ||
               isSpread(task.body());
    }
    static std::vector<module::Tactic> packedTactics(const module::TaskView& task) {
        const auto tacticOf = [&](uint64_t id, const std::string& name, const std::vector<TnFormat>& layouts) {
            module::Tactic tactic = module::linearTactic(task, id, name, kTraits | sizeTrait(task));
            for (size_t i = 0; i < tactic.inputs.size(); ++i) {
                tactic.inputs[i].format = layouts[i];
            }
            tactic.outputs[0].format = layouts.back();
            return tactic;
        };
        if (beginsWithProduct(task.body())) {
            return {tacticOf(kPackedProductTactic, "packed product", packedProductLayouts(task.body()))};
        }
        if (beginsWithDepthwise(task.body())) {
            return {tacticOf(kDepthwiseTactic, "depthwise", depthwiseLayouts(task.body()))};
        }
        std::vector<module::Tactic> tactics;
        if (isSpread(task.body())) {
            for (const std::vector<TnFormat>& layouts : spreadLayouts(task.body())) {
                tactics.push_back(tacticOf(kSpreadTactic, "spread", layouts));
            }
            return tactics;
        }
        for (const WinogradVariant& variant : winogradVariants(task.body())) {
            tactics.push_back(tacticOf(
                kWinogradTactic, module::text("winograd ", variant.results, "x", variant.results), variant.layouts));
            // Its errors are relative to the largest input of a tile: it answers for no other kernel.
            tactics.back().traits &= ~TN_TRAIT_EXACT_MATH;
        }
        return tactics;
    }

    // Of concatenations and means over pixels: one for each layout that a neighbour offers.
    void addOfferedLayouts(const module::TaskView& task, module::TacticList& tactics, module::Reason& reason) const {
        const bool isConcat = task.op() == "concat";
        std::vector<TnFormat> known{module::linearFormat(task.input(0).rank())};
        const auto add = [&](const TnFormat& from, const TnFormat& to) {
            module::Tactic tactic =
                module::linearTactic(task, isConcat ? kConcatTactic : kSpatialMeanTactic,
                                     isConcat ? "concat" : "mean over pixels", kTraits | sizeTrait(task));
            for (TnPortFormat& input : tactic.inputs) {
                input.format = from;
            }
            tactic.outputs[0].format = to;
            if (explained(reason, [&] { mPlanner->check(chosen(task, tactic)); }) == Code::kOk) {
                tactics.add(tactic);
            }
        };
        for (int32_t port = 0; port < task.inputCount(); ++port) {
            for (const TnPortFormat& offered : task.offered(port)) {
                const auto same = [&](const TnFormat& other) { return module::equal(other, offered.format); };
                if (offered.format.rank != known[0].rank || std::any_of(known.begin(), known.end(), same)) {
                    continue;
                }
                known.push_back(offered.format);
                if (!isConcat) {
                    add(offered.format, module::linearFormat(task.output(0).rank()));
                }
                if (task.output(0).rank() == known[0].rank) {
                    add(offered.format, offered.format);
                }
            }
        }
    }

    static module::Tactic programTactic(const module::TaskView& task, const TnFormat* format) {
        const bool isIdentity = task.isSingleNode() && task.op() == "identity";
        module::Tactic tactic =
            module::linearTactic(task, kProgramTactic, module::text("pointwise x", task.body().nodeCount()),
                                 kTraits | sizeTrait(task) | (isIdentity ? TN_TRAIT_FREE_ALIAS : 0));
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

    static Task chosen(const module::TaskView& task, const module::Tactic& tactic) {
        return {task.body(), tactic.id, tactic.inputs, tactic.outputs};
    }

    std::shared_ptr<const CpuPlanner> mPlanner;
};

} // namespace

} // namespace tenon::cpu

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host&, tenon::module::Registrar& registrar, tenon::module::Reason&) {
    const auto planner = std::make_shared<const tenon::cpu::CpuPlanner>();
    registrar.addProvider(std::make_unique<tenon::cpu::CpuProvider>(planner));
    registrar.addKernelRuntime(std::make_unique<tenon::kernels::TaskRuntime>("cpu", planner));
    return tenon::module::Code::kOk;
}
