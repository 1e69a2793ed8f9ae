#include "backends/nvidia/dynamic_library.h"

#include "tenon/module/result.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

namespace tenon::nvidia {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    for (size_t at = 0; at <= list.size();) {
        const size_t end = std::min(list.find(':', at), list.size());
        if (end > at) {
            parts.push_back(list.substr(at, end - at));
        }
        at = end + 1;
    }
    return parts;
}

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

std::string ownFolder() {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&ownFolder), &info) == 0 || info.dli_fname == nullptr) {
        return {};
    }
    return fs::path(info.dli_fname).parent_path().string();
}

} // namespace

LibraryPlace findLibrary(const std::string& file, const char* folderVariable) {
    std::vector<std::string> folders;
    const std::string wanted = variable(folderVariable);
    if (!wanted.empty()) {
        folders.push_back(wanted);
    } else {
        folders = split(variable("LD_LIBRARY_PATH"));
        folders.push_back(ownFolder());
        for (const char* root : {"CUDA_HOME", "CUDA_PATH"}) {
            if (const std::string folder = variable(root); !folder.empty()) {
                folders.push_back(folder + "/lib64");
                folders.push_back(folder + "/lib");
            }
        }
        for (const char* folder : {"/usr/local/cuda/lib64", "/usr/local/cuda/lib", "/usr/lib/x86_64-linux-gnu",
                                   "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"}) {
            folders.emplace_back(folder);
        }
    }
    LibraryPlace place;
    for (const std::string& folder : folders) {
        if (folder.empty()) {
            continue;
        }
        const fs::path path = fs::path(folder) / file;
        std::error_code error;
        const auto size = fs::file_size(path, error);
        if (!error) {
            place.path = path.string();
            place.identity = module::text(file, "-", size);
            return place;
        }
        place.searched += place.searched.empty() ? folder : ", " + folder;
    }
    return place;
}

bool DynamicLibrary::open(std::string& error, const std::function<bool()>& findAll) {
    if (mReady.load(std::memory_order_acquire)) {
        return true;
    }
    const std::lock_guard lock(mMutex);
    if (mReady.load(std::memory_order_relaxed)) {
        return true;
    }
    if (mHandle == nullptr) {
        mHandle = dlopen(mPath.c_str(), RTLD_NOW | RTLD_LOCAL);
    }
    if (mHandle == nullptr) {
        const char* why = dlerror();
        error = module::text("cannot open ", mPath, ": ", why != nullptr ? why : "no reason given");
        return false;
    }
    const bool found = findAll();
    mReady.store(found, std::memory_order_release);
    return found;
}

void* DynamicLibrary::symbol(const char* name, std::string& error) const {
    void* address = dlsym(mHandle, name);
    if (address == nullptr) {
        error = module::text(mPath, " has no function ", name, ": it is another version than the one supported");
    }
    return address;
}

} // namespace tenon::nvidia
