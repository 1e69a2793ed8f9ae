#include "backends/onednn/openmp.h"

#include "backends/common/parallel.h"

#include <dlfcn.h>

#include <algorithm>

// The function below by a name that no other library can take the place of.
extern "C" __attribute__((visibility("hidden"), alias("omp_get_max_threads"))) int tenonMaxThreads();

namespace tenon::onednn {

namespace {

// The calling thread as a member of the loop it is in.
struct Membership {
    const TnThreadTeam* team = nullptr;
    int index = 0;
    int count = 1;
};

thread_local Membership gMember;
thread_local int gThreads = 1;

// The OpenMP runtime of the application, where it has one that is found before this module.
struct ApplicationThreads {
    int (*get)() = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
    void (*set)(int) = nullptr;

    ApplicationThreads() {
        if (get != tenonMaxThreads) {
            set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
        }
    }
};

const ApplicationThreads& application() {
    static const ApplicationThreads threads;
    return threads;
}

struct Loop {
    const TnThreadTeam* team;
    int count;
    void (*body)(void*);
    void* data;
};

void runMember(void* argument, int32_t index) {
    const Loop& loop = *static_cast<const Loop*>(argument);
    const Membership before = gMember;
    gMember = {loop.team, index, loop.count};
    loop.body(loop.data);
    gMember = before;
}

} // namespace

ThreadScope::ThreadScope(int threads) : mBefore(gThreads) {
    gThreads = std::max(threads, 1);
    if (application().set != nullptr) {
        mApplicationBefore = application().get();
        application().set(gThreads);
    }
}

ThreadScope::~ThreadScope() {
    gThreads = mBefore;
    if (mApplicationBefore > 0) {
        application().set(mApplicationBefore);
    }
}

} // namespace tenon::onednn

// The interface that GCC compiles OpenMP to, as far as oneDNN uses it: a loop says how many threads it wants and finds out inside how many it
// got. All that it wants, or one: those inside a loop, and those without a team.
#define TENON_OPENMP extern "C" __attribute__((visibility("default")))

using namespace tenon::onednn;

// NOLINTBEGIN(readability-identifier-naming): names of the interface

TENON_OPENMP void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned) {
    const TnThreadTeam* const team = tenon::kernels::currentTeam();
    const int wanted = threads == 0 ? gThreads : static_cast<int>(threads);
    const bool together = gMember.count == 1 && team != nullptr && wanted <= team->threads;
    Loop loop{team, together ? wanted : 1, body, data};
    tenon::kernels::runMembers(loop.count, runMember, &loop);
}

TENON_OPENMP void GOMP_barrier() {
    if (gMember.count > 1) {
        gMember.team->barrier(gMember.team->self);
    }
}

TENON_OPENMP int omp_get_max_threads() { return gThreads; }
TENON_OPENMP int omp_get_num_threads() { return gMember.count; }
TENON_OPENMP int omp_get_thread_num() { return gMember.index; }
TENON_OPENMP int omp_in_parallel() { return gMember.count > 1 ? 1 : 0; }
// NOLINTEND(readability-identifier-naming)
