#include "registry/module_registry.h"

#include "core/support/env.h"
#include "registry/host_api.h"
#include "registry/module_loader.h"

#include <algorithm>
#include <mutex>
#include <set>

namespace tenon::registry {

using support::cat;
using support::Result;
using support::Status;

struct ModuleRegistry::State {
    explicit State(RegistryOptions given)
        : options(std::move(given)), log(std::make_shared<HostLog>(options.logger)),
          published(std::make_shared<Published>()) {
        published->set(RegistrySnapshot::builtin());
    }

    // The current snapshot, reachable from modules without the lock that a load holds while it calls them.
    struct Published {
        std::shared_ptr<const RegistrySnapshot> get() const {
            const std::lock_guard<std::mutex> guard(mutex);
            return snapshot;
        }
        void set(std::shared_ptr<const RegistrySnapshot> next) {
            // The old one may go here, and shut modules down: outside the lock, because those may ask for the snapshot.
            const std::lock_guard<std::mutex> guard(mutex);
            snapshot.swap(next);
        }
        mutable std::mutex mutex;
        std::shared_ptr<const RegistrySnapshot> snapshot;
    };

    void search();
    void loadWaiting(const std::function<bool(const ModuleManifest&)>& isAskedFor);
    void skip(SkippedModule skipped);
    bool loadFile(const std::string& libraryPath, const ModuleManifest* manifest, LoadFailure& why);

    RegistryOptions options;
    std::shared_ptr<HostLog> log;
    std::shared_ptr<Published> published;

    std::mutex loading; // held while modules are searched for and loaded
    bool searched = false;
    std::vector<ModuleManifest> waiting;       // found, not loaded so far
    std::set<std::string, std::less<>> copied; // names that several manifests have

