#include "registry/registry_snapshot.h"

#include "registry/host_backend.h"
#include "registry/table_check.h"
#include "registry/text_sink.h"

#include <algorithm>
#include <tuple>

namespace tenon::registry {

using support::cat;
using support::Code;
using support::invalidArgument;
using support::Result;
using support::Status;

namespace {

template <class Entry>
void append(std::vector<Entry>& to, std::vector<Entry>& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

Status taken(std::string_view kind, const std::string& name, const EntryOrigin& by, const EntryOrigin& wanted) {
    return invalidArgument("the ", kind, " '", name, "' of module '", wanted.module,
                           "' is already registered by module '", by.module, "'");
}

// Sorted by `less`; neighbours that `clash` are an error.
template <class Entry, class Less, class Clash>
Status sortUnique(std::vector<Entry>& entries, std::string_view kind, std::string Entry::*name, Less less,
                  Clash clash) {
    std::stable_sort(entries.begin(), entries.end(), less);
    for (size_t i = 1; i < entries.size(); ++i) {
        if (clash(entries[i - 1], entries[i])) {
            return taken(kind, entries[i].*name, entries[i - 1].origin, entries[i].origin);
        }
    }
    return {};
}

} // namespace

std::shared_ptr<const RegistrySnapshot> RegistrySnapshot::builtin() {
    std::shared_ptr<RegistrySnapshot> snapshot(new RegistrySnapshot());
    BackendEntry host;
    host.table = hostBackendTable();
    host.name = toView(host.table.name);
    host.version = toView(host.table.version);
    host.origin.module = "host";
    snapshot->mEntries.backends.push_back(std::move(host));
    // Nothing here can clash.
    static_cast<void>(snapshot->finish());
    return snapshot;
}

// Newest first, so that what depends on another module goes before it.
RegistrySnapshot::~RegistrySnapshot() {
    mEntries.creators.clear();
    mEntries.importers.clear();
    mEntries.parsers.clear();
    mEntries.ops.clear();
    mOps.reset();
    mEntries.backends.clear();
    mEntries.runtimes.clear();
    mEntries.providers.clear();
    while (!mEntries.modules.empty()) {
        mEntries.modules.pop_back();
    }
}

Result<std::shared_ptr<const RegistrySnapshot>> RegistrySnapshot::with(SnapshotEntries added) const {
    std::shared_ptr<RegistrySnapshot> next(new RegistrySnapshot());
    next->mEntries = mEntries;
    append(next->mEntries.providers, added.providers);
    append(next->mEntries.runtimes, added.runtimes);
    append(next->mEntries.backends, added.backends);
    append(next->mEntries.ops, added.ops);
    append(next->mEntries.parsers, added.parsers);
    append(next->mEntries.importers, added.importers);
    append(next->mEntries.creators, added.creators);
    append(next->mEntries.modules, added.modules);
    TN_RETURN_IF_ERROR(next->finish());
    return std::shared_ptr<const RegistrySnapshot>(std::move(next));
}

Result<std::shared_ptr<const RegistrySnapshot>>
RegistrySnapshot::withInProcess(const std::vector<TnTacticProvider>& providers,
                                const std::vector<TnKernelRuntime>& runtimes, ModuleOwner owner) const {
    EntryOrigin origin;
    origin.module = "in-process";
    origin.owner = std::move(owner);
    SnapshotEntries added;
    for (const TnTacticProvider& from : providers) {
        const TnTacticProvider table = completed(from);
        TN_RETURN_IF_ERROR(checkTable(table));
        added.providers.push_back(
            {std::string(toView(table.name)), std::string(toView(table.version)), table.rank, origin, table});
    }
    for (const TnKernelRuntime& from : runtimes) {
        const TnKernelRuntime table = completed(from);
        TN_RETURN_IF_ERROR(checkTable(table));
        added.runtimes.push_back({std::string(toView(table.name)), table.blob_min, table.blob_max, origin, table});
    }
    return with(std::move(added));
}

// Sorts, finds clashes, makes the op registry.
Status RegistrySnapshot::finish() {
    TN_RETURN_IF_ERROR(sortUnique(
        mEntries.providers, "tactic provider", &ProviderEntry::name,
        [](const ProviderEntry& a, const ProviderEntry& b) { return a.name < b.name; },
        [](const ProviderEntry& a, const ProviderEntry& b) { return a.name == b.name; }));
    TN_RETURN_IF_ERROR(sortUnique(
        mEntries.runtimes, "kernel runtime", &RuntimeEntry::name,
        [](const RuntimeEntry& a, const RuntimeEntry& b) {
            return std::tie(a.name, a.blobMin) < std::tie(b.name, b.blobMin);
        },
        [](const RuntimeEntry& a, const RuntimeEntry& b) { return a.name == b.name && b.blobMin <= a.blobMax; }));
    TN_RETURN_IF_ERROR(sortUnique(
        mEntries.backends, "backend", &BackendEntry::name,
        [](const BackendEntry& a, const BackendEntry& b) {
            return std::make_tuple(a.name != "host", a.name) < std::make_tuple(b.name != "host", b.name);
        },
        [](const BackendEntry& a, const BackendEntry& b) { return a.name == b.name; }));
    TN_RETURN_IF_ERROR(sortUnique(
        mEntries.parsers, "parser of format", &ParserEntry::format,
        [](const ParserEntry& a, const ParserEntry& b) { return a.format < b.format; },
        [](const ParserEntry& a, const ParserEntry& b) { return a.format == b.format; }));
    // Several importers of one op are what ranks are for.
    TN_RETURN_IF_ERROR(sortUnique(
        mEntries.importers, "importer of", &ImporterEntry::op,
        [](const ImporterEntry& a, const ImporterEntry& b) {
            return std::tie(a.domain, a.op, b.table.rank) < std::tie(b.domain, b.op, a.table.rank);
        },
        [](const ImporterEntry&, const ImporterEntry&) { return false; }));
    if (!mEntries.ops.empty()) {
        TN_ASSIGN_OR_RETURN(mOps, ops::OpRegistry::withExtra(mEntries.ops));
    }
    return {};
}

const ops::OpRegistry& RegistrySnapshot::ops() const { return mOps != nullptr ? *mOps : ops::OpRegistry::builtin(); }

std::shared_ptr<const ops::OpRegistry> RegistrySnapshot::opsPtr() const {
    // The built-in ones live as long as the process.
    return mOps != nullptr
               ? mOps
               : std::shared_ptr<const ops::OpRegistry>(std::shared_ptr<void>(), &ops::OpRegistry::builtin());
}

const ProviderEntry* RegistrySnapshot::provider(std::string_view name) const {
    for (const ProviderEntry& entry : mEntries.providers) {
        if (entry.name == name) {
            return &entry;
        }
    }
    return nullptr;
}

const RuntimeEntry* RegistrySnapshot::runtime(std::string_view name, uint32_t blobVersion) const {
    for (const RuntimeEntry& entry : mEntries.runtimes) {
        if (entry.name == name && blobVersion >= entry.blobMin && blobVersion <= entry.blobMax) {
            return &entry;
        }
    }
    return nullptr;
}

const BackendEntry* RegistrySnapshot::backend(std::string_view name) const {
    for (const BackendEntry& entry : mEntries.backends) {
        if (entry.name == name) {
            return &entry;
        }
    }
    return nullptr;
}

const ParserEntry* RegistrySnapshot::parser(std::string_view format) const {
    for (const ParserEntry& entry : mEntries.parsers) {
        if (entry.format == format) {
            return &entry;
        }
    }
    return nullptr;
}

const ModuleInfo* RegistrySnapshot::module(std::string_view name) const {
    for (const ModuleInfo& entry : mEntries.modules) {
        if (entry.name == name) {
            return &entry;
        }
    }
    return nullptr;
}

const ImporterEntry* RegistrySnapshot::importer(std::string_view domain, std::string_view op, int64_t opset) const {
    for (const ImporterEntry& entry : mEntries.importers) { // the highest rank of an op comes first
        if (entry.domain == domain && entry.op == op && opset >= entry.table.since &&
            (entry.table.until == 0 || opset <= entry.table.until)) {
            return &entry;
        }
    }
    return nullptr;
}

Result<const RuntimeEntry*> RegistrySnapshot::requireRuntime(std::string_view name, uint32_t blobVersion,
                                                             std::string_view moduleHint) const {
    if (const RuntimeEntry* found = runtime(name, blobVersion); found != nullptr) {
        return found;
    }
    std::string others;
    for (const RuntimeEntry& entry : mEntries.runtimes) {
        if (entry.name == name) {
            others += cat(others.empty() ? "" : ", ", "versions ", entry.blobMin, " to ", entry.blobMax, " of module '",
                          entry.origin.module, "' ", entry.origin.moduleVersion);
        }
    }
    const std::string provider = moduleHint.empty() ? std::string() : cat(" (module '", moduleHint, "')");
    if (others.empty()) {
        return support::makeError(Code::kEnvironment, "the kernel runtime '", name, "'", provider,
                                  " is not loaded: install its module where Tenon finds it, or add its folder to "
                                  "TENON_MODULE_PATH; `tenon modules` shows what was found and what was skipped");
    }
    return support::makeError(Code::kEnvironment, "the kernel runtime '", name, "'", provider,
                              " does not read blob version ", blobVersion, " (it reads ", others,
                              "): install the module's version that made the plan, or build the plan again");
}

} // namespace tenon::registry
