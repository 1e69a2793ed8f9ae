// The module "onednn": a provider for what oneDNN does best, and the kernel runtime that runs it.
#include "tenon/module/module.hpp"
#include "backends/onednn/primitive.h"

namespace tenon::onednn {

namespace {

using module::Code;

class OneDnnProvider final : public module::Provider {
public:
    explicit OneDnnProvider(std::shared_ptr<const kernels::Planner> planner) : mPlanner(std::move(planner)) {}

    std::string name() const override { return "onednn"; }
    // Times are of one version of the library.
    std::string version() const override {
        const dnnl_version_t* library = dnnl_version();
        return module::text("1+onednn-", library->major, ".", library->minor, ".", library->patch);
    }
    int32_t rank() const override { return 20; }

    Code supports(const module::TargetView& target, const module::TaskView& task,
                  module::Reason& reason) const override {
        if (!target.isHost()) {
            return reason.unsupported("onednn computes on the host only, not on ", target.backend());
        }
        if (task.op() == "convert") {
            return task.convertTo() != nullptr && !task.offered(0).empty()
                       ? kernels::explained(reason, [&] { mPlanner->check(reorderOf(task)); })
                       : reason.invalidArgument("convert without its two formats");
        }
        return kernels::explained(reason, [&] {
            const Chain chain = readChain(task.body());
            for (int32_t i = 0; i < task.inputCount(); ++i) {
                if (task.input(i).optElements() == 0) {
                    kernels::refuse("onednn computes nothing from empty tensors");
                }
            }
            const module::ValueView result = task.output(0);
            const module::ValueView head = task.body().value(chain.head.outputIndex(0));
            if (result.dtype() != TN_F32 || task.input(chain.source).dtype() != TN_F32) {
                kernels::refuse("onednn computes f32 tasks (and their bf16 form), not ",
                                module::nameOf(result.dtype()));
            }
            bool sameExtents = head.rank() == result.rank();
            for (int32_t d = 0; sameExtents && d < head.rank(); ++d) {
                sameExtents = head.dim(d).expr == result.dim(d).expr ||
                              (module::isStatic(head.dim(d)) && module::isStatic(result.dim(d)) &&
                               head.dim(d).min == result.dim(d).min);
            }
            if (!sameExtents) {
                kernels::refuse("what is added enlarges the result of ", chain.head.op());
            }
            if (!chain.isMatmul() && (!task.input(chain.source).isStatic(1) ||
                                      (chain.weights >= 0 && !task.input(chain.weights).isStatic()))) {
                kernels::refuse("channels and weights must have static extents");
            }
            if (chain.isMatmul() && chain.weights >= 0 && task.input(chain.weights).isConstant() &&
                !task.input(chain.weights).isStatic()) {
                kernels::refuse("constant weights must have static extents");
            }
        });
    }

    Code enumerate(const module::TargetView& target, const module::TaskView& task, module::TacticList& tactics,
                   module::Reason& reason) const override {
        if (task.op() == "convert") {
            module::Tactic tactic = module::linearTactic(task, 1, "reorder", TN_TRAIT_DETERMINISTIC);
            tactic.inputs[0] = task.offered(0)[0];
            tactic.outputs[0] = *task.convertTo();
            tactics.add(tactic);
            return Code::kOk;
        }
        return kernels::explained(reason, [&] {
            const Chain chain = readChain(task.body());
            std::vector<std::string> dropped;
            for (TnDataType type : {TN_F32, TN_BF16}) {
                if (!task.mayComputeIn(type) ||
                    (type == TN_BF16 && (!target.hasIsa("avx512_bf16") || chain.isPool()))) {
                    continue;
                }
                for (Variant& variant : variantsOf(task, chain, type, target.threads(), dropped)) {
                    module::Tactic tactic;
                    tactic.id = 1;
                    tactic.name = variant.name;
                    tactic.inputs = std::move(variant.inputs);
                    tactic.outputs = std::move(variant.outputs);
                    // Its gemm splits sums over threads, so that results depend on their number.
                    const bool splits = tactic.name.find("gemm") != std::string::npos;
                    tactic.traits = (splits ? 0 : TN_TRAIT_DETERMINISTIC) | (type == TN_F32 ? TN_TRAIT_EXACT_MATH : 0);
                    tactics.add(tactic);
                }
            }
            for (const std::string& line : dropped) {
                reason.note(line, "; ");
            }
        });
    }

    Code compile(const module::TargetView&, const module::TaskView& task, const module::TacticView& tactic,
                 const module::Cancel&, module::BlobOutput& blob, module::Reason& reason) const override {
        const kernels::Task compiled = kernels::taskOf(task, tactic);
        const Code code = kernels::explained(reason, [&] { mPlanner->check(compiled); });
        if (code == Code::kOk) {
            blob.set("onednn", kernels::kTaskBlobVersion, kernels::writeTask(compiled));
        }
        return code;
    }

private:
    static kernels::Task reorderOf(const module::TaskView& task) {
        return {task.body(), 1, {task.offered(0)[0]}, {*task.convertTo()}};
    }

    std::shared_ptr<const kernels::Planner> mPlanner;
};

} // namespace

} // namespace tenon::onednn

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host&, tenon::module::Registrar& registrar, tenon::module::Reason&) {
    const auto planner = std::make_shared<const tenon::onednn::OneDnnPlanner>();
    registrar.addProvider(std::make_unique<tenon::onednn::OneDnnProvider>(planner));
    registrar.addKernelRuntime(std::make_unique<tenon::kernels::TaskRuntime>("onednn", planner));
    return tenon::module::Code::kOk;
}
