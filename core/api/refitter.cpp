// createInferRefitter: says that engines cannot be refitted.
#include "tenon/refitter.h"
#include "core/api/reporter.h"

extern "C" void* tenon_createInferRefitter(void*, void* logger, int32_t) noexcept {
    if (logger != nullptr) {
        const tenon::api::Reporter reporter(*static_cast<nvinfer1::ILogger*>(logger));
        reporter.error(nvinfer1::ErrorCode::kUNSUPPORTED_STATE,
                       "createInferRefitter: the engine was not built for refitting; build it again with new weights");
    }
    return nullptr;
}
