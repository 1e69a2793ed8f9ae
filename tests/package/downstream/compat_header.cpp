// Includes as a client of TensorRT writes them.
#include <NvInfer.h>
#include <NvInferPlugin.h>
#include <NvOnnxParser.h>

int tensorRtMajor() { return NV_TENSORRT_MAJOR; }
