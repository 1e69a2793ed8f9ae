// The kernels of a build: each tactic compiled once, several at a time where that is asked for ahead.
// Used by tactic_timer. Compiles through the provider; runs nothing.
#pragma once

#include "core/schedule/kernel_runner.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace tenon::schedule {

class CompiledKernels {
public:
    explicit CompiledKernels(const BuildContext& context) : mContext(context) {}

    // `mayStop`: the provider is told when the user wants to stop; that it was is not remembered.
    support::Result<CompiledKernel> get(const Task& task, const Candidate& candidate, bool mayStop);

    using Wanted = std::vector<std::pair<const Task*, const Candidate*>>;
    // Compiles those that are not known yet in several threads, so that get() finds them, failures included.
    void compileAhead(const Wanted& wanted);

private:
    support::Result<CompiledKernel> compile(const Task& task, const Candidate& candidate, bool mayStop) const;

    const BuildContext& mContext;
    std::mutex mMutex;
    std::map<std::string, support::Result<CompiledKernel>> mKernels; // by task, provider and tactic
};

} // namespace tenon::schedule
