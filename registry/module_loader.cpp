#include "registry/module_loader.h"

#include "core/support/build_info.h"
#include "registry/registration.h"
#include "registry/table_check.h"
#include "registry/text_sink.h"

#include <cstddef>
#include <exception>

namespace tenon::registry {

using support::cat;
using support::Code;
using support::Result;

namespace {

// An initialised module; going away means shutdown. The library stays open.
struct LiveModule {
    LiveModule(std::string name, std::shared_ptr<HostLog> log, HostApi::CurrentSnapshot current)
        : host(std::move(name), std::move(log), std::move(current)) {}
    LiveModule(const LiveModule&) = delete;
    LiveModule& operator=(const LiveModule&) = delete;
    ~LiveModule() {
        if (shutdown != nullptr) {
            try {
                shutdown(self);
            } catch (...) { // nothing can be done about a module that fails to leave
            }
        }
    }

    HostApi host;
    std::shared_ptr<const SharedLibrary> library;
    void* self = nullptr;
    void (*shutdown)(void*) = nullptr;
};

bool fail(LoadFailure& why, Code code, std::string reason, std::string remedy) {
    why.code = code;
    why.reason = std::move(reason);
    why.remedy = std::move(remedy);
    return false;
}

// What to do about a library that the linker could not open.
std::string remedyFor(std::string_view linkerMessage) {
    constexpr std::string_view kMissing = " is missing";
    if (linkerMessage.ends_with(kMissing)) {
        linkerMessage.remove_suffix(kMissing.size());
        return cat("`apt-file search ", linkerMessage, "` names its package");
    }
    if (linkerMessage.find("undefined symbol") != std::string_view::npos) {
        return "rebuild the module against the libraries of this machine";
    }
    return "install the module again";
}

std::string quoted(TnString text) { return cat("'", toView(text), "'"); }

// The manifest is what the host believed before opening the library; a library that says something else is another one.
bool agrees(const ModuleManifest& manifest, const TnModule& table, LoadFailure& why) {
    const auto differ = [&](std::string_view what, std::string_view inManifest, std::string_view inLibrary) {
        return fail(why, Code::kInvalidFile,
                    cat("its manifest ", manifest.path, " says ", what, " '", inManifest, "', the library says '",
                        inLibrary, "'"),
                    "install manifest and library together");
    };
    if (manifest.name != toView(table.name)) {
        return differ("name", manifest.name, toView(table.name));
    }
    if (manifest.version != toView(table.version)) {
        return differ("version", manifest.version, toView(table.version));
    }
    if (!manifest.buildId.empty() && table.build_id.size > 0 && manifest.buildId != toView(table.build_id)) {
        return differ("build id", manifest.buildId, toView(table.build_id));
    }
    const std::string inManifest = cat(manifest.abiMajor, ".", manifest.abiMinor);
    const std::string inLibrary = cat(table.abi_major, ".", table.abi_minor);
    return inManifest == inLibrary || differ("ABI", inManifest, inLibrary);
}

} // namespace

std::string LoadFailure::toString() const { return cat(path, ": ", reason, "; ", remedy); }

bool OpenedModule::open(const std::string& libraryPath, const ModuleManifest* manifest, OpenedModule& opened,
                        LoadFailure& why) {
    why = {};
    why.path = libraryPath;
    why.name = manifest != nullptr ? manifest->name : std::string();
    Result<std::shared_ptr<const SharedLibrary>> library = SharedLibrary::open(libraryPath);
    if (!library.ok()) {
        const std::string& message = library.status().message();
        const bool notThere = library.code() == Code::kNotFound;
        return fail(why, library.code(), message, notThere ? "check the path" : remedyFor(message));
    }
    const auto query = (*library)->function<TnModuleQuery>(TN_MODULE_QUERY_SYMBOL);
    if (query == nullptr) {
        return fail(why, Code::kInvalidFile,
                    cat("it does not export '", TN_MODULE_QUERY_SYMBOL, "', so it is no Tenon module"),
                    "build it with tenon_add_module(), or load it with --plugins (IPluginRegistry::loadLibrary)");
    }
    const TnHostInfo info = hostInfo();
    const TnModule* table = nullptr;
    try {
        table = query(&info);
    } catch (...) {
        return fail(why, Code::kInternal, cat("its '", TN_MODULE_QUERY_SYMBOL, "' threw an exception"),
                    "report this to the module's author");
    }
    const std::string host = cat("this Tenon ", support::versionText(), " has ", TN_ABI_MAJOR, ".", TN_ABI_MINOR);
    if (table == nullptr) {
        return fail(why, Code::kEnvironment, cat("it refuses this host as too old (", host, ")"),
                    "update Tenon, or install an older version of the module");
    }
    // Only the head of the table is the same in every major version.
    if (table->struct_size < offsetof(TnModule, op_set) || table->abi_major != TN_ABI_MAJOR) {
        const bool newer = table->abi_major > TN_ABI_MAJOR;
        return fail(why, Code::kEnvironment,
                    cat("it was built for module ABI ", table->abi_major, ".", table->abi_minor, ", ", host),
                    newer ? "update Tenon, or install an older version of the module"
                          : "install a newer version of the module, or rebuild it");
    }
    opened.mTable = completed(*table);
    if (const support::Status status = checkTable(opened.mTable); !status.ok()) {
        return fail(why, Code::kInvalidFile, status.message(), "report this to the module's author");
    }
    why.name = toView(opened.mTable.name);
    if (toView(opened.mTable.sanitizer) != support::sanitizerText()) {
        return fail(why, Code::kEnvironment,
                    cat("it was built with sanitizer ", quoted(opened.mTable.sanitizer), ", this Tenon with '",
                        support::sanitizerText(), "'"),
                    "build both with the same TENON_SANITIZE");
    }
    if (manifest != nullptr && !agrees(*manifest, opened.mTable, why)) {
        return false;
    }
    opened.mLibrary = std::move(library).value();
    opened.mName = why.name;
    opened.mLibraryCount = manifest != nullptr ? manifest->libraryCount() : 0;
    return true;
}

bool OpenedModule::initialise(const std::shared_ptr<HostLog>& log, const HostApi::CurrentSnapshot& current,
                              SnapshotEntries& entries, LoadFailure& why) const {
    why = {};
    why.name = mName;
    why.path = path();
    const auto live = std::make_shared<LiveModule>(mName, log, current);
    live->library = mLibrary;
    EntryOrigin origin;
    origin.module = mName;
    origin.moduleVersion = toView(mTable.version);
    origin.opSet = mTable.op_set;
    origin.libraries = mLibraryCount;
    origin.owner = live;
    Registration registration(std::move(origin));
    TextSink reason;
    TnCode code = TN_INTERNAL;
    try {
        code = mTable.init(live->host.table(), registration.table(), &live->self, reason.sink());
    } catch (const std::exception& error) {
        return fail(why, Code::kInternal, cat("its init threw an exception: ", error.what()),
                    "report this to the module's author");
    } catch (...) {
        return fail(why, Code::kInternal, "its init threw an exception", "report this to the module's author");
    }
    if (code == TN_OK) {
        live->shutdown = mTable.shutdown; // from here on it is initialised, whatever else is wrong
    }
    if (!registration.status().ok()) {
        return fail(why, Code::kInvalidFile, registration.status().message(), "report this to the module's author");
    }
    if (code != TN_OK) {
        const bool silent = reason.text().empty();
        return fail(why, Code::kEnvironment,
                    cat("its init failed: ", reason.textOr(cat("it gave no reason (code ", code, ")"))),
                    silent ? "report this to the module's author"
                           : cat("do what it says, or leave it out with TENON_MODULES=-", mName));
    }
    entries = registration.take();
    ModuleInfo info;
    info.name = mName;
    info.version = toView(mTable.version);
    info.path = path();
    info.buildId = toView(mTable.build_id);
    info.abiMinor = mTable.abi_minor;
    info.opSet = mTable.op_set;
    info.owner = live;
    entries.modules.push_back(std::move(info));
    return true;
}

} // namespace tenon::registry
