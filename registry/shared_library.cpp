#include "registry/shared_library.h"

#include "core/support/file_map.h"
#include "registry/elf_check.h"
#include "registry/link_tables.h"

#include <atomic>
#include <boost/dll/shared_library.hpp>
#include <filesystem>
#include <string_view>

namespace tenon::registry {

using support::Code;
using support::Result;
using support::Status;

struct SharedLibrary::Handle {
    boost::dll::shared_library library;
    Handle* next = nullptr; // of the list of everything that was opened: what is never closed is not lost
};

namespace {

// What the linker said of the file at `path`, without the frame that Boost puts around it and without the path, which whoever opens it has.
std::string linkerMessage(std::string_view what, const std::string& path) {
    constexpr std::string_view kBefore = "dlerror system message: ";
    const size_t begin = what.find(kBefore);
    if (begin == std::string_view::npos) {
        return std::string(what);
    }
    what.remove_prefix(begin + kBefore.size());
    what = what.substr(0, what.rfind("): "));
    if (what.starts_with(path + ": ")) {
        what.remove_prefix(path.size() + 2);
    }
    constexpr std::string_view kMissing = ": cannot open shared object file: No such file or directory";
    return what.ends_with(kMissing) ? support::cat(what.substr(0, what.size() - kMissing.size()), " is missing")
                                    : std::string(what);
}

} // namespace

Result<std::shared_ptr<const SharedLibrary>> SharedLibrary::open(const std::string& path) {
    std::error_code error;
    const std::filesystem::path absolute = std::filesystem::canonical(path, error);
    if (error) {
        return Status(error == std::errc::no_such_file_or_directory ? Code::kNotFound : Code::kEnvironment,
                      error.message());
    }
    {
        TN_ASSIGN_OR_RETURN(const support::FileMap file, support::FileMap::open(absolute.string()));
        TN_RETURN_IF_ERROR(checkSharedLibrary(file.bytes()));
    }
    std::shared_ptr<SharedLibrary> opened(new SharedLibrary());
    opened->mPath = absolute.string();
    try {
        auto handle = std::make_unique<Handle>();
        using boost::dll::load_mode::type;
        // The throwing constructor: the one that fills an error_code loses the linker's message.
        handle->library = boost::dll::shared_library(
            absolute, static_cast<type>(boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local));
        static std::atomic<Handle*> pinned{nullptr};
        handle->next = pinned.load();
        while (!pinned.compare_exchange_weak(handle->next, handle.get())) {
        }
        opened->mHandle = handle.release();
        forgetLinkTables(opened->mHandle->library.native());
    } catch (const std::exception& failure) {
        std::string why = linkerMessage(failure.what(), opened->mPath);
        // The macro needs a library where the rest of a plugin needs headers only, so this is met by whoever ports plugins.
        if (why.find("undefined symbol: getPluginRegistry") != std::string::npos) {
            why += "; a library that uses REGISTER_TENSORRT_PLUGIN must be linked with Tenon::nvinfer";
        }
        return Status(Code::kEnvironment, why);
    }
    return std::shared_ptr<const SharedLibrary>(std::move(opened));
}

void* SharedLibrary::symbol(const char* name) const {
    try {
        return mHandle->library.has(name) ? reinterpret_cast<void*>(&mHandle->library.get<char>(name)) : nullptr;
    } catch (const std::exception&) {
        return nullptr;
    }
}

} // namespace tenon::registry