    mutable std::mutex reporting;
    std::vector<ModuleReport> reports;
};

// One line per module: what, why, and what to do. The report has the rest.
void ModuleRegistry::State::skip(SkippedModule skipped) {
    const std::string subject = skipped.name.empty() ? std::string("module") : cat("module '", skipped.name, "'");
    const std::string place = skipped.path.empty() ? std::string() : cat(" (", skipped.path, ")");
    const std::string reason = skipped.reason.substr(0, skipped.reason.find('\n'));
    const support::Logger logger = log->logger();
    if (skipped.expected) {
        logger.info(subject, place, " is left out: ", reason, "; to change that, ", skipped.remedy);
    } else {
        const bool needsPlace = skipped.name.empty() || copied.contains(skipped.name);
        logger.warning(subject, needsPlace ? place : "", " is skipped: ", reason, "; ", skipped.remedy);
    }
    ModuleReport report;
    report.state = skipped.expected ? ModuleReport::State::kLeftOut : ModuleReport::State::kSkipped;
    report.name = std::move(skipped.name);
    report.path = std::move(skipped.path);
    report.reason = std::move(skipped.reason);
    report.remedy = std::move(skipped.remedy);
    const std::lock_guard<std::mutex> guard(reporting);
    reports.push_back(std::move(report));
}

// Loads and publishes, or says why not.
bool ModuleRegistry::State::loadFile(const std::string& libraryPath, const ModuleManifest* manifest, LoadFailure& why) {
    OpenedModule opened;
    if (!OpenedModule::open(libraryPath, manifest, opened, why)) {
        return false;
    }
    const std::shared_ptr<const RegistrySnapshot> before = published->get();
    if (const ModuleInfo* loaded = before->module(opened.name()); loaded != nullptr) {
        why.code = support::Code::kInvalidArgument;
        why.reason = cat("a module of the name '", opened.name(), "' is already loaded from ", loaded->path);
        why.remedy = cat("rename one of the two, or leave the other out with TENON_MODULES=-", opened.name());
        return loaded->path == opened.path();
    }
    SnapshotEntries entries;
    const auto current = [published =
                              std::weak_ptr<Published>(published)]() -> std::shared_ptr<const RegistrySnapshot> {
        const std::shared_ptr<Published> alive = published.lock();
        return alive != nullptr ? alive->get() : nullptr;
    };
    if (!opened.initialise(log, current, entries, why)) {
        return false;
    }
    const ModuleInfo info = entries.modules.back();
    Result<std::shared_ptr<const RegistrySnapshot>> next = before->with(std::move(entries));
    if (!next.ok()) {
        why.code = next.code();
        why.reason = next.status().message();
        why.remedy = cat("leave one of the two out with TENON_MODULES=-", opened.name());
        return false;
    }
    published->set(std::move(next).value());
    log->logger().verbose("module '", info.name, "' ", info.version, " loaded from ", info.path);
    ModuleReport report;
    report.state = ModuleReport::State::kLoaded;
    report.name = info.name;
    report.version = info.version;
    report.path = info.path;
    if (manifest != nullptr) {
        report.provides = manifest->provides;
    }
    const std::lock_guard<std::mutex> guard(reporting);
    reports.push_back(std::move(report));
    return true;
}

void ModuleRegistry::State::search() {
    if (searched) {
        return;
    }
    searched = true;
    FoundModules found = findModules(options.folders, options.filter);
    copied = std::move(found.copied);
    for (SkippedModule& skipped : found.skipped) {
        skip(std::move(skipped));
    }
    waiting = std::move(found.modules);
}

void ModuleRegistry::State::loadWaiting(const std::function<bool(const ModuleManifest&)>& isAskedFor) {
    // A module comes after those it requires, so going backwards finds what the needed ones need.
    std::set<std::string, std::less<>> required;
    std::vector<bool> needed(waiting.size());
    for (size_t i = waiting.size(); i-- > 0;) {
        const ModuleManifest& manifest = waiting[i];
        needed[i] = isAskedFor(manifest) || required.contains(manifest.name);
        if (needed[i]) {
            const std::vector<std::string> names = manifest.requiredModules();
            required.insert(names.begin(), names.end());
        }
    }
    std::vector<ModuleManifest> later;
    for (size_t i = 0; i < waiting.size(); ++i) {
        if (!needed[i]) {
            later.push_back(std::move(waiting[i]));
            continue;
        }
        const ModuleManifest& manifest = waiting[i];
        const std::shared_ptr<const RegistrySnapshot> snapshot = published->get();
        const std::vector<std::string> names = manifest.requiredModules();
        const auto missing = std::find_if(names.begin(), names.end(),
                                          [&](const std::string& name) { return snapshot->module(name) == nullptr; });
        LoadFailure why;
        if (missing != names.end()) {
            skip({manifest.name, manifest.libraryPath(),
                  cat("it requires the module '", *missing, "', which was skipped"),
                  cat("see the reason given for '", *missing, "'"), false});
        } else if (!loadFile(manifest.libraryPath(), &manifest, why)) {
            skip({manifest.name, manifest.libraryPath(), std::move(why.reason), std::move(why.remedy), false});
        }
    }
    waiting = std::move(later);
}

ModuleRegistry::ModuleRegistry(RegistryOptions options) : mState(std::make_unique<State>(std::move(options))) {}

ModuleRegistry::~ModuleRegistry() { shutdown(); }

RegistryOptions ModuleRegistry::defaultOptions(support::Logger logger) {
    RegistryOptions options;
    options.folders = defaultSearchFolders();
    options.logger = logger;
    if (const std::optional<std::string> text = support::readTrustedEnv("TENON_MODULES")) {
        Result<ModuleFilter> filter = ModuleFilter::parse(*text);
        if (filter.ok()) {
            options.filter = std::move(filter).value();
        } else {
            logger.warning(filter.status().message(), "; the variable is ignored");
        }
    }
    return options;
}

ModuleRegistry& ModuleRegistry::process() {
    static ModuleRegistry* const registry = new ModuleRegistry(defaultOptions(support::defaultLogger()));
    return *registry;
}

std::shared_ptr<const RegistrySnapshot> ModuleRegistry::snapshot(Purpose purpose) {
    const std::lock_guard<std::mutex> guard(mState->loading);
    mState->search();
    mState->loadWaiting([purpose](const ModuleManifest& manifest) {
        return purpose == Purpose::kBuild || manifest.mayProvide("runtime:") || manifest.mayProvide("backend:") ||
               manifest.mayProvide("plugin:");
    });
    return mState->published->get();
}

std::shared_ptr<const RegistrySnapshot> ModuleRegistry::snapshotWith(const std::vector<std::string>& entries) {
    const std::lock_guard<std::mutex> guard(mState->loading);
    mState->search();
    mState->loadWaiting([&](const ModuleManifest& manifest) {
        return manifest.provides.empty() || std::any_of(entries.begin(), entries.end(), [&](const std::string& entry) {
                   return entry.ends_with(':') ? manifest.mayProvide(entry)
                                               : std::find(manifest.provides.begin(), manifest.provides.end(), entry) !=
                                                     manifest.provides.end();
               });
    });
    return mState->published->get();
}

Status ModuleRegistry::load(const std::string& path) {
    const std::lock_guard<std::mutex> guard(mState->loading);
    LoadFailure why;
    if (!path.ends_with(".tenonmod")) {
        if (mState->loadFile(path, nullptr, why)) {
            return {};
        }
    } else {
        TN_ASSIGN_OR_RETURN(const ModuleManifest manifest, readManifest(path).withContext("while loading a module"));
        SkippedModule refusal;
        if (refuseByManifest(manifest, refusal)) {
            why.path = path;
            why.reason = std::move(refusal.reason);
            why.remedy = std::move(refusal.remedy);
        } else if (mState->loadFile(manifest.libraryPath(), &manifest, why)) {
            return {};
        }
    }
    return Status(why.code, cat("cannot load the module ", why.toString()));
}

Status ModuleRegistry::addInProcess(const std::vector<TnTacticProvider>& providers,
                                    const std::vector<TnKernelRuntime>& runtimes, std::shared_ptr<const void> owner) {
    const std::lock_guard<std::mutex> guard(mState->loading);
    TN_ASSIGN_OR_RETURN(std::shared_ptr<const RegistrySnapshot> next,
                        mState->published->get()->withInProcess(providers, runtimes, std::move(owner)));
    mState->published->set(std::move(next));
    return {};
}

std::vector<ModuleReport> ModuleRegistry::report() const {
    std::vector<ModuleReport> out;
    {
        const std::lock_guard<std::mutex> guard(mState->reporting);
        out = mState->reports;
    }
    const std::lock_guard<std::mutex> guard(mState->loading);
    for (const ModuleManifest& manifest : mState->waiting) {
        ModuleReport report;
        report.state = ModuleReport::State::kDeferred;
        report.name = manifest.name;
        report.version = manifest.version;
        report.path = manifest.libraryPath();
        report.reason = "nothing needed it so far";
        report.provides = manifest.provides;
        out.push_back(std::move(report));
    }
    return out;
}

void ModuleRegistry::setLogger(support::Logger logger) { mState->log->setLogger(logger); }

void ModuleRegistry::shutdown() {
    const std::lock_guard<std::mutex> guard(mState->loading);
    mState->searched = true;
    mState->waiting.clear();
    mState->published->set(RegistrySnapshot::builtin());
}

} // namespace tenon::registry
