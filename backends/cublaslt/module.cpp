// The module "cublaslt": a provider for matrix products with epilogues, and the kernel runtime that launches them.
#include "backends/common/task_kernel.h"
#include "backends/cublaslt/kernel.h"
#include "backends/nvidia/driver.h"
#include "backends/nvidia/target.h"

#include <algorithm>

namespace tenon::cublaslt {

namespace {

using kernels::explained;
using kernels::refuse;
using module::Code;

// How operands are stored and multiplied.
struct Precision {
    TnDataType type = TN_F32;
    bool tf32 = false;
};

std::vector<Precision> precisionsOf(const module::TaskView& task, const Matmul& matmul, TnDataType type) {
    std::vector<Precision> precisions{{type, false}};
    if (type == TN_F32) {
        if (task.mayUseTf32()) {
            precisions.push_back({TN_F32, true});
        }
        for (const TnDataType narrow : {TN_F16, TN_BF16}) {
            if (task.mayComputeIn(narrow)) {
                precisions.push_back({narrow, false});
            }
        }
    }
    if (matmul.activation == Activation::kGeluErf) {
        std::erase_if(precisions, [](const Precision& each) { return module::bitsOf(each.type) > 16; });
    }
    return precisions;
}

bool isOperand(const Matmul& matmul, int32_t port) {
    return port == matmul.a || port == matmul.b || port == matmul.bias || port == matmul.residual ||
           std::any_of(matmul.siblings.begin(), matmul.siblings.end(),
                       [&](const Sibling& each) { return port == each.b || port == each.bias; });
}

// Microseconds that a device of the H200's kind cannot do better than.
double floorUs(const Extents& extents, const Precision& precision) {
    const auto calls = static_cast<double>(extents.calls.size());
    const double m = static_cast<double>(extents.m);
    const double n = static_cast<double>(extents.n);
    const double k = static_cast<double>(extents.k);
    const double products = static_cast<double>(extents.batch) * calls;
    const double rate = module::bitsOf(precision.type) == 16 ? 700e6
                        : precision.tf32                     ? 350e6
                        : precision.type == TN_F64           ? 50e6
                                                             : 50e6;
    const double bytes = products * (m * k + n * k + m * n) * module::bitsOf(precision.type) / 8;
    return 2 * calls + std::max(2 * products * m * n * k / rate, bytes / 4.2e6);
}

class LtProvider final : public module::Provider {
public:
    LtProvider(std::shared_ptr<LtApi> api, std::string identity)
        : mApi(std::move(api)), mIdentity(std::move(identity)) {}

    std::string name() const override { return "cublaslt"; }
    std::string version() const override { return module::text("2+", mIdentity); }
    int32_t rank() const override { return 30; }

    Code supports(const module::TargetView& target, const module::TaskView& task,
                  module::Reason& reason) const override {
        if (!nvidia::isCuda(target)) {
            return reason.unsupported("cublaslt computes on CUDA devices only, not on ", target.backend());
        }
        return explained(reason, [&] {
            const Matmul matmul = readMatmul(task.body());
            const TnDataType type = task.input(matmul.a).dtype();
            if (type != TN_F32 && type != TN_F16 && type != TN_BF16 && type != TN_F64) {
                refuse("cublaslt multiplies f32, f16, bf16 and f64, not ", module::nameOf(type));
            }
            if (matmul.activation == Activation::kGeluErf && precisionsOf(task, matmul, type).empty()) {
                refuse("cuBLASLt's GELU is the tanh form, near enough to the erf form of this region in 16 bits only");
            }
            if (type == TN_F64 && (matmul.bias >= 0 || matmul.activation != Activation::kNone)) {
                refuse("cuBLASLt has no epilogues for f64");
            }
            for (int32_t i = 0; i < task.inputCount(); ++i) {
                if (!task.input(i).hasRank() || task.input(i).optElements() == 0) {
                    refuse("cublaslt computes nothing from empty tensors");
                }
                if (isOperand(matmul, i) && task.input(i).dtype() != type) {
                    refuse("operands of different types");
                }
            }
            for (int32_t i = 0; i < task.outputCount(); ++i) {
                if (task.output(i).dtype() != type) {
                    refuse("a result of another type than the operands");
                }
            }
        });
    }

