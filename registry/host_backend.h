// Host memory as a backend: the device that is always there, described as data like any other.
// Used by the snapshot (placement 0), the scheduler and the runtime. Knows no kernel.
#pragma once

#include "core/support/status.h"
#include "tenon/module/abi.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::registry {

/// The table; lives as long as the process. No streams, no events: everything is done when a call returns.
const TnBackend& hostBackendTable();

/// The processor that this process runs on. What cannot be found out is empty or 0.
struct HostDescription {
    std::string cpu; ///< "Intel(R) Xeon(R) ..."
    std::string arch;
    std::vector<std::string>
        isa;             ///< instruction sets that kernels care about, in a fixed order: "avx2", "avx512f", ...
    int64_t l1Bytes = 0; ///< data cache of one core
    int64_t l2Bytes = 0;
    int64_t l3Bytes = 0;
    int32_t threads = 1; ///< logical processors that this process may use (affinity and cgroup limits count)
    int32_t cores = 1;   ///< the same without hyper-threads
    int64_t memoryBytes = 0;
};

/// Found once, then the same for the process's life. Thread-safe.
const HostDescription& hostDescription();

/// The target's JSON: {"backend":"host","cpu":...,"arch":...,"isa":[...],"caches":{"l1":..,"l2":..,"l3":..},
/// "threads":..,"cores":..,"memory":..}. Stable: equal descriptions give equal text.
std::string hostJson(const HostDescription& description);
/// What timings depend on besides the team's size: processor, instruction sets, caches. "x86_64-<hash>".
std::string hostFingerprint(const HostDescription& description);

} // namespace tenon::registry
