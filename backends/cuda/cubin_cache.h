// Compiled kernels by the content of their source: within the process, and in a folder that outlives it.
//
// The folder is TENON_CUBIN_CACHE, or tenon/cubin in XDG_CACHE_HOME or ~/.cache; "off" keeps nothing. Entries are checked when read; a folder
// that cannot be written is no error. Who uses it: the provider. What it must not know: ops.
#pragma once

#include "tenon/module/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tenon::cuda {

using Cubin = std::shared_ptr<const std::vector<std::byte>>;

uint64_t checksumOf(std::span<const std::byte> bytes);

// Callable from several threads; two that ask for one new kernel may both compile it.
class CubinCache {
public:
    CubinCache();
    // Null with the reason in `reason` and its code in `code`.
    Cubin get(const std::string& source, int sm, module::Code& code, module::Reason& reason);

private:
    using Key = std::pair<uint64_t, uint64_t>;
    std::string pathOf(const Key& key) const;

    std::string mFolder; // empty: none
    std::mutex mMutex;
    std::map<Key, Cubin> mEntries;
};

} // namespace tenon::cuda
