// The module "onednn": a provider for what oneDNN does best, and the kernel runtime that runs it.
#include "tenon/module/module.hpp"
#include "backends/onednn/defects.h"
#include "backends/onednn/primitive.h"
#include "backends/onednn/quantized.h"

#include <algorithm>

namespace tenon::onednn {

namespace {

using module::Code;

class OneDnnProvider final : public module::Provider {
public:
    OneDnnProvider(std::shared_ptr<const kernels::Planner> planner, std::shared_ptr<PackingTable> packings)
        : mPlanner(std::move(planner)), mPackings(std::move(packings)) {}

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
        if (isQuantizedBody(task.body())) {
            return kernels::explained(reason, [&] { checkQuantized(target, task); });
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
            const bool isBytes =
                chain.isPool() && chain.head.op() == "pool.max" && (result.dtype() == TN_I8 || result.dtype() == TN_U8);
            if (!isBytes && (result.dtype() != TN_F32 || task.input(chain.source).dtype() != TN_F32)) {
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
            if (const std::string defect = defectOf(task, chain, TN_F32); !defect.empty()) {
                kernels::refuse(defect);
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
        if (isQuantizedBody(task.body())) {
            return kernels::explained(reason, [&] { addQuantized(target, task, tactics, reason); });
        }
        return kernels::explained(reason, [&] {
            const Chain chain = readChain(task.body());
            std::vector<std::string> dropped;
            const TnDataType own = task.output(0).dtype();
            for (TnDataType type : {own, TnDataType{TN_BF16}}) {
                if ((type == TN_BF16 && own != TN_F32) || !task.mayComputeIn(type == own ? TN_F32 : type) ||
                    (type == TN_BF16 && !target.hasIsa("avx512_bf16"))) {
                    continue;
                }
                if (const std::string defect = defectOf(task, chain, type); !defect.empty()) {
                    dropped.push_back(defect);
                    continue;
                }
                for (Variant& variant : variantsOf(task, chain, type, target.threads(), *mPackings, dropped)) {
                    module::Tactic tactic;
                    tactic.id = 1;
                    tactic.name = variant.name;
                    tactic.inputs = std::move(variant.inputs);
                    tactic.outputs = std::move(variant.outputs);
                    // Its gemm splits sums over threads, and brgconv chooses blocks by their number (353 channels of f32 in conv.cases), so that results depend on it.
                    const bool dependsOnThreads = tactic.name.find("gemm") != std::string::npos ||
                                                  tactic.name.find("brgconv") != std::string::npos;
                    tactic.traits =
                        (dependsOnThreads ? 0 : TN_TRAIT_DETERMINISTIC) | (type == TN_F32 ? TN_TRAIT_EXACT_MATH : 0);
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
        if (code != Code::kOk) {
            return code;
        }
        // Whoever reads or makes packed weights takes their description along.
        std::vector<TnPortFormat> ports = compiled.inputs;
        ports.insert(ports.end(), compiled.outputs.begin(), compiled.outputs.end());
        const auto packed = std::find_if(ports.begin(), ports.end(), isPacked);
        const auto packing = packed == ports.end() ? std::nullopt : mPackings->find(packed->format.opaque_id);
        if (packing) {
            blob.set("onednn", kPackingBlobVersion, writePacking(compiled, *packing));
        } else {
            blob.set("onednn", kernels::kTaskBlobVersion, kernels::writeTask(compiled));
        }
        return code;
    }

private:
    static kernels::Task reorderOf(const module::TaskView& task) {
        return {task.body(), 1, {task.offered(0)[0]}, {*task.convertTo()}};
    }

    static void checkQuantized(const module::TargetView& target, const module::TaskView& task) {
        // Older instructions add pairs of products in 16 bits, which overflow.
        if (!target.hasIsa("avx512_vnni") && !target.hasIsa("avx_vnni")) {
            kernels::refuse("products of integers want a processor with AVX-512 VNNI or AVX-VNNI");
        }
        const QuantizedChain chain = readQuantizedChain(task.body());
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            if (task.input(i).optElements() == 0) {
                kernels::refuse("onednn computes nothing from empty tensors");
            }
        }
        if (!task.input(chain.weights).isStatic() || (chain.isConvolution() && !task.input(chain.source).isStatic(1))) {
            kernels::refuse("channels and weights must have static extents");
        }
        std::vector<int32_t> vectors = chain.biases;
        vectors.insert(vectors.end(), chain.scalePorts.begin(), chain.scalePorts.end());
        for (const Follower& follower : chain.followers) {
            if (follower.kind == FollowerKind::kBias) {
                vectors.push_back(follower.port);
            }
        }
        for (const int32_t port : vectors) {
            const int64_t elements = task.input(port).optElements();
            const module::ValueView result = task.output(0);
            if (elements != 1 && elements != result.optExtents()[chain.isConvolution() ? 1 : result.rank() - 1]) {
                kernels::refuse("a bias or scale of ", elements, " elements");
            }
        }
        const int32_t residual = chain.residual();
        if (residual >= 0 && (task.input(residual).optExtents() != task.output(0).optExtents() ||
                              module::bitsOf(task.input(residual).dtype()) != module::bitsOf(task.output(0).dtype()))) {
            kernels::refuse("a residual of another shape or size of elements than the result");
        }
    }

    void addQuantized(const module::TargetView& target, const module::TaskView& task, module::TacticList& tactics,
                      module::Reason& reason) const {
        const QuantizedChain chain = readQuantizedChain(task.body());
        std::vector<std::string> dropped;
        for (Variant& variant : quantizedVariants(task, chain, target.threads(), *mPackings, dropped)) {
            module::Tactic tactic;
            tactic.id = 2;
            tactic.name = variant.name;
            tactic.inputs = std::move(variant.inputs);
            tactic.outputs = std::move(variant.outputs);
            tactic.mayAlias = {variant.mayAlias};
            tactic.traits = TN_TRAIT_DETERMINISTIC | TN_TRAIT_EXACT_MATH;
            tactics.add(tactic);
        }
        for (const std::string& line : dropped) {
            reason.note(line, "; ");
        }
    }

    std::shared_ptr<const kernels::Planner> mPlanner;
    std::shared_ptr<PackingTable> mPackings;
};

// Tasks, and with those that read or make packed weights the layouts of these.
class OneDnnRuntime final : public kernels::TaskRuntime {
public:
    OneDnnRuntime(std::shared_ptr<const kernels::Planner> planner, std::shared_ptr<PackingTable> packings)
        : TaskRuntime("onednn", std::move(planner)), mPackings(std::move(packings)) {}
    uint32_t blobMax() const override { return kPackingBlobVersion; }
    std::unique_ptr<module::Kernel> deserialize(std::span<const std::byte> blob, uint32_t blobVersion,
                                                module::Reason& reason) override {
        if (blobVersion == kPackingBlobVersion) {
            blob = readPacking(blob, *mPackings, reason);
            if (blob.empty()) {
                return nullptr;
            }
        }
        return TaskRuntime::deserialize(blob, kernels::kTaskBlobVersion, reason);
    }

private:
    std::shared_ptr<PackingTable> mPackings;
};

} // namespace

} // namespace tenon::onednn

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host&, tenon::module::Registrar& registrar, tenon::module::Reason&) {
    const auto packings = std::make_shared<tenon::onednn::PackingTable>();
    const auto planner = std::make_shared<const tenon::onednn::OneDnnPlanner>(packings);
    registrar.addProvider(std::make_unique<tenon::onednn::OneDnnProvider>(planner, packings));
    registrar.addKernelRuntime(std::make_unique<tenon::onednn::OneDnnRuntime>(planner, packings));
    return tenon::module::Code::kOk;
}
