// Forward declarations, export macros and the choice of entry points for every public header.
// Used by all of include/tenon; must not know any class definition.
//
// Entry points. Every inline factory (createInferBuilder, createParser, ...) calls one C function. Included through
// tenon/*.h, that is libtenon's own `tenon_*` symbol; included through tenon/compat/*.h, it is the TensorRT C name that
// the thin libraries (libnvinfer.so, ...) export, so a client links what its build files already name. The first header
// that a translation unit includes decides. The inline functions live in an inline namespace named after the choice,
// so that translation units of either kind may be mixed in one program.
#pragma once

#include "tenon/version.h"

#include <cstddef>
#include <cstdint>

#if defined(_MSC_VER)
#define TENON_EXPORT __declspec(dllexport)
#else
#define TENON_EXPORT __attribute__((visibility("default")))
#endif

#if defined(TENSORRT_BUILD_LIB)
#define TENSORRTAPI TENON_EXPORT
#else
#define TENSORRTAPI
#endif

// Clients put these on their own declarations. Nothing of Tenon's is deprecated: what TensorRT once had stays.
#define TRT_DEPRECATED [[deprecated]]
#define TRT_DEPRECATED_ENUM TRT_DEPRECATED
#define TRT_DEPRECATED_API [[deprecated]] TENON_EXPORT
#define TRTNOEXCEPT

#if defined(TENON_USE_TENSORRT_ENTRY_POINTS)
#define TENON_ENTRY(tenonName, tensorrtName) tensorrtName
#define TENON_ENTRY_NAMESPACE tensorrt_entry_points
#else
#define TENON_ENTRY(tenonName, tensorrtName) tenonName
#define TENON_ENTRY_NAMESPACE tenon_entry_points
#endif

// CUDA's and its libraries' handles, spelled exactly as CUDA spells them, so that a client may include both.
struct CUstream_st;
struct CUevent_st;
typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
extern "C" {
struct cudnnContext;
struct cublasContext;
}

namespace nvinfer1 {

using char_t = char;
using AsciiChar = char_t;

class Dims64;
using Dims = Dims64;
class Weights;
struct Permutation;

class IBuilder;
class IBuilderConfig;
class ICudaEngine;
class IDebugListener;
class IEngineInspector;
class IErrorRecorder;
class IExecutionContext;
class IGpuAllocator;
class IHostMemory;
class IInt8Calibrator;
class IAlgorithmSelector;
class ILayer;
class ILogger;
class INetworkDefinition;
class IOptimizationProfile;
class IOutputAllocator;
class IPluginCreator;
class IPluginCreatorInterface;
class IPluginRegistry;
class IPluginResource;
class IPluginV2;
class IPluginV3;
class IProfiler;
class IProgressMonitor;
class IRefitter;
class IRuntime;
class IRuntimeConfig;
class ISerializationConfig;
class IStreamReader;
class IStreamReaderV2;
class IStreamWriter;
class ITensor;
class ITimingCache;
class IVersionedInterface;

} // namespace nvinfer1

// Tenon's own spelling: everything of the TensorRT-shaped interface, plus what only Tenon has.
namespace tenon {
using namespace nvinfer1;

class IOperatorLayer;
struct OperatorAttribute;
} // namespace tenon
