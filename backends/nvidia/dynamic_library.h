// A large library that is found when a module is loaded and opened when it is first needed.
//
// Who uses it: the modules cublaslt and cudnn. What it must not know: what the library does.
#pragma once

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
    // Opens it on the first call. False with the reason in `error`.
    bool open(std::string& error);
    // Null with the reason in `error`. Precondition: opened.
    void* symbol(const char* name, std::string& error) const;

private:
    std::string mPath;
    std::mutex mMutex;
    void* mHandle = nullptr;
};

} // namespace tenon::nvidia
