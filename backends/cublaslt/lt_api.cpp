#include "backends/cublaslt/lt_api.h"

namespace tenon::cublaslt {

bool LtApi::open(std::string& error) {
    if (mOpened.load(std::memory_order_acquire)) {
        return true;
    }
    const std::lock_guard lock(mMutex);
    if (mOpened.load(std::memory_order_relaxed)) {
        return true;
    }
    if (!mLibrary.open(error)) {
        return false;
    }
#define TENON_CUBLASLT_FIND(name)                                                                                      \
    name = reinterpret_cast<decltype(&::name)>(mLibrary.symbol(#name, error));                                         \
    if (name == nullptr) {                                                                                             \
        return false;                                                                                                  \
    }
    TENON_CUBLASLT_FUNCTIONS(TENON_CUBLASLT_FIND)
#undef TENON_CUBLASLT_FIND
    mOpened.store(true, std::memory_order_release);
    return true;
}

} // namespace tenon::cublaslt
