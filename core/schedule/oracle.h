// The oracle: executes any body node by node, so that every fusion has an expected answer. Nodes are computed by the reference backend, in linear
// layouts and host memory. Where that would take minutes, exact kernels of modules stand in for it: for nodes of millions of elements where the
// plan is for a device that is here, and for all when the caller is in a hurry.
// Used by verification, constant folding (through passes::Evaluator) and debugging. One thread at a time.
#pragma once

#include "core/schedule/kernel_runner.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::schedule {

// What may stand in for the reference, and for whom.
struct StandIn {
    bool inHurry = false; // exact kernels are preferred whatever a node's size
    const Candidate* checked =
        nullptr; // whose answer is wanted to be judged: kernels of other modules say more about it than those of its own
};

class Oracle {
public:
    explicit Oracle(const BuildContext& context);

    // Whatever the size: what it computes goes into the plan, which must not depend on the device being here.
    void stayOnHost() { mOnHostOnly = true; }

    // inputs[i] belongs to body.inputs()[i]; null where the input is left out. Error with code kUnsupported where an op has no reference kernel.
    support::Result<std::vector<ir::ConstantPtr>> run(const ir::Graph& body, const std::vector<ir::ConstantPtr>& inputs,
                                                      const std::vector<int64_t>& symbolValues,
                                                      const StandIn& standIn = {});
    // One node whose inputs are all constants and whose types are static.
    support::Result<std::vector<ir::ConstantPtr>> evaluate(const ir::Node& node);

private:
    // A value in host memory, in the device's, or in both; in neither: an input that is left out. Linear.
    struct Datum {
        ir::DataType dtype = ir::DataType::kF32;
        std::vector<int64_t> dims;
        ir::ConstantPtr host;
        std::shared_ptr<DeviceInput> device;
        explicit operator bool() const { return host || device; }
    };
    static Datum datumOf(const ir::ConstantPtr& constant);
    support::Result<ir::ConstantPtr> onHost(Datum& datum) const;

    support::Result<std::vector<Datum>> runBody(const ir::Graph& body, std::vector<Datum> inputs,
                                                const std::vector<int64_t>& symbolValues, const StandIn& standIn);
    support::Result<std::vector<Datum>> runNode(const ir::Node& node, std::vector<Datum> inputs,
                                                const std::vector<int64_t>& symbolValues, const StandIn& standIn);
    static support::Result<std::vector<Datum>> launchOnHost(KernelRunner& runner,
                                                            const std::vector<ir::ConstantPtr>& inputs);
    support::Result<std::vector<Datum>> launchOnDevice(KernelRunner& runner, std::vector<Datum*> inputs) const;
    bool isLarge(const Task& task) const;
    // Exact kernels on linear layouts, the most trustworthy first; those of the checked candidate's own module only where nothing else is fast.
    std::vector<Candidate> standInsFor(Task& task, bool large, const StandIn& standIn) const;
    // The reference's kernel, ready to run.
    support::Result<KernelRunner*> referenceFor(Task& task, std::string_view op);

    const BuildContext& mContext;
    // With every provider: what the plan may use says nothing about what it is compared with.
    BuildOptions mReferenceOptions;
    BuildContext mReferenceContext;
    bool mOnHostOnly = false;
    std::map<std::string, std::unique_ptr<KernelRunner>> mReferences; // by task key
};

} // namespace tenon::schedule
