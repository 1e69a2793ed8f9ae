#include "backends/cublaslt/lt_api.h"

namespace tenon::cublaslt {

bool LtApi::open(std::string& error) {
#define TENON_CUBLASLT_FIND(name) mLibrary.find(#name, name, error)&&
    return mLibrary.open(error, [&] { return TENON_CUBLASLT_FUNCTIONS(TENON_CUBLASLT_FIND) true; });
#undef TENON_CUBLASLT_FIND
}

} // namespace tenon::cublaslt