    Code enumerate(const module::TargetView& target, const module::TaskView& task, module::TacticList& tactics,
                   module::Reason& reason) const override {
        return explained(reason, [&] {
            const Matmul matmul = readMatmul(task.body());
            const module::ValueView a = task.input(matmul.a);
            const module::ValueView b = task.input(matmul.b);
            for (const Precision& precision : precisionsOf(task, matmul, a.dtype())) {
                for (const bool swapped : {false, true}) {
                    // Constant weights may lie in memory the other way round.
                    if (!swapped || (b.isConstant() && b.rank() == 2 && matmul.a != matmul.b)) {
                        addForms(target, task, matmul, precision, swapped, tactics, reason);
                    }
                }
            }
        });
    }

    Code compile(const module::TargetView&, const module::TaskView& task, const module::TacticView& tactic,
                 const module::Cancel&, module::BlobOutput& blob, module::Reason& reason) const override {
        return explained(reason, [&] {
            Compiled compiled;
            compiled.body = task.body();
            for (int32_t i = 0; i < task.inputCount(); ++i) {
                compiled.inputs.push_back(tactic.input(i));
            }
            for (int32_t i = 0; i < task.outputCount(); ++i) {
                compiled.outputs.push_back(tactic.output(i));
            }
            if (!ruleOf(tactic.id(), compiled.rule)) {
                kernels::invalid("the tactic ", tactic.id(), " is none of cublaslt's");
            }
            compiled.workspaceLimit = limitOf(task);
            compiled.complete();
            blob.set("cublaslt", kBlobVersion, writeBlob(compiled));
        });
    }

private:
    static int64_t limitOf(const module::TaskView& task) {
        return std::clamp<int64_t>(task.workspaceLimit(), 0, kMostWorkspace);
    }

    void addForms(const module::TargetView& target, const module::TaskView& task, const Matmul& matmul,
                  const Precision& precision, bool swapped, module::TacticList& tactics, module::Reason& reason) const {
        const Extents extents =
            extentsOf(matmul, task.input(matmul.a).optExtents(), task.input(matmul.b).optExtents(), swapped);
        const auto family = static_cast<int64_t>(matmul.siblings.size()) + 1;
        if (const std::optional<Extents> all = stackedExtents(extents, family)) {
            addTactics(target, task, {matmul, precision, *all, swapped, true}, floorUs(*all, precision), tactics,
                       reason);
        }
        addTactics(target, task, {matmul, precision, extents, swapped, false},
                   static_cast<double>(family) * floorUs(extents, precision), tactics, reason);
    }

    // One way to compute a task.
    struct Form {
        const Matmul& matmul;
        const Precision& precision;
        const Extents& extents;
        bool swapped;
        bool stacked;
    };
    // Worth timing of products that run side by side: a batch of them is rarely slower.
    static constexpr uint32_t kMostOfFamily = 4;

