// The modules of a process: finds them, loads them, and publishes what they offer as snapshots.
// Used by the API, the tools and the tests. The one place with state that outlives a builder or an engine.
#pragma once

#include "core/support/log.h"
#include "core/support/status.h"
#include "registry/module_finder.h"
#include "registry/registry_snapshot.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tenon::registry {

class HostLog;

/// What the modules are needed for. Running a plan opens no library that can only build (providers, parsers): a
/// manifest that lists what its module provides says which those are.
enum class Purpose { kRun, kBuild };

/// What became of one module that was found or asked for.
struct ModuleReport {
    enum class State { kLoaded, kSkipped, kLeftOut, kDeferred };
    State state = State::kSkipped;
    std::string name; ///< empty where it is not known
    std::string version;
    std::string path;   ///< of the library if it was loaded, else of the manifest, library or folder
    std::string reason; ///< empty when loaded
    std::string remedy;
    std::vector<std::string> provides; ///< as its manifest says
};

struct RegistryOptions {
    std::vector<SearchFolder> folders;
    ModuleFilter filter;
    support::Logger logger = support::defaultLogger();
};

/// Thread-safe. Modules stay initialised until the last snapshot that has them is gone.
class ModuleRegistry {
public:
    explicit ModuleRegistry(RegistryOptions options);
    ModuleRegistry(const ModuleRegistry&) = delete;
    ModuleRegistry& operator=(const ModuleRegistry&) = delete;
    /// As `shutdown`.
    ~ModuleRegistry();

    /// The registry of this process, with the default folders and TENON_MODULES. Made on first use, never destroyed:
    /// engines may live in globals of a program and end after main.
    static ModuleRegistry& process();
    /// Options as `process` has them: folders and filter from the environment unless it is not to be trusted. A filter
    /// that cannot be read is reported through `logger` and ignored.
    static RegistryOptions defaultOptions(support::Logger logger);

    /// What is registered. The first call of a purpose searches the folders and loads what it needs; every module that
    /// is skipped gives one warning. Never fails: without modules there are the built-ins.
    std::shared_ptr<const RegistrySnapshot> snapshot(Purpose purpose = Purpose::kBuild);

    /// The same for who knows what it needs, as manifests list it: "runtime:cpu"; "backend:" stands for every backend. Modules that
    /// provide none of it stay closed, and cost no memory, unless their manifest does not say what they provide.
    std::shared_ptr<const RegistrySnapshot> snapshotWith(const std::vector<std::string>& entries);

    /// Loads a module by the path of its manifest or library, whatever TENON_MODULES says. Ok when it is loaded already
    /// from the same file. Snapshots taken before do not change.
    support::Status load(const std::string& path);

    /// Registers what the process itself brings (see RegistrySnapshot::withInProcess), for all later snapshots.
    support::Status addInProcess(const std::vector<TnTacticProvider>& providers,
                                 const std::vector<TnKernelRuntime>& runtimes, std::shared_ptr<const void> owner);

    /// Everything that was looked at so far, in that order.
    std::vector<ModuleReport> report() const;

    /// Where warnings and the modules' own lines go from now on. The sink must live until it is replaced.
    void setLogger(support::Logger logger);

    /// Lets go of all modules; each is shut down when no snapshot has it any more, the last loaded first. Later
    /// snapshots have the built-ins only.
    void shutdown();

private:
    struct State;
    std::unique_ptr<State> mState;
};

} // namespace tenon::registry
