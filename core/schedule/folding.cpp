#include "core/schedule/folding.h"

namespace tenon::schedule {

support::Result<std::unique_ptr<HostEvaluator>>
HostEvaluator::make(std::shared_ptr<const registry::RegistrySnapshot> snapshot) {
    std::unique_ptr<HostEvaluator> evaluator(new HostEvaluator);
    evaluator->mOptions.devices = {"host"};
    evaluator->mContext.snapshot = std::move(snapshot);
    evaluator->mContext.options = &evaluator->mOptions;
    TN_ASSIGN_OR_RETURN(evaluator->mContext.targets,
                        describeTargets(*evaluator->mContext.snapshot, evaluator->mOptions));
    evaluator->mOracle.emplace(evaluator->mContext);
    evaluator->mOracle->stayOnHost();
    return evaluator;
}

} // namespace tenon::schedule
