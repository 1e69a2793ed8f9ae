// Streams beside a kernel's own, for launches that do not depend on each other: what is recorded of them becomes branches of a graph.
//
// Who uses it: kernels of cublaslt, siblings. What it must not know: what is launched.
#pragma once

#include <cuda.h>

#include <string>
#include <vector>

namespace tenon::nvidia {

// One thread at a time; of the context that is current when it is made.
class Branches {
public:
    Branches() = default;
    // `count` streams, instead of those that are there. False with the reason in `error`, and none.
    bool create(size_t count, std::string& error);
    ~Branches();
    Branches(const Branches&) = delete;
    Branches& operator=(const Branches&) = delete;

    size_t size() const { return mStreams.size(); }
    CUstream stream(size_t i) const { return mStreams[i]; }
    // What is put on the branches from now on begins after what is on `from`. False: the driver refuses.
    bool fork(CUstream from) const;
    // What is put on `to` from now on begins after what is on the branches.
    bool join(CUstream to) const;

private:
    void destroy();

    std::vector<CUstream> mStreams;
    std::vector<CUevent> mEvents; // of the fork, then of each branch's end
};

} // namespace tenon::nvidia
