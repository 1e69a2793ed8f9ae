/* Recording work on a stream and replaying it: the optional backend extension "tenon.capture/1".
 *
 * Who uses it: a backend returns a TnCapture from TnBackend::get_extension; the runtime records the steps of a plan once per set of shapes and
 * addresses and replays them. C11, as abi.h, and the same rules (struct_size, appended members, no exceptions).
 *
 * What a recording holds. Everything that the recorded calls would have put on the stream: launches, copies, events, with their addresses and
 * arguments as they were. A kernel whose tactic declares TN_TRAIT_CAPTURE_SAFE therefore keeps no memory that a later `prepare` of the same state
 * rewrites and a recorded launch still reads; the host replays recordings of one shape after the state was prepared for another.
 *
 * Threads: a stream, and recordings made from it, belong to one thread at a time.
 */
#ifndef TENON_MODULE_CAPTURE_H
#define TENON_MODULE_CAPTURE_H

#include "tenon/module/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_CAPTURE_EXTENSION "tenon.capture/1"

/* The backend's own: what `end` made. */
typedef struct TnRecording TnRecording;

typedef struct TnCapture {
    uint32_t struct_size;
    uint32_t reserved;
    void* self;
    /* From here on work on the stream is recorded and does not run. Fails when the stream records already. Other threads' streams go on. */
    TnCode (*begin)(void* self, TnStream*, TnSink* reason);
    /* Stops recording and makes the recording ready to run. On failure the stream is usable again and nothing is left behind. With `out` NULL
     * what was recorded is thrown away. */
    TnCode (*end)(void* self, TnStream*, TnRecording** out, TnSink* reason);
    /* Puts the recorded work on a stream, any of the device's. Allocates nothing, waits for nothing. */
    TnCode (*replay)(void* self, TnRecording*, TnStream*, TnSink* reason);
    /* The work of earlier replays is done. */
    void (*destroy)(void* self, TnRecording*);
    /* 1: somebody, the user perhaps, records this stream now: the host then starts no recording of its own, and waits for nothing. */
    int32_t (*recording)(void* self, TnStream*);
    /* Appended; may be NULL or lie behind struct_size. Puts an event of the stream's into what is recorded, which each replay records anew: the time
     * between two of them is that of what was recorded in between. Nothing in the recording can wait for such an event. */
    TnCode (*record_time)(void* self, TnEvent*, TnStream*);
} TnCapture;

#ifdef __cplusplus
}
#endif
#endif
