/* Names for what the host issues, as a profiler of the device's maker shows them (NVTX ranges): the optional backend extension "tenon.trace/1".
 *
 * Who uses it: a backend returns a TnTrace from TnBackend::get_extension; the runtime opens a range around each run, named after the network, and in
 * it one around each step that it issues to the backend's device, named after the ONNX nodes and layers that the step computes. C11, as abi.h, and
 * the same rules (struct_size, appended members, no exceptions). Ranges nest on each thread.
 */
#ifndef TENON_MODULE_TRACE_H
#define TENON_MODULE_TRACE_H

#include "tenon/module/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_TRACE_EXTENSION "tenon.trace/1"

typedef struct TnTrace {
    uint32_t struct_size;
    uint32_t reserved;
    void* self;
    /* `name` ends with a zero byte, which its size does not count; it is valid during the call. Costs next to nothing while nobody looks. */
    void (*begin)(void* self, TnString name);
    void (*end)(void* self);
} TnTrace;

#ifdef __cplusplus
}
#endif
#endif