    void addTactics(const module::TargetView& target, const module::TaskView& task, const Form& form, double estimate,
                    module::TacticList& tactics, module::Reason& reason) const {
        const auto& [matmul, precision, extents, swapped, stacked] = form;
        const int64_t sm = nvidia::smOf(target);
        const int bits = module::bitsOf(precision.type);
        std::unique_ptr<Product> product = ask(sm, matmul, precision, extents);
        size_t dropped = 0;
        std::vector<cublasLtMatmulAlgo_t> known;
        for (Rule rule : rulesFor(sm, bits, precision.tf32, extents.m, extents.n, extents.k,
                                  extents.batch * static_cast<int64_t>(extents.calls.size()))) {
            rule.stacked = stacked;
            if (!matmul.siblings.empty() && !stacked &&
                (rule.written || rule.splitK > 0 || rule.rank >= kMostOfFamily)) {
                continue;
            }
            if (product != nullptr) {
                // Rules may come to the same configuration: one of them is enough.
                const bool found = product->pick(rule, limitOf(task));
                const cublasLtMatmulAlgo_t& picked = product->algorithm();
                const auto same = [&](const cublasLtMatmulAlgo_t& other) {
                    return std::equal(std::begin(picked.data), std::end(picked.data), std::begin(other.data));
                };
                if (!found || std::any_of(known.begin(), known.end(), same)) {
                    ++dropped;
                    continue;
                }
                known.push_back(picked);
            }
            module::Tactic tactic = module::linearTactic(
                task, idOf(rule), nameOf(rule), TN_TRAIT_DETERMINISTIC | TN_TRAIT_CAPTURE_SAFE, target.placement());
            for (int32_t port = 0; port < task.inputCount(); ++port) {
                if (isOperand(matmul, port)) {
                    tactic.inputs[static_cast<size_t>(port)].dtype = precision.type;
                }
            }
            for (TnPortFormat& port : tactic.outputs) {
                port.dtype = precision.type;
            }
            if (swapped) {
                tactic.inputs[static_cast<size_t>(matmul.b)].format = module::permutedFormat({1, 0});
                for (const Sibling& each : matmul.siblings) {
                    tactic.inputs[static_cast<size_t>(each.b)].format = module::permutedFormat({1, 0});
                }
                tactic.name += ":bT";
            }
            if (precision.tf32) {
                tactic.traits |= TN_TRAIT_TF32;
            } else if (bits >= 32) {
                tactic.traits |= TN_TRAIT_EXACT_MATH;
            }
            if (matmul.residual >= 0 && matmul.residual != matmul.a && matmul.residual != matmul.b) {
                tactic.mayAlias = {matmul.residual};
            }
            tactic.estimateUs = estimate;
            estimate *= 1.01; // in the order of the list
            tactics.add(tactic);
        }
        if (dropped > 0) {
            reason.note(dropped, " configurations for ", module::nameOf(precision.type),
                        precision.tf32 ? " (tf32)" : "",
                        " do not fit this device, product or workspace, or are others again");
        }
    }

    // The product on the device of this machine, where that is one of the target's kind.
    std::unique_ptr<Product> ask(int64_t sm, const Matmul& matmul, const Precision& precision,
                                 const Extents& extents) const {
        if (sm == 0 || nvidia::presentSm() != sm || extents.empty()) {
            return nullptr;
        }
        {
            const std::lock_guard lock(mMutex);
            if (mHandle == nullptr) {
                std::string error;
                mHandle = Handle::open(mApi, error);
            }
            if (mHandle == nullptr) {
                return nullptr;
            }
        }
        return std::make_unique<Product>(*mHandle, matmul, ProductTypes{precision.type, precision.type, precision.tf32},
                                         extents);
    }

    std::shared_ptr<LtApi> mApi;
    std::string mIdentity;
    mutable std::mutex mMutex;
    mutable std::shared_ptr<Handle> mHandle;
};

} // namespace

} // namespace tenon::cublaslt

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host&, tenon::module::Registrar& registrar, tenon::module::Reason& reason) {
    const tenon::nvidia::LibraryPlace place = tenon::nvidia::findLibrary("libcublasLt.so.13", "TENON_CUBLASLT_DIR");
    if (place.path.empty()) {
        return reason.environment(
            "libcublasLt.so.13 is missing (looked in ", place.searched,
            "): install CUDA 13's cuBLAS (Debian package libcublas-13-0, PyPI nvidia-cublas), and "
            "name its folder in TENON_CUBLASLT_DIR or LD_LIBRARY_PATH");
    }
    auto api = std::make_shared<tenon::cublaslt::LtApi>(place.path);
    registrar.addProvider(std::make_unique<tenon::cublaslt::LtProvider>(api, place.identity));
    registrar.addKernelRuntime(tenon::cublaslt::makeRuntime(api));
    return tenon::module::Code::kOk;
}
