// Where oneDNN gets its threads: its loops call the OpenMP runtime, whose few functions this module defines over the host's thread team.
//
// Who uses it: primitive.cpp. What it must not know: oneDNN's types.
//
// The dynamic linker looks for a symbol of oneDNN in the application first, then in this module, then in libgomp. An application that itself
// exports OpenMP (one that was linked with it) keeps its own threads, and oneDNN uses those; the number of threads is right in both cases.
#pragma once

namespace tenon::onednn {

// oneDNN divides work among as many threads as it finds when a primitive is made and run. The setting belongs to the calling thread, whose own
// OpenMP loops must not notice.
class ThreadScope {
public:
    explicit ThreadScope(int threads);
    ~ThreadScope();
    ThreadScope(const ThreadScope&) = delete;
    ThreadScope& operator=(const ThreadScope&) = delete;

private:
    int mBefore;
    int mApplicationBefore = 0;
};

} // namespace tenon::onednn
