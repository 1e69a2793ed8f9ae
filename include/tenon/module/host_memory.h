/* Host memory that a device copies from and to at full speed ("pinned"): the optional backend extension "tenon.host_memory/1".
 *
 * Who uses it: a backend returns a TnHostMemory from TnBackend::get_extension; the runtime takes from it what it copies to and from the device:
 * the host's part of a context's activations where a plan uses both, and the room through which weights go when a plan is loaded. C11, as abi.h,
 * and the same rules (struct_size, appended members, no exceptions). Any thread may call.
 */
#ifndef TENON_MODULE_HOST_MEMORY_H
#define TENON_MODULE_HOST_MEMORY_H

#include "tenon/module/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_HOST_MEMORY_EXTENSION "tenon.host_memory/1"

typedef struct TnHostMemory {
    uint32_t struct_size;
    uint32_t reserved;
    void* self;
    /* Memory that the host reads and writes as any other, aligned to 4096 bytes. NULL: there is none left; the host then takes ordinary memory. */
    void* (*allocate)(void* self, int32_t device, int64_t bytes);
    /* No copy from or to it is under way. */
    void (*release)(void* self, int32_t device, void* memory);
} TnHostMemory;

#ifdef __cplusplus
}
#endif
#endif
