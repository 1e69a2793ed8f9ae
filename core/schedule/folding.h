// Constant folding on the host, without a build: what `tenon opt` shows is the graph that a build would schedule.
// Used by the tools. One thread at a time.
#pragma once

#include "core/passes/pass.h"
#include "core/schedule/oracle.h"

#include <memory>
#include <optional>

namespace tenon::schedule {

class HostEvaluator final : public passes::Evaluator {
public:
    // Fails where the host cannot be described.
    static support::Result<std::unique_ptr<HostEvaluator>>
    make(std::shared_ptr<const registry::RegistrySnapshot> snapshot);

    support::Result<std::vector<ir::ConstantPtr>> evaluate(const ir::Node& node) override {
        return mOracle->evaluate(node);
    }

private:
    HostEvaluator() = default;

    BuildOptions mOptions;
    BuildContext mContext;
    std::optional<Oracle> mOracle; // of the context as it is when complete
};

} // namespace tenon::schedule
