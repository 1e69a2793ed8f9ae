// libnvonnxparser: TensorRT's C functions of the ONNX parser, by way of Tenon's.
#include "export.h"

#include <cstdint>

extern "C" {
void* tenon_createOnnxParser(void* network, void* logger, int version) noexcept;
void* tenon_createOnnxParserRefitter(void* refitter, void* logger, int32_t version) noexcept;
int tenon_getOnnxParserVersion() noexcept;
}

TENON_COMPAT void* createNvOnnxParser_INTERNAL(void* network, void* logger, int version) noexcept {
    return tenon_createOnnxParser(network, logger, version);
}

TENON_COMPAT void* createNvOnnxParserRefitter_INTERNAL(void* refitter, void* logger, int32_t version) noexcept {
    return tenon_createOnnxParserRefitter(refitter, logger, version);
}

TENON_COMPAT int getNvOnnxParserVersion() noexcept { return tenon_getOnnxParserVersion(); }
