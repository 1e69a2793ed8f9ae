// What a build takes and gives. Filled in by core/api's lowering; read by build_engine and what it calls.
// Knows no layer object, no parser, no module.
#pragma once

#include "core/ir/graph.h"
#include "core/plan/plan_model.h"
#include "core/runtime/device_memory.h"
#include "core/support/log.h"
#include "core/support/status.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::schedule {

class TimingCache;

// A network ready to be built: the lowered graph and what its bindings promise.
// bindings: one per graph input then one per graph output, in order; `dims` is filled in by the build.
// profiles: symbol bounds and optimum, by the index of the graph's ExprPool.
struct BuildInput {
    std::string name;
    std::unique_ptr<ir::Graph> graph;
    std::vector<plan::PlanBinding> bindings;
    std::vector<ir::SymbolBox> profiles; // at least one
};

// Told what a build is doing. Called on the building thread only. Returning false from `step` asks the build to stop.
class BuildProgress {
public:
    virtual ~BuildProgress() = default;
    virtual void phaseStart(const std::string& phase, const std::string& parent, int32_t steps) = 0;
    virtual bool step(const std::string& phase, int32_t done) = 0;
    virtual void phaseFinish(const std::string& phase) = 0;
};

// A phase of a build, told to whoever wants to know for as long as one lives. `parent`: the phase that it is a part of.
class BuildPhase {
public:
    BuildPhase(BuildProgress* sink, std::string name, int32_t steps, const std::string& parent = "build")
        : mSink(sink), mName(std::move(name)) {
        if (mSink) {
            mSink->phaseStart(mName, parent, steps);
        }
    }
    ~BuildPhase() {
        if (mSink) {
            mSink->phaseFinish(mName);
        }
    }
    BuildPhase(const BuildPhase&) = delete;
    BuildPhase& operator=(const BuildPhase&) = delete;
    // False: the build is to stop.
    bool step(int32_t done) { return !mSink || mSink->step(mName, done); }

private:
    BuildProgress* mSink;
    std::string mName;
};

// Precision that the network's constraints allow for a node whose user set none.
struct PrecisionOptions {
    uint64_t computeTypes = uint64_t{1} << TN_F32; // as TnTask::compute_types: candidate dtypes for f32 tasks, TF32
    bool stronglyTyped = false;                    // candidate dtypes are off
    bool obeyConstraints = false;                  // setPrecision must hold; else it is preferred
};

// A device as data: what a backend said of it on the machine that has it.
struct RecordedTarget {
    std::string backend;
    std::string json;
    std::string fingerprint;
};

struct BuildOptions {
    int32_t level = 3;                        // 0: static rank, no timing; 3: timed; 5: everything timed, more samples
    int32_t threads = 0;                      // 0: all cores of the target
    int64_t workspaceLimit = INT64_MAX;       // bytes per kernel
    runtime::AllocatorCallbacks deviceMemory; // that kernels are tried on; no functions: the device's own
    std::vector<std::string> providers;       // allowed provider names; empty: all
    std::vector<std::string> forbiddenProviders;
    std::vector<std::string>
        devices; // backends whose device the plan may use beside the host; empty: any; "host": none
    std::optional<RecordedTarget> recordedTarget; // plan for this device, which need not be here
    PrecisionOptions precision;
    TimingCache* timingCache = nullptr; // read and extended; not owned
    bool errorOnCacheMiss = false;
    bool verify = true;              // compare chosen tactics with the reference
    double verifyBudgetSeconds = 10; // for the reference backend; then exact kernels of other modules stand in for it
    bool verifyAll = false;          // compare every tactic that ran, not only those that are chosen
    int32_t maxTactics = 0;          // per task; 0: no limit
    int32_t timingIterations = 1;    // averaged launches per sample
    std::string replayLedger;        // JSON of an earlier ledger: decisions are taken from it, nothing is timed
    support::Logger log = support::defaultLogger();
    BuildProgress* progress = nullptr; // not owned
    std::function<bool()> cancelled;   // Ctrl-C: keep the best plan so far
};

struct BuildResult {
    plan::Plan plan;
    double seconds = 0;
    int32_t timedTactics = 0;
    int32_t cacheHits = 0;
    bool proven = true;                   // selection is optimal for the additive model
    bool cancelled = false;               // stopped early: the plan is complete, but some tactics were not timed
    std::optional<RecordedTarget> device; // that candidates were made for beside the host
};

} // namespace tenon::schedule
