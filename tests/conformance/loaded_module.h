// A module opened for testing: its provider and kernel runtimes, without the core's registry.
//
// Who uses it: the conformance runner and tests of single modules. What it must not know: core headers, what the module computes.
#pragma once

#include "tenon/module/abi.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::conformance {

// Where a module's kernels run, where that is not the host: device 0 of a backend.
struct DeviceTarget {
    const TnBackend* backend = nullptr; // null: the host, or a device that is only described
    std::string name;                   // of the backend; empty: the host
    std::string json;
    std::string fingerprint;
    std::string absent; // why nothing can run: kernels are then compiled for `json`, a device of the past
};

// The tables under test. A tool that has its own loader fills this in by hand.
struct ModuleTables {
    std::string name;
    std::vector<const TnTacticProvider*> providers;
    std::vector<const TnKernelRuntime*> runtimes;
    DeviceTarget device;

    const TnKernelRuntime* runtime(const std::string& runtimeName) const;
};

// Opens, initialises and, when destroyed, shuts down. The library itself stays open.
class LoadedModule {
public:
    // Null with the reason in `error`.
    static std::unique_ptr<LoadedModule> open(const std::string& path, std::string& error);
    ~LoadedModule();
    LoadedModule(const LoadedModule&) = delete;
    LoadedModule& operator=(const LoadedModule&) = delete;

    const ModuleTables& tables() const { return mTables; }
    // For a module that computes on another module's backend: cublaslt on that of cuda. `backend` must outlive this.
    void runOn(const LoadedModule& backend) { mTables.device = backend.mTables.device; }

private:
    LoadedModule() = default;
    const TnModule* mModule = nullptr;
    void* mSelf = nullptr;
    TnHost mHost{};
    TnRegistrar mRegistrar{};
    ModuleTables mTables;
};

} // namespace tenon::conformance
