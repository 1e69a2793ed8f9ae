// The cpu backend: host kernels with threads and vectors. What it computes, and how, is said by the table of methods.
#include "tenon/module/module.hpp"
#include "backends/common/task_kernel.h"
#include "backends/cpu/brain_convolution.h"
#include "backends/cpu/brain_tactics.h"
#include "backends/cpu/depthwise_project.h"
#include "backends/cpu/expand_depthwise.h"
#include "backends/cpu/gate.h"
#include "backends/cpu/inverted_residual.h"
#include "backends/cpu/methods.h"
#include "backends/cpu/program.h"
#include "backends/cpu/simd/steps.h"
#include "backends/cpu/winograd.h"

namespace tenon::cpu {

namespace {

class CpuPlanner final : public Planner {
public:
    void check(const Task& task) const override { checkTask(methodOf(task.tactic), task); }
    TaskPlan plan(const Task& task, const PortShapes& shapes) const override {
        return methodOf(task.tactic).plan(task, shapes);
    }
};

class CpuProvider final : public module::Provider {
public:
    std::string name() const override { return "cpu"; }
    std::string version() const override { return module::text("8-", instructionSet()); }
    int32_t rank() const override { return 0; }

    Code supports(const module::TargetView& target, const module::TaskView& task,
                  module::Reason& reason) const override {
        if (!target.isHost()) {
            return reason.unsupported("cpu computes on the host only, not on ", target.backend());
        }
        // The reason of the last row that takes the task: the rows of single ops come last.
        Code code = Code::kUnsupported;
        std::string why = unknown(task.body());
        forEachTactic(
            target, task, [&](const module::Tactic&) { code = Code::kOk; },
            [&](const Failure& failure, std::string_view) {
                code = code == Code::kOk ? code : failure.code();
                why = failure.what();
            });
        return code == Code::kOk ? code : reason.fail(code, why);
    }

    Code enumerate(const module::TargetView& target, const module::TaskView& task, module::TacticList& tactics,
                   module::Reason& reason) const override {
        forEachTactic(
            target, task, [&](const module::Tactic& tactic) { tactics.add(tactic); },
            [&](const Failure& failure, std::string_view name) { reason.note(name, ": ", failure.what()); });
        return Code::kOk;
    }

    bool proposes() const override { return true; }
    Code propose(const module::TargetView& target, const module::GraphView& graph, module::ProposalList& proposals,
                 module::Reason&) const override {
        const auto add = [&](const char* label, std::vector<std::vector<int32_t>> regions) {
            for (std::vector<int32_t>& nodes : regions) {
                module::Proposal proposal;
                proposal.label = label;
                proposal.nodes = std::move(nodes);
                proposals.add(proposal);
            }
        };
        if (target.isHost()) {
            add("concat and conv", concatenatedConvolutions(graph));
            add("gate and product", gatedProducts(graph));
            add("expand and depthwise", expandedDepthwise(graph));
            add("depthwise and project", projectedDepthwise(graph));
            add("inverted residual", invertedResiduals(graph));
            add("convolution and maximum", pooledConvolutions(graph));
        }
        return Code::kOk;
    }

    Code compile(const module::TargetView&, const module::TaskView& task, const module::TacticView& tactic,
                 const module::Cancel&, module::BlobOutput& blob, module::Reason& reason) const override {
        const Task compiled = taskOf(task, tactic);
        const Code code = explained(reason, [&] { checkTask(methodOf(compiled.tactic), compiled); });
        if (code == Code::kOk) {
            blob.set("cpu", kTaskBlobVersion, writeTask(compiled));
        }
        return code;
    }

private:
    // So little work, whatever the extents, that a second thread may not be worth starting, and so much that it may be: kernels guess (teamFor),
    // time decides.
    static bool isSmall(const module::TaskView& task) {
        constexpr int64_t kLeast = 1024; // elements
        constexpr int64_t kMost = 32768;
        int64_t optimal = 0;
        int64_t largest = 0;
        const auto count = [&](const module::ValueView& value) {
            optimal = std::max(optimal, value.optElements());
            largest = std::max(largest, value.maxElements());
        };
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            count(task.input(i));
        }
        for (int32_t o = 0; o < task.outputCount(); ++o) {
            count(task.output(o));
        }
        return optimal > kLeast && largest <= kMost;
    }

    // Calls `found` with each tactic that passes its method's check, `dropped` with the reason and name of each other.
    template <class Found, class Dropped>
    static void forEachTactic(const module::TargetView& target, const module::TaskView& task, Found&& found,
                              Dropped&& dropped) {
        const bool mayBeForOne = target.threads() > 1 && isSmall(task);
        for (const Method& method : methods()) {
            if (!method.canRun() || !method.takes(task.body())) {
                continue;
            }
            std::vector<module::Tactic> offered;
            try {
                offered = method.offer(task);
            } catch (const Failure& failure) {
                dropped(failure, module::text("tactic ", method.id));
            }
            for (size_t i = 0, own = offered.size(); i < own; ++i) {
                if (auto narrow = brainTactic(method, target, task, offered[i])) {
                    offered.push_back(std::move(*narrow));
                }
            }
            for (module::Tactic& tactic : offered) {
                try {
                    checkTask(method, {task.body(), tactic.id, tactic.inputs, tactic.outputs});
                    found(tactic);
                    if (mayBeForOne) {
                        tactic.id |= kOnOneThread;
                        tactic.name += ", one thread";
                        tactic.traits |= TN_TRAIT_HOST_INLINE;
                        found(tactic);
                    }
                } catch (const Failure& failure) {
                    dropped(failure, tactic.name);
                }
            }
        }
    }

    static std::string unknown(const module::GraphView& body) {
        for (size_t n = 0; n < body.nodeCount(); ++n) {
            if (!isPointwise(body.node(n).op())) {
                return module::text("a region of several ops must be pointwise, a sum and its norm, an embedding, "
                                    "squeeze-and-excite, products of one value, a depthwise convolution between "
                                    "products, or a product with constant weights and what follows it; ",
                                    body.node(n).op(), " fits none");
            }
        }
        return "a region without nodes";
    }
};

} // namespace

} // namespace tenon::cpu

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host&, tenon::module::Registrar& registrar, tenon::module::Reason&) {
    registrar.addProvider(std::make_unique<tenon::cpu::CpuProvider>());
    registrar.addKernelRuntime(
        std::make_unique<tenon::kernels::TaskRuntime>("cpu", std::make_shared<const tenon::cpu::CpuPlanner>()));
    return tenon::module::Code::kOk;
}
