#include "core/schedule/compiled_kernels.h"

#include "core/schedule/build_phases.h"
#include "core/schedule/build_threads.h"
#include "core/support/text.h"

#include <set>

namespace tenon::schedule {

namespace {

std::string keyOf(const Task& task, const Candidate& candidate) {
    return support::cat(task.key(), "/", candidate.provider, "/", candidate.tactic.key());
}

} // namespace

support::Result<CompiledKernel> CompiledKernels::compile(const Task& task, const Candidate& candidate,
                                                         bool mayStop) const {
    const PhaseTimer timer(
        mContext.phases.get(),
        support::cat("compile by ", mContext.snapshot->providers()[static_cast<size_t>(candidate.provider)].name));
    return compileTactic(mContext, task, candidate, mayStop);
}

support::Result<CompiledKernel> CompiledKernels::get(const Task& task, const Candidate& candidate, bool mayStop) {
    const std::string key = keyOf(task, candidate);
    {
        const std::lock_guard<std::mutex> lock(mMutex);
        if (const auto known = mKernels.find(key); known != mKernels.end()) {
            return known->second;
        }
    }
    support::Result<CompiledKernel> made = compile(task, candidate, mayStop);
    if (made.ok()) {
        const std::lock_guard<std::mutex> lock(mMutex);
        mKernels.emplace(key, made);
    }
    return made;
}

void CompiledKernels::compileAhead(const Wanted& wanted) {
    Wanted open;
    std::set<std::string> keys;
    for (const auto& [task, candidate] : wanted) {
        std::string key = keyOf(*task, *candidate);
        if (mKernels.find(key) == mKernels.end() && keys.insert(std::move(key)).second) {
            open.emplace_back(task, candidate);
        }
    }
    if (open.size() < 2) {
        return;
    }
    const PhaseTimer timer(mContext.phases.get(), "compile ahead");
    const auto work = [&](size_t i) {
        const auto& [task, candidate] = open[i];
        support::Result<CompiledKernel> made = compile(*task, *candidate, false);
        const std::lock_guard<std::mutex> lock(mMutex);
        mKernels.emplace(keyOf(*task, *candidate), std::move(made));
    };
    inParallel(open.size(), work, [this] { return mContext.cancelled(); });
}

} // namespace tenon::schedule
