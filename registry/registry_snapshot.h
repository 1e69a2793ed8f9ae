// What the loaded modules offer, at one moment: immutable, so that a builder or an engine that started with one set of
// modules finishes with it. Used by the scheduler, the runtime, the parser's loader and the API. Knows tables, not files.
#pragma once

#include "core/ops/op_registry.h"
#include "core/support/status.h"
#include "tenon/module/abi.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::registry {

/// Keeps a module initialised. Entries hold one; null for what is built in.
using ModuleOwner = std::shared_ptr<const void>;

/// Where an entry came from.
struct EntryOrigin {
    std::string module; ///< its name; "host" for what is built in, "in-process" for what the API added
    std::string moduleVersion;
    uint32_t opSet = TN_OP_SET; ///< that the module was compiled against
    int32_t libraries = 0;      ///< of others, that the module opens by its manifest
    ModuleOwner owner;
};

/// Tables are the host's completed copies (see table_check.h): every member may be read; optional ones may be null.
struct ProviderEntry {
    std::string name;
    std::string version;
    int32_t rank = 0;
    EntryOrigin origin;
    TnTacticProvider table{};
};

struct RuntimeEntry {
    std::string name;
    uint32_t blobMin = 0;
    uint32_t blobMax = 0;
    EntryOrigin origin;
    TnKernelRuntime table{};
};

struct BackendEntry {
    std::string name;
    std::string version;
    EntryOrigin origin;
    TnBackend table{};
};

struct ParserEntry {
    std::string format;
    EntryOrigin origin;
    TnParser table{};
};

struct ImporterEntry {
    std::string domain; ///< "" is the standard domain
    std::string op;
    EntryOrigin origin;
    TnOnnxImporter table{};
};

struct PluginCreatorEntry {
    std::string pluginNamespace;
    EntryOrigin origin;
    TnPluginCreator table{};
};

/// A loaded module, for requirements in plans and for reports.
struct ModuleInfo {
    std::string name;
    std::string version;
    std::string path;
    std::string buildId;
    uint32_t abiMinor = 0;
    uint32_t opSet = 0;
    ModuleOwner owner;
};

/// Entries that are to appear together or not at all.
struct SnapshotEntries {
    std::vector<ProviderEntry> providers;
    std::vector<RuntimeEntry> runtimes;
    std::vector<BackendEntry> backends;
    std::vector<ops::OpDef> ops;
    std::vector<ParserEntry> parsers;
    std::vector<ImporterEntry> importers;
    std::vector<PluginCreatorEntry> creators;
    std::vector<ModuleInfo> modules;
};

/// Immutable and thread-safe. References to entries live as long as the snapshot.
class RegistrySnapshot {
public:
    /// Host memory, the built-in ops, and nothing else.
    static std::shared_ptr<const RegistrySnapshot> builtin();

    /// This snapshot and more. kInvalidArgument when a name is taken; this snapshot never changes.
    support::Result<std::shared_ptr<const RegistrySnapshot>> with(SnapshotEntries added) const;
    /// The same for entries that the process made itself (adapters of API objects, test providers): fills in their
    /// origin, completes and checks their tables. `owner` keeps alive what the tables point to.
    support::Result<std::shared_ptr<const RegistrySnapshot>>
    withInProcess(const std::vector<TnTacticProvider>& providers, const std::vector<TnKernelRuntime>& runtimes,
                  ModuleOwner owner) const;

    /// By name.
    const std::vector<ProviderEntry>& providers() const { return mEntries.providers; }
    /// By name, then blob versions.
    const std::vector<RuntimeEntry>& runtimes() const { return mEntries.runtimes; }
    /// "host" first, then by name.
    const std::vector<BackendEntry>& backends() const { return mEntries.backends; }
    const std::vector<ParserEntry>& parsers() const { return mEntries.parsers; }
    /// By domain and op, the highest rank first.
    const std::vector<ImporterEntry>& importers() const { return mEntries.importers; }
    const std::vector<PluginCreatorEntry>& creators() const { return mEntries.creators; }
    /// In the order of loading.
    const std::vector<ModuleInfo>& modules() const { return mEntries.modules; }
    /// Made when somebody asks, unless modules bring ops: running a plan needs none.
    const ops::OpRegistry& ops() const;
    std::shared_ptr<const ops::OpRegistry> opsPtr() const;

    /// Each null when there is none.
    const ProviderEntry* provider(std::string_view name) const;
    const RuntimeEntry* runtime(std::string_view name, uint32_t blobVersion) const;
    const BackendEntry* backend(std::string_view name) const;
    const ParserEntry* parser(std::string_view format) const;
    const ModuleInfo* module(std::string_view name) const;
    /// The importer of highest rank for an op at an opset.
    const ImporterEntry* importer(std::string_view domain, std::string_view op, int64_t opset) const;

    /// The runtime that a plan needs, or an error that says what is there instead: kEnvironment, naming module and
    /// blob version.
    support::Result<const RuntimeEntry*> requireRuntime(std::string_view name, uint32_t blobVersion,
                                                        std::string_view moduleHint = {}) const;

    RegistrySnapshot(const RegistrySnapshot&) = delete;
    RegistrySnapshot& operator=(const RegistrySnapshot&) = delete;
    ~RegistrySnapshot();

private:
    RegistrySnapshot() = default;
    support::Status finish();

    SnapshotEntries mEntries;
    std::shared_ptr<const ops::OpRegistry> mOps;
};

} // namespace tenon::registry
