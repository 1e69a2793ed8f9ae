// A kernel runtime inside the test: its blobs are the name of what to do. Counts what is alive and what was called.
//   noop     nothing                               add       out = in0 + in1 (f32)
//   copy     out = in0 (f32)                       scale     out = in0 * scalars[0] (f32)
//   reverse  out = in0 backwards (f32)             positive  out = indices of the elements > 0 (i64), their number to extents[0]
//   greedy   as copy, through a workspace of as many bytes as the input; it asks for that and 64 more
//   stubborn prepare fails for more than 4 elements                  broken    launch fails with a reason
#pragma once

#include "registry/registry_snapshot.h"
#include "tenon/module/abi.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

// What the table's opaque handles are here.
struct TnKernel {
    struct FakeCounters* counters;
    std::string what;
};
struct TnSession {
    FakeCounters* counters;
    int32_t threads;
    void* resource;
};

struct FakeCounters {
    std::atomic<int> kernels{0};
    std::atomic<int> sessions{0};
    std::atomic<int> states{0};
    std::atomic<int> prepares{0};
    std::atomic<int> launches{0};
    std::atomic<int> lastThreads{0};
    std::atomic<void*> lastResource{nullptr};
};

struct TnState {
    TnKernel* kernel;
    std::vector<TnTensor> inputs;
    std::vector<TnTensor> outputs;
    std::vector<int64_t> scalars;
};

namespace tenon::runtime::testing {

inline void say(TnSink* sink, const char* text) {
    if (sink != nullptr) {
        sink->write(sink->context, text, std::strlen(text));
    }
}

inline TnCode fakeLaunch(TnState* state, const TnLaunchArgs* args) {
    const std::string& what = state->kernel->what;
    ++state->kernel->counters->launches;
    if (what == "noop") {
        return TN_OK;
    }
    if (what == "broken") {
        say(args->reason, "index 7 is out of range");
        return TN_INVALID_ARGUMENT;
    }
    const auto* const in = static_cast<const float*>(args->inputs[0]);
    auto* const out = static_cast<float*>(args->outputs[0]);
    const int64_t count = state->inputs[0].elements;
    if (what == "positive") {
        auto* const indices = static_cast<int64_t*>(args->outputs[0]);
        int64_t found = 0;
        for (int64_t i = 0; i < count; ++i) {
            if (in[i] > 0) {
                indices[found++] = i;
            }
        }
        *args->extents[0] = found;
        return TN_OK;
    }
    if (what == "greedy") {
        std::memcpy(args->workspace, in, static_cast<size_t>(count) * sizeof(float));
        std::memcpy(out, args->workspace, static_cast<size_t>(count) * sizeof(float));
        return TN_OK;
    }
    for (int64_t i = 0; i < count; ++i) {
        if (what == "add") {
            out[i] = in[i] + static_cast<const float*>(args->inputs[1])[i];
        } else if (what == "scale") {
            out[i] = in[i] * static_cast<float>(state->scalars[0]);
        } else if (what == "reverse") {
            out[i] = in[count - 1 - i];
        } else {
            out[i] = in[i];
        }
    }
    return TN_OK;
}

class FakeRuntime {
public:
    FakeCounters counters;

    TnKernelRuntime table(const char* name = "fake", uint32_t blobMin = 1, uint32_t blobMax = 2) {
        TnKernelRuntime t{};
        t.struct_size = sizeof(t);
        t.blob_min = blobMin;
        t.blob_max = blobMax;
        t.name = {name, std::strlen(name)};
        t.self = &counters;
        t.session_create = [](void* self, const TnSessionInfo* info, TnSession** out, TnSink*) {
            auto* const c = static_cast<FakeCounters*>(self);
            ++c->sessions;
            c->lastThreads = info->threads;
            c->lastResource = info->resource(info->context, {"thing", 5});
            *out = new TnSession{c, info->threads, nullptr};
            return TnCode{TN_OK};
        };
        t.session_destroy = [](TnSession* session) {
            --session->counters->sessions;
            delete session;
        };
        t.deserialize = [](void* self, const void* blob, size_t size, uint32_t, TnKernel** out, TnSink* reason) {
            const std::string what(static_cast<const char*>(blob), size);
            if (what.empty()) {
                say(reason, "the blob is empty");
                return TnCode{TN_INVALID_ARGUMENT};
            }
            auto* const c = static_cast<FakeCounters*>(self);
            ++c->kernels;
            *out = new TnKernel{c, what};
            return TnCode{TN_OK};
        };
        t.kernel_destroy = [](TnKernel* kernel) {
            --kernel->counters->kernels;
            delete kernel;
        };
        t.state_create = [](TnKernel* kernel, TnSession*, TnState** out, TnSink*) {
            ++kernel->counters->states;
            *out = new TnState{kernel, {}, {}, {}};
            return TnCode{TN_OK};
        };
        t.state_destroy = [](TnState* state) {
            --state->kernel->counters->states;
            delete state;
        };
        t.workspace = [](TnKernel* kernel, TnSession*, const TnPrepareArgs* args, TnSink*) {
            return kernel->what == "greedy" ? args->inputs[0].bytes + 64 : int64_t{0};
        };
        t.prepare = [](TnState* state, const TnPrepareArgs* args, TnSink* reason) {
            ++state->kernel->counters->prepares;
            state->inputs.assign(args->inputs, args->inputs + args->input_count);
            state->outputs.assign(args->outputs, args->outputs + args->output_count);
            state->scalars.assign(args->scalars, args->scalars + args->scalar_count);
            if (state->kernel->what == "stubborn" && args->inputs[0].elements > 4) {
                say(reason, "four elements are enough");
                return TnCode{TN_UNSUPPORTED};
            }
            return TnCode{TN_OK};
        };
        t.launch = &fakeLaunch;
        return t;
    }

    std::shared_ptr<const registry::RegistrySnapshot> snapshot(uint32_t blobMin = 1, uint32_t blobMax = 2) {
        auto with =
            registry::RegistrySnapshot::builtin()->withInProcess({}, {table("fake", blobMin, blobMax)}, nullptr);
        return with.ok() ? *with : nullptr;
    }
};

} // namespace tenon::runtime::testing
