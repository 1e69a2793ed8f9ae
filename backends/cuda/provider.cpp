#include "backends/cuda/provider.h"

#include "backends/common/task_kernel.h"
#include "backends/cuda/cubin_cache.h"
#include "backends/cuda/embedding_region.h"
#include "backends/cuda/excite_region.h"
#include "backends/cuda/op_table.h"
#include "backends/cuda/pointwise.h"
#include "backends/cuda/task.h"

#include <cuda_runtime_api.h>

#include <charconv>

namespace tenon::cuda {

namespace {

// The compute capability as one number (9.0 is 90); 0 where the target's JSON has none.
int smOf(const module::TargetView& target) {
    constexpr std::string_view kKey = "\"sm\":";
    const std::string_view json = target.json();
    const size_t at = json.find(kKey);
    int sm = 0;
    if (at != std::string_view::npos) {
        size_t from = at + kKey.size();
        while (from < json.size() && json[from] == ' ') {
            ++from;
        }
        std::from_chars(json.data() + from, json.data() + json.size(), sm);
    }
    return sm;
}

bool isView(std::string_view op) {
    return op == "reshape" || op == "flatten" || op == "squeeze" || op == "unsqueeze" || op == "identity";
}

// Ops whose inputs of the output's rank all lie as the output does, whatever that is.
bool isMovement(std::string_view op) {
    return op == "concat" || op == "split" || op == "slice" || op == "pad" || op == "resize";
}

bool isChannelsLast(const TnFormat& format) {
    return format.rank >= 3 && !module::isLinear(format) &&
           module::equal(format, module::channelsLastFormat(format.rank));
}

// Tactic ids, for ever: the layout in units of 16, the element type of 32-bit floats in ones.
enum : uint64_t { kOwnTypes = 1, kHalfTypes = 2, kBrainTypes = 3, kLinearLayout = 0, kChannelsLastLayout = 16 };

class CudaProvider final : public module::Provider {
public:
    std::string name() const override { return std::string(kBackendName); }
    std::string version() const override {
        return module::text("2+cuda", CUDART_VERSION / 1000, ".", CUDART_VERSION % 1000 / 10);
    }
    int32_t rank() const override { return 0; }

    module::Code supports(const module::TargetView& target, const module::TaskView& task,
                          module::Reason& reason) const override {
        if (target.backend() != kBackendName) {
            return reason.unsupported("cuda computes on a CUDA device, not on ", target.backend());
        }
        if (smOf(target) < 50) {
            return reason.unsupported("the target's description has no compute capability (\"sm\") of 50 or more");
        }
        if (task.op() == "convert" && (task.convertTo() == nullptr || task.offered(0).empty())) {
            return reason.invalidArgument("convert without its two formats");
        }
        return explained(reason, [&] {
            const module::Tactic tactic = tacticOf(target, task, kOwnTypes, kLinearLayout);
            checkTask({task.body(), tactic.id, tactic.inputs, tactic.outputs});
        });
    }

    module::Code enumerate(const module::TargetView& target, const module::TaskView& task, module::TacticList& tactics,
                           module::Reason&) const override {
        if (isExciteRegion(task.body()) || isEmbeddingRegion(task.body())) {
            for (const uint64_t types : {kOwnTypes, kHalfTypes, kBrainTypes}) {
                if (types == kOwnTypes ||
                    (task.output(0).dtype() == TN_F32 && task.mayComputeIn(types == kHalfTypes ? TN_F16 : TN_BF16))) {
                    tactics.add(tacticOf(target, task, types, kLinearLayout));
                    if (isExciteRegion(task.body())) {
                        tactics.add(exciteTactic(target, task, types, kChannelsLastLayout));
                    }
                }
            }
            return module::Code::kOk;
        }
        tactics.add(tacticOf(target, task, kOwnTypes, kLinearLayout));
        if (task.op() == "convert") {
            return module::Code::kOk;
        }
        bool reducible = true;
        bool channelsLast = true;
        bool readsFloats = false;
        for (size_t n = 0; n < task.body().nodeCount(); ++n) {
            const OpEntry* entry = OpTable::instance().find(task.body().node(n).op());
            reducible = reducible && entry->reducible;
            channelsLast = channelsLast && entry->channelsLast;
        }
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            readsFloats = readsFloats || task.input(i).dtype() == TN_F32;
        }
        for (int32_t o = 0; o < task.outputCount(); ++o) {
            readsFloats = readsFloats || task.output(o).dtype() == TN_F32;
        }
        channelsLast = channelsLast && task.output(0).rank() >= 3 && followsChannelsLast(task);
        for (const uint64_t types : {kOwnTypes, kHalfTypes, kBrainTypes}) {
            const bool wanted = types == kOwnTypes ||
                                (reducible && readsFloats && task.mayComputeIn(types == kHalfTypes ? TN_F16 : TN_BF16));
            if (wanted && types != kOwnTypes) {
                tactics.add(tacticOf(target, task, types, kLinearLayout));
            }
            if (wanted && channelsLast) {
                tactics.add(tacticOf(target, task, types, kChannelsLastLayout));
            }
        }
        return module::Code::kOk;
    }

