#include "backends/cuda/cubin_cache.h"

#include "backends/cuda/nvrtc.h"

#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace tenon::cuda {

namespace {

namespace fs = std::filesystem;

// An entry: magic, checksum of the bytes, the bytes.
constexpr char kMagic[8] = {'T', 'N', 'C', 'U', 'B', 'I', 'N', '1'};

std::string folderOf() {
    if (const char* given = std::getenv("TENON_CUBIN_CACHE"); given != nullptr && *given != '\0') {
        return std::string(given) == "off" ? std::string() : std::string(given);
    }
    if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
        return std::string(cache) + "/tenon/cubin";
    }
    const char* home = std::getenv("HOME");
    return home != nullptr && *home != '\0' ? std::string(home) + "/.cache/tenon/cubin" : std::string();
}

Cubin readEntry(const std::string& path) {
    std::ifstream stream(path, std::ios::binary | std::ios::ate);
    if (!stream) {
        return nullptr;
    }
    const auto size = static_cast<int64_t>(stream.tellg());
    const auto head = static_cast<int64_t>(sizeof kMagic + sizeof(uint64_t));
    if (size <= head || size > (int64_t{1} << 30)) {
        return nullptr;
    }
    char magic[sizeof kMagic];
    uint64_t checksum = 0;
    auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(size - head));
    stream.seekg(0);
    stream.read(magic, sizeof magic);
    stream.read(reinterpret_cast<char*>(&checksum), sizeof checksum);
    stream.read(reinterpret_cast<char*>(bytes->data()), size - head);
    const bool good = stream && std::memcmp(magic, kMagic, sizeof magic) == 0 && checksum == checksumOf(*bytes);
    return good ? bytes : nullptr;
}

// Written beside and renamed, so that readers see all or nothing.
void writeEntry(const std::string& path, const std::vector<std::byte>& bytes) {
    std::error_code ignored;
    fs::create_directories(fs::path(path).parent_path(), ignored);
    const std::string temporary =
        path + "." + std::to_string(::getpid()) + "." + std::to_string(reinterpret_cast<uintptr_t>(&bytes));
    {
        std::ofstream stream(temporary, std::ios::binary);
        const uint64_t checksum = checksumOf(bytes);
        stream.write(kMagic, sizeof kMagic);
        stream.write(reinterpret_cast<const char*>(&checksum), sizeof checksum);
        stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        if (!stream) {
            stream.close();
            fs::remove(temporary, ignored);
            return;
        }
    }
    fs::rename(temporary, path, ignored);
}

} // namespace

uint64_t checksumOf(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

CubinCache::CubinCache() : mFolder(folderOf()) {}

std::string CubinCache::pathOf(const Key& key) const {
    char name[40];
    std::snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(key.first),
                  static_cast<unsigned long long>(key.second));
    return mFolder + "/" + name + ".cubin";
}

Cubin CubinCache::get(const std::string& source, int sm, module::Code& code, module::Reason& reason) {
    const XXH128_hash_t hash = XXH3_128bits_withSeed(source.data(), source.size(), static_cast<XXH64_hash_t>(sm));
    const Key key{hash.high64, hash.low64};
    {
        const std::lock_guard<std::mutex> lock(mMutex);
        if (const auto found = mEntries.find(key); found != mEntries.end()) {
            return found->second;
        }
    }
    Cubin cubin = mFolder.empty() ? nullptr : readEntry(pathOf(key));
    if (cubin == nullptr) {
        auto compiled = std::make_shared<std::vector<std::byte>>();
        code = compileCubin(source, sm, *compiled, reason);
        if (code != module::Code::kOk) {
            return nullptr;
        }
        if (!mFolder.empty()) {
            writeEntry(pathOf(key), *compiled);
        }
        cubin = compiled;
    }
    const std::lock_guard<std::mutex> lock(mMutex);
    return mEntries.emplace(key, cubin).first->second;
}

} // namespace tenon::cuda
