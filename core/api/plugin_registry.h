// IPluginRegistry's implementation: the creators of this process, of libraries and of modules.
// Used by builders, runtimes, parsers and plugin layers. Thread-safe.
#pragma once

#include "core/api/reporter.h"
#include "registry/shared_library.h"
#include "tenon/plugin.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tenon::registry {
class RegistrySnapshot;
}

namespace tenon::api {

class PluginRegistry final : public nvinfer1::IPluginRegistry {
public:
    // The one of this process. Never destroyed, so that creators in globals may deregister at exit.
    static PluginRegistry& process();

    bool registerCreator(nvinfer1::IPluginCreator& creator, char const* const pluginNamespace) noexcept override;
    nvinfer1::IPluginCreator* const* getPluginCreatorList(int32_t* const numCreators) const noexcept override;
    nvinfer1::IPluginCreator* getPluginCreator(char const* const pluginName, char const* const pluginVersion,
                                               char const* const pluginNamespace) noexcept override;
    void setErrorRecorder(nvinfer1::IErrorRecorder* const recorder) noexcept override;
    nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override;
    bool deregisterCreator(nvinfer1::IPluginCreator const& creator) noexcept override;
    bool isParentSearchEnabled() const noexcept override { return mParentSearch; }
    void setParentSearchEnabled(bool const enabled) noexcept override { mParentSearch = enabled; }
    PluginLibraryHandle loadLibrary(char const* pluginPath) noexcept override;
    void deregisterLibrary(PluginLibraryHandle handle) noexcept override;
    bool registerCreator(nvinfer1::IPluginCreatorInterface& creator,
                         char const* const pluginNamespace) noexcept override;
    nvinfer1::IPluginCreatorInterface* const* getAllCreators(int32_t* const numCreators) const noexcept override;
    nvinfer1::IPluginCreatorInterface* getCreator(char const* const pluginName, char const* const pluginVersion,
                                                  char const* const pluginNamespace) noexcept override;
    bool deregisterCreator(nvinfer1::IPluginCreatorInterface const& creator) noexcept override;
    nvinfer1::IPluginResource* acquirePluginResource(char const* key,
                                                     nvinfer1::IPluginResource* resource) noexcept override;
    int32_t releasePluginResource(char const* key) noexcept override;
    nvinfer1::IPluginCreatorInterface* const* getAllCreatorsRecursive(int32_t* const numCreators) noexcept override;

    // The creator, or an error that lists what is there under that name. Creators of loaded modules count.
    support::Result<nvinfer1::IPluginCreatorInterface*> require(const std::string& name, const std::string& version,
                                                                const std::string& pluginNamespace);

    // Name, version and namespace of a creator of either generation; empty for a kind that is not known.
    struct Identity {
        std::string name;
        std::string version;
        std::string pluginNamespace;
        friend auto operator<=>(const Identity&, const Identity&) = default;
    };
    static Identity identityOf(nvinfer1::IPluginCreatorInterface& creator);
    // Null if the creator is of the other generation.
    static nvinfer1::IPluginCreator* asV1(nvinfer1::IPluginCreatorInterface* creator) noexcept;
    static nvinfer1::IPluginCreatorV3One* asV3(nvinfer1::IPluginCreatorInterface* creator) noexcept;

private:
    PluginRegistry() = default;

    struct Entry {
        nvinfer1::IPluginCreatorInterface* creator = nullptr;
        PluginLibraryHandle library = nullptr; // that registered it while it was opened
    };
    struct Library {
        std::shared_ptr<const registry::SharedLibrary> file;
    };
    struct Resource {
        nvinfer1::IPluginResource* clone = nullptr;
        int64_t uses = 0;
    };

    bool add(nvinfer1::IPluginCreatorInterface& creator, const char* pluginNamespace);
    bool remove(const nvinfer1::IPluginCreatorInterface* creator);
    static std::shared_ptr<const registry::RegistrySnapshot> modules();
    // Under the lock; the snapshot is taken before it, because taking one may open libraries that register creators.
    void addModuleCreators(const registry::RegistrySnapshot& modules);
    void refreshLists(const registry::RegistrySnapshot& modules) const;
    void report(nvinfer1::ErrorCode code, std::string_view text) const noexcept;

    mutable std::recursive_mutex mMutex; // opening a library registers creators
    std::map<Identity, Entry> mEntries;
    std::vector<std::unique_ptr<Library>> mLibraries;
    PluginLibraryHandle mOpening = nullptr;
    std::map<std::string, Resource> mResources;
    nvinfer1::IErrorRecorder* mRecorder = nullptr;
    bool mParentSearch = true;
    mutable std::vector<nvinfer1::IPluginCreator*> mListV1;
    mutable std::vector<nvinfer1::IPluginCreatorInterface*> mListAll;
};

} // namespace tenon::api
