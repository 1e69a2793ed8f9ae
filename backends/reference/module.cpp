// The reference backend: a provider with one tactic per op and the kernel runtime that computes it, both over one table of
// ops. Host memory, linear layouts, single nodes: region bodies are run node by node by whoever wants a region's answer.
#include "tenon/module/module.hpp"
#include "backends/common/task_kernel.h"
#include "backends/reference/ops.h"

namespace tenon::reference {

namespace {

KernelTable makeTable() {
    KernelTable table;
    addUnary(table);
    addActivation(table);
    addBinary(table);
    addSelect(table);
    addCast(table);
    addMatmul(table);
    addConv(table);
    addDeconv(table);
    addPool(table);
    addNormalization(table);
    addSoftmax(table);
    addAttention(table);
    addReduce(table);
    addOrder(table);
    addReshape(table);
    addTranspose(table);
    addSplice(table);
    addSlice(table);
    addPad(table);
    addGather(table);
    addScatter(table);
    addGenerate(table);
    addResize(table);
    addEinsum(table);
    addQuantize(table);
    addIntegerProducts(table);
    addConvert(table);
    return table;
}

class ReferencePlanner final : public Planner {
public:
    void check(const Task& task) const override { checkNodeTask(mTable, task); }
    TaskPlan plan(const Task& task, const PortShapes& shapes) const override { return planNode(mTable, task, shapes); }

private:
    KernelTable mTable = makeTable();
};

bool isView(std::string_view op) {
    return op == "reshape" || op == "flatten" || op == "squeeze" || op == "unsqueeze" || op == "identity";
}

class ReferenceProvider final : public module::Provider {
public:
    explicit ReferenceProvider(std::shared_ptr<const Planner> planner) : mPlanner(std::move(planner)) {}
    std::string name() const override { return "reference"; }
    std::string version() const override { return "1"; }
    int32_t rank() const override { return -100; }

    Code supports(const module::TargetView& target, const module::TaskView& task,
                  module::Reason& reason) const override {
        if (!target.isHost()) {
            return reason.unsupported("reference computes on the host only, not on ", target.backend());
        }
        if (!task.isSingleNode()) {
            return reason.unsupported("reference computes single ops, not a region of ", task.body().nodeCount(),
                                      " nodes");
        }
        if (task.op() == "convert" && (task.convertTo() == nullptr || task.offered(0).empty())) {
            return reason.invalidArgument("convert without its two formats");
        }
        return explained(reason, [&] { mPlanner->check(chosen(task, tacticOf(task))); });
    }

    Code enumerate(const module::TargetView&, const module::TaskView& task, module::TacticList& tactics,
                   module::Reason&) const override {
        tactics.add(tacticOf(task));
        return Code::kOk;
    }

    Code compile(const module::TargetView&, const module::TaskView& task, const module::TacticView& tactic,
                 const module::Cancel&, module::BlobOutput& blob, module::Reason& reason) const override {
        const Task compiled = taskOf(task, tactic);
        const Code code = explained(reason, [&] { mPlanner->check(compiled); });
        if (code == Code::kOk) {
            blob.set("reference", kTaskBlobVersion, writeTask(compiled));
        }
        return code;
    }

private:
    static module::Tactic tacticOf(const module::TaskView& task) {
        TnTraits traits = TN_TRAIT_REFERENCE | TN_TRAIT_DETERMINISTIC | TN_TRAIT_ANY_EXTENT | TN_TRAIT_EXACT_MATH;
        if (task.op() == "convert") {
            module::Tactic tactic = module::linearTactic(task, 1, "loops", traits | TN_TRAIT_OUTER_PITCH);
            tactic.inputs[0] = task.offered(0)[0];
            tactic.outputs[0] = *task.convertTo();
            return tactic;
        }
        if (isView(task.op())) {
            traits |= TN_TRAIT_FREE_ALIAS;
        }
        return module::linearTactic(task, 1, "loops", traits);
    }
    static Task chosen(const module::TaskView& task, const module::Tactic& tactic) {
        return {task.body(), tactic.id, tactic.inputs, tactic.outputs};
    }

    std::shared_ptr<const Planner> mPlanner;
};

} // namespace

} // namespace tenon::reference

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host&, tenon::module::Registrar& registrar, tenon::module::Reason&) {
    const auto planner = std::make_shared<const tenon::reference::ReferencePlanner>();
    registrar.addProvider(std::make_unique<tenon::reference::ReferenceProvider>(planner));
    registrar.addKernelRuntime(std::make_unique<tenon::kernels::TaskRuntime>("reference", planner));
    return tenon::module::Code::kOk;
}