    module::Code compile(const module::TargetView& target, const module::TaskView& task,
                         const module::TacticView& tactic, const module::Cancel& cancel, module::BlobOutput& blob,
                         module::Reason& reason) const override {
        const Task compiled = taskOf(task, tactic);
        std::string source;
        module::Code code = explained(reason, [&] {
            checkTask(compiled);
            source = sourceOfTask(compiled);
        });
        if (code != module::Code::kOk) {
            return code;
        }
        if (cancel.requested()) {
            return reason.fail(module::Code::kCancelled, "cancelled before NVRTC");
        }
        const int sm = smOf(target);
        Cubin cubin;
        if (!source.empty()) {
            cubin = mCache.get(source, sm, code, reason);
            if (cubin == nullptr) {
                return code;
            }
        }
        module::BlobWriter out = writeTask(compiled);
        out.i32(sm);
        out.bytes(cubin != nullptr ? std::span<const std::byte>(*cubin) : std::span<const std::byte>());
        out.u64(checksumOf(out.data()));
        blob.set(kRuntimeName, kBlobVersion, out);
        return module::Code::kOk;
    }

private:
    // Pooling and convolution always; movements and pointwise regions where a neighbour offers it.
    static bool followsChannelsLast(const module::TaskView& task) {
        if (task.isSingleNode() && !isPointwise(task.op()) && !isMovement(task.op())) {
            // A reduction that drops dimensions has no channels to put last.
            return task.inputCount() == 0 || task.input(0).rank() == task.output(0).rank();
        }
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            for (const TnPortFormat& offer : task.offered(i)) {
                if (isChannelsLast(offer.format)) {
                    return true;
                }
            }
        }
        return false;
    }

    // The image and the result may have their channels last; a result of one position then lies as it did.
    static module::Tactic exciteTactic(const module::TargetView& target, const module::TaskView& task, uint64_t types,
                                       uint64_t layout) {
        module::Tactic tactic = tacticOf(target, task, types, kLinearLayout);
        tactic.id = layout + types;
        if (layout == kChannelsLastLayout) {
            tactic.name = "nhwc:" + tactic.name;
            TnPortFormat& image = tactic.inputs[static_cast<size_t>(imageOfExcite(task.body()))];
            image.format = module::channelsLastFormat(image.format.rank);
            tactic.outputs[0].format = module::channelsLastFormat(tactic.outputs[0].format.rank);
        }
        return tactic;
    }

    static module::Tactic tacticOf(const module::TargetView& target, const module::TaskView& task, uint64_t types,
                                   uint64_t layout) {
        constexpr TnTraits kTraits = TN_TRAIT_DETERMINISTIC | TN_TRAIT_CAPTURE_SAFE | TN_TRAIT_ANY_EXTENT;
        const std::string_view typeName = types == kHalfTypes ? ":f16" : types == kBrainTypes ? ":bf16" : "";
        module::Tactic tactic =
            module::linearTactic(task, layout + types,
                                 module::text(layout == kChannelsLastLayout ? "generated:nhwc" : "generated", typeName),
                                 kTraits, target.placement());
        if (types == kOwnTypes) {
            tactic.traits |= TN_TRAIT_EXACT_MATH;
        }
        if (task.op() == "convert") {
            tactic.traits |= TN_TRAIT_OUTER_PITCH;
            tactic.inputs[0] = task.offered(0)[0];
            tactic.outputs[0] = *task.convertTo();
            return tactic;
        }
        if (task.isSingleNode() && isView(task.op())) {
            tactic.traits |= TN_TRAIT_FREE_ALIAS;
        }
        const bool isWindow = task.isSingleNode() && !isPointwise(task.op()) && !isMovement(task.op());
        const int32_t rank = task.output(0).rank();
        const auto shape = [&](TnPortFormat& port, bool isWeights) {
            if (types != kOwnTypes && port.dtype == TN_F32) {
                port.dtype = types == kHalfTypes ? TN_F16 : TN_BF16;
            }
            if (layout == kChannelsLastLayout && port.format.rank == rank && rank >= 3 && !isWeights) {
                port.format = module::channelsLastFormat(rank);
            }
        };
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            shape(tactic.inputs[static_cast<size_t>(i)], isWindow && i > 0);
        }
        for (TnPortFormat& port : tactic.outputs) {
            shape(port, false);
        }
        if (isRegionOfPointwise(task)) {
            aliases(task, tactic);
        }
        return tactic;
    }

    static bool isRegionOfPointwise(const module::TaskView& task) {
        for (size_t n = 0; n < task.body().nodeCount(); ++n) {
            if (!isPointwise(task.body().node(n).op())) {
                return false;
            }
        }
        return true;
    }

    // Every element is read by the thread that writes it, and before: where an input has the output's shape, layout and size of element.
    static void aliases(const module::TaskView& task, module::Tactic& tactic) {
        if (tactic.outputs.size() != 1) {
            return;
        }
        for (int32_t i = 0; i < task.inputCount(); ++i) {
            const TnPortFormat& from = tactic.inputs[static_cast<size_t>(i)];
            bool same = bytesOf(from.dtype) == bytesOf(tactic.outputs[0].dtype) &&
                        module::equal(from.format, tactic.outputs[0].format);
            for (int32_t d = 0; same && d < task.output(0).rank(); ++d) {
                const TnDim& a = task.input(i).dim(d);
                const TnDim& b = task.output(0).dim(d);
                same = a.min == b.min && a.max == b.max && (a.min == a.max || (a.expr == b.expr && a.expr >= 0));
            }
            if (same) {
                tactic.mayAlias = {i};
                return;
            }
        }
    }

    mutable CubinCache mCache;
};

} // namespace

std::unique_ptr<const module::Provider> makeProvider() { return std::make_unique<const CudaProvider>(); }

} // namespace tenon::cuda
