// A large library that is found when a module is loaded and opened when it is first needed.
//
// Who uses it: the modules cublaslt and cudnn. What it must not know: what the library does.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

namespace tenon::nvidia {

// Where a library is, without opening it.
struct LibraryPlace {
    std::string path;     // empty: not found
    std::string identity; // file name and size: equal for equal releases
    std::string searched; // for people: the folders that were looked in
};

// Looks for `file` in the folder that the environment variable `folderVariable` names, in LD_LIBRARY_PATH, beside this module, in the CUDA
// toolkit's folder and in the system's.
LibraryPlace findLibrary(const std::string& file, const char* folderVariable);

// Thread-safe. Never closed: libraries of CUDA do not survive it.
class DynamicLibrary {
public:
    explicit DynamicLibrary(std::string path) : mPath(std::move(path)) {}
    DynamicLibrary(const DynamicLibrary&) = delete;
    DynamicLibrary& operator=(const DynamicLibrary&) = delete;

    const std::string& path() const { return mPath; }
    // Opens it on the first call and lets `findAll` look for its functions with `find`. False with the reason in `error`; the next call tries again.
    bool open(std::string& error, const std::function<bool()>& findAll);
    // Within `findAll`. False with the reason in `error`.
    template <class Function>
    bool find(const char* name, Function*& to, std::string& error) const {
        to = reinterpret_cast<Function*>(symbol(name, error));
        return to != nullptr;
    }

private:
    void* symbol(const char* name, std::string& error) const;

    std::string mPath;
    std::mutex mMutex;
    void* mHandle = nullptr;
    std::atomic<bool> mReady{false}; // all functions were found
};

} // namespace tenon::nvidia
