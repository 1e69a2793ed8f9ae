#include "core/api/plugin_registry.h"

#include "registry/module_registry.h"

#include <algorithm>
#include <cstring>

namespace tenon::api {

using nvinfer1::ErrorCode;
using nvinfer1::IPluginCreator;
using nvinfer1::IPluginCreatorInterface;
using nvinfer1::IPluginCreatorV3One;
using support::cat;
using support::Result;

namespace {

std::string text(const char* value) { return value == nullptr ? std::string() : std::string(value); }

// Tells a plugin library where its host logs.
class LoggerFinder final : public nvinfer1::ILoggerFinder {
public:
    nvinfer1::ILogger* findLogger() override { return tenon_getLogger(); }
};

bool isKind(IPluginCreatorInterface* creator, const char* kind) noexcept {
    return creator != nullptr && std::strcmp(creator->getInterfaceInfo().kind, kind) == 0;
}

} // namespace

PluginRegistry& PluginRegistry::process() {
    static auto* registry = new PluginRegistry(); // never destroyed: see the header
    return *registry;
}

IPluginCreator* PluginRegistry::asV1(IPluginCreatorInterface* creator) noexcept {
    return isKind(creator, "PLUGIN CREATOR_V1") ? static_cast<IPluginCreator*>(creator) : nullptr;
}

IPluginCreatorV3One* PluginRegistry::asV3(IPluginCreatorInterface* creator) noexcept {
    return isKind(creator, "PLUGIN CREATOR_V3ONE") ? static_cast<IPluginCreatorV3One*>(creator) : nullptr;
}

PluginRegistry::Identity PluginRegistry::identityOf(IPluginCreatorInterface& creator) {
    if (IPluginCreator* first = asV1(&creator); first != nullptr) {
        return {text(first->getPluginName()), text(first->getPluginVersion()), text(first->getPluginNamespace())};
    }
    if (IPluginCreatorV3One* third = asV3(&creator); third != nullptr) {
        return {text(third->getPluginName()), text(third->getPluginVersion()), text(third->getPluginNamespace())};
    }
    return {};
}

void PluginRegistry::report(ErrorCode code, std::string_view message) const noexcept {
    try {
        if (nvinfer1::ILogger* logger = tenon_getLogger(); logger != nullptr) {
            Reporter reporter(*logger);
            reporter.setRecorder(mRecorder);
            reporter.error(code, message);
            return;
        }
        support::defaultLogger().error(message);
        if (mRecorder != nullptr) {
            mRecorder->reportError(code,
                                   std::string(message.substr(0, nvinfer1::IErrorRecorder::kMAX_DESC_LENGTH)).c_str());
        }
    } catch (...) {
        support::defaultLogger().log(support::Severity::kError, "out of memory in the plugin registry");
    }
}

// ---- creators -------------------------------------------------------------------------------------------------------

bool PluginRegistry::add(IPluginCreatorInterface& creator, const char* pluginNamespace) {
    if (IPluginCreator* first = asV1(&creator); first != nullptr && pluginNamespace != nullptr) {
        first->setPluginNamespace(pluginNamespace);
    }
    Identity identity = identityOf(creator);
    if (identity.name.empty()) {
        report(ErrorCode::kINVALID_ARGUMENT,
               cat("IPluginRegistry::registerCreator: a creator of kind '", creator.getInterfaceInfo().kind,
                   "' has no name or is of a kind that is not known"));
        return false;
    }
    if (asV3(&creator) != nullptr && pluginNamespace != nullptr && *pluginNamespace != '\0') {
        identity.pluginNamespace = pluginNamespace;
    }
    const auto [entry, added] = mEntries.emplace(identity, Entry{&creator, mOpening});
    if (!added && entry->second.creator != &creator) {
        report(ErrorCode::kINVALID_STATE,
               cat("IPluginRegistry::registerCreator: there is already a creator '", identity.name, "' version '",
                   identity.version, "' in namespace '", identity.pluginNamespace, "'"));
        return false;
    }
    return added;
}

bool PluginRegistry::remove(const IPluginCreatorInterface* creator) {
    const auto found = std::find_if(mEntries.begin(), mEntries.end(),
                                    [creator](const auto& entry) { return entry.second.creator == creator; });
    if (found == mEntries.end()) {
        return false;
    }
    mEntries.erase(found);
    return true;
}

bool PluginRegistry::registerCreator(IPluginCreatorInterface& creator, char const* const pluginNamespace) noexcept {
    try {
        const std::lock_guard<std::recursive_mutex> lock(mMutex);
        return add(creator, pluginNamespace);
    } catch (...) {
        report(ErrorCode::kFAILED_ALLOCATION, "IPluginRegistry::registerCreator: out of memory");
        return false;
    }
}

bool PluginRegistry::registerCreator(IPluginCreator& creator, char const* const pluginNamespace) noexcept {
    return registerCreator(static_cast<IPluginCreatorInterface&>(creator), pluginNamespace);
}

bool PluginRegistry::deregisterCreator(IPluginCreatorInterface const& creator) noexcept {
    const std::lock_guard<std::recursive_mutex> lock(mMutex);
    return remove(&creator);
}

bool PluginRegistry::deregisterCreator(IPluginCreator const& creator) noexcept {
    return deregisterCreator(static_cast<IPluginCreatorInterface const&>(creator));
}

std::shared_ptr<const registry::RegistrySnapshot> PluginRegistry::modules() {
    return registry::ModuleRegistry::process().snapshot(registry::Purpose::kRun);
}

void PluginRegistry::addModuleCreators(const registry::RegistrySnapshot& modules) {
    for (const registry::PluginCreatorEntry& entry : modules.creators()) {
        auto* creator = static_cast<IPluginCreatorInterface*>(entry.table.creator);
        const bool known = std::any_of(mEntries.begin(), mEntries.end(),
                                       [creator](const auto& other) { return other.second.creator == creator; });
        if (!known) {
            add(*creator, entry.pluginNamespace.c_str());
        }
    }
}

void PluginRegistry::refreshLists(const registry::RegistrySnapshot& modules) const {
    const_cast<PluginRegistry*>(this)->addModuleCreators(modules);
    mListV1.clear();
    mListAll.clear();
    for (const auto& [identity, entry] : mEntries) {
        mListAll.push_back(entry.creator);
        if (IPluginCreator* first = asV1(entry.creator); first != nullptr) {
            mListV1.push_back(first);
        }
    }
}

IPluginCreatorInterface* const* PluginRegistry::getAllCreators(int32_t* const numCreators) const noexcept {
    try {
        const auto snapshot = modules();
        const std::lock_guard<std::recursive_mutex> lock(mMutex);
        refreshLists(*snapshot);
        if (numCreators != nullptr) {
            *numCreators = static_cast<int32_t>(mListAll.size());
        }
        return mListAll.data();
    } catch (...) {
        report(ErrorCode::kFAILED_ALLOCATION, "IPluginRegistry::getAllCreators: out of memory");
        return nullptr;
    }
}

IPluginCreatorInterface* const* PluginRegistry::getAllCreatorsRecursive(int32_t* const numCreators) noexcept {
    return getAllCreators(numCreators);
}

IPluginCreator* const* PluginRegistry::getPluginCreatorList(int32_t* const numCreators) const noexcept {
    try {
        const auto snapshot = modules();
        const std::lock_guard<std::recursive_mutex> lock(mMutex);
        refreshLists(*snapshot);
        if (numCreators != nullptr) {
            *numCreators = static_cast<int32_t>(mListV1.size());
        }
        return mListV1.data();
    } catch (...) {
        report(ErrorCode::kFAILED_ALLOCATION, "IPluginRegistry::getPluginCreatorList: out of memory");
        return nullptr;
    }
}

IPluginCreatorInterface* PluginRegistry::getCreator(char const* const pluginName, char const* const pluginVersion,
                                                    char const* const pluginNamespace) noexcept {
    try {
        const auto snapshot = modules();
        const std::lock_guard<std::recursive_mutex> lock(mMutex);
        addModuleCreators(*snapshot);
        const auto found = mEntries.find({text(pluginName), text(pluginVersion), text(pluginNamespace)});
        return found == mEntries.end() ? nullptr : found->second.creator;
    } catch (...) {
        report(ErrorCode::kFAILED_ALLOCATION, "IPluginRegistry::getCreator: out of memory");
        return nullptr;
    }
}

IPluginCreator* PluginRegistry::getPluginCreator(char const* const pluginName, char const* const pluginVersion,
                                                 char const* const pluginNamespace) noexcept {
    return asV1(getCreator(pluginName, pluginVersion, pluginNamespace));
}

Result<IPluginCreatorInterface*> PluginRegistry::require(const std::string& name, const std::string& version,
                                                         const std::string& pluginNamespace) {
    if (IPluginCreatorInterface* found = getCreator(name.c_str(), version.c_str(), pluginNamespace.c_str());
        found != nullptr) {
        return found;
    }
    const std::lock_guard<std::recursive_mutex> lock(mMutex);
    std::string others;
    for (const auto& [identity, entry] : mEntries) {
        if (identity.name == name) {
            others += cat(others.empty() ? "; of that name there is version '" : ", '", identity.version,
                          "' in namespace '", identity.pluginNamespace, "'");
        }
    }
    return support::makeError(support::Code::kEnvironment, "no plugin creator '", name, "' version '", version,
                              "' in namespace '", pluginNamespace, "' is registered", others,
                              "; load the library that has it (IPluginRegistry::loadLibrary, --plugins=)");
}

// ---- libraries ------------------------------------------------------------------------------------------------------

nvinfer1::IPluginRegistry::PluginLibraryHandle PluginRegistry::loadLibrary(char const* pluginPath) noexcept {
    try {
        if (pluginPath == nullptr || *pluginPath == '\0') {
            report(ErrorCode::kINVALID_ARGUMENT, "IPluginRegistry::loadLibrary: the path is empty");
            return nullptr;
        }
        const std::lock_guard<std::recursive_mutex> lock(mMutex);
        auto library = std::make_unique<Library>();
        const PluginLibraryHandle handle = library.get();
        mOpening = handle; // static registrars run while the file opens
        Result<std::shared_ptr<const registry::SharedLibrary>> file = registry::loadPluginLibrary(pluginPath);
        if (!file) {
            mOpening = nullptr;
            report(errorCodeOf(file.code()),
                   cat("plugin library '", pluginPath, "' cannot be loaded: ", file.status().message()));
            return nullptr;
        }
        library->file = std::move(file).value();
        for (const auto& other : mLibraries) {
            if (other->file->path() == library->file->path()) {
                mOpening = nullptr;
                return other.get();
            }
        }
        static LoggerFinder finder;
        if (auto set = library->file->function<void (*)(nvinfer1::ILoggerFinder*)>("setLoggerFinder"); set != nullptr) {
            set(&finder);
        }
        // A library may list its creators instead of, or besides, registering them.
        int32_t count = 0;
        if (auto list = library->file->function<IPluginCreatorInterface* const* (*)(int32_t&)>("getCreators");
            list != nullptr) {
            IPluginCreatorInterface* const* creators = list(count);
            for (int32_t i = 0; creators != nullptr && i < count; ++i) {
                add(*creators[i], nullptr);
            }
        } else if (auto listV1 = library->file->function<IPluginCreator* const* (*)(int32_t&)>("getPluginCreators");
                   listV1 != nullptr) {
            IPluginCreator* const* creators = listV1(count);
            for (int32_t i = 0; creators != nullptr && i < count; ++i) {
                add(*creators[i], nullptr);
            }
        }
        mOpening = nullptr;
        const bool any = std::any_of(mEntries.begin(), mEntries.end(),
                                     [handle](const auto& entry) { return entry.second.library == handle; });
        if (!any) {
            report(ErrorCode::kINVALID_ARGUMENT,
                   cat("plugin library '", pluginPath,
                       "' was opened but brought no new creator: it exports neither getCreators nor "
                       "getPluginCreators and registered none"));
            return nullptr;
        }
        mLibraries.push_back(std::move(library));
        return handle;
    } catch (...) {
        mOpening = nullptr;
        report(ErrorCode::kFAILED_ALLOCATION, "IPluginRegistry::loadLibrary: out of memory");
        return nullptr;
    }
}

void PluginRegistry::deregisterLibrary(PluginLibraryHandle handle) noexcept {
    const std::lock_guard<std::recursive_mutex> lock(mMutex);
    for (auto entry = mEntries.begin(); entry != mEntries.end();) {
        entry = handle != nullptr && entry->second.library == handle ? mEntries.erase(entry) : std::next(entry);
    }
    mLibraries.erase(std::remove_if(mLibraries.begin(), mLibraries.end(),
                                    [handle](const auto& library) { return library.get() == handle; }),
                     mLibraries.end());
}

// ---- recorder and resources -----------------------------------------------------------------------------------------

void PluginRegistry::setErrorRecorder(nvinfer1::IErrorRecorder* const recorder) noexcept {
    const std::lock_guard<std::recursive_mutex> lock(mMutex);
    if (recorder != nullptr) {
        recorder->incRefCount();
    }
    if (mRecorder != nullptr) {
        mRecorder->decRefCount();
    }
    mRecorder = recorder;
}

nvinfer1::IErrorRecorder* PluginRegistry::getErrorRecorder() const noexcept {
    const std::lock_guard<std::recursive_mutex> lock(mMutex);
    return mRecorder;
}

nvinfer1::IPluginResource* PluginRegistry::acquirePluginResource(char const* key,
                                                                 nvinfer1::IPluginResource* resource) noexcept {
    try {
        if (key == nullptr || resource == nullptr) {
            report(ErrorCode::kINVALID_ARGUMENT, "IPluginRegistry::acquirePluginResource: key or resource is null");
            return nullptr;
        }
        const std::lock_guard<std::recursive_mutex> lock(mMutex);
        Resource& entry = mResources[key];
        if (entry.clone == nullptr) {
            entry.clone = resource->clone();
            if (entry.clone == nullptr) {
                mResources.erase(key);
                report(ErrorCode::kFAILED_INITIALIZATION,
                       cat("IPluginRegistry::acquirePluginResource: the resource '", key, "' could not be cloned"));
                return nullptr;
            }
        }
        ++entry.uses;
        return entry.clone;
    } catch (...) {
        report(ErrorCode::kFAILED_ALLOCATION, "IPluginRegistry::acquirePluginResource: out of memory");
        return nullptr;
    }
}

int32_t PluginRegistry::releasePluginResource(char const* key) noexcept {
    const std::lock_guard<std::recursive_mutex> lock(mMutex);
    const auto found = key == nullptr ? mResources.end() : mResources.find(key);
    if (found == mResources.end()) {
        return -1;
    }
    if (--found->second.uses > 0) {
        return 0;
    }
    nvinfer1::IPluginResource* clone = found->second.clone;
    mResources.erase(found);
    const int32_t result = clone->release();
    delete clone;
    return result;
}

} // namespace tenon::api

extern "C" nvinfer1::IPluginRegistry* tenon_getPluginRegistry() noexcept {
    return &tenon::api::PluginRegistry::process();
}
