#include "tests/modules/fake_device/device.h"

#include <sys/mman.h>

#include <cstdlib>

using tenon::fake::Work;

struct TnEvent {
    std::mutex mutex;
    std::condition_variable changed;
    int64_t issued = 0;
    int64_t completed = 0;
    int64_t queued = 0; // work that refers to the event
    std::chrono::steady_clock::time_point time;
};

struct TnRecording {
    std::vector<Work> work;
};

namespace tenon::fake {

namespace {

constexpr size_t kSpace = size_t{1} << 32;

int64_t setting(const char* name, int64_t fallback) {
    const char* text = std::getenv(name);
    return text == nullptr ? fallback : std::atoll(text);
}

std::byte* reserve(int protection) {
    void* memory = mmap(nullptr, kSpace, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

} // namespace

Memory& Memory::process() {
    static Memory* memory = new Memory; // outlives every exit handler
    return *memory;
}

Memory::Memory() : mBase(reserve(PROT_NONE)) {
    std::byte* behind = reserve(PROT_READ | PROT_WRITE);
    mDelta = reinterpret_cast<uintptr_t>(behind) - reinterpret_cast<uintptr_t>(mBase);
    if (mBase == nullptr || behind == nullptr) {
        std::abort();
    }
}

bool Memory::owns(const void* address) const {
    const auto at = reinterpret_cast<uintptr_t>(address);
    const auto base = reinterpret_cast<uintptr_t>(mBase);
    return at >= base && at - base < kSpace;
}

void* Memory::allocate(int64_t bytes, int64_t alignment) {
    const std::lock_guard<std::mutex> lock(mMutex);
    int64_t at = 0;
    bytes = std::max<int64_t>(bytes, 1);
    for (const auto& [offset, size] : mBlocks) {
        if (offset - at >= bytes) {
            break;
        }
        at = (offset + size + alignment - 1) / alignment * alignment;
    }
    if (at + bytes > static_cast<int64_t>(kSpace)) {
        return nullptr;
    }
    mBlocks.emplace(at, bytes);
    std::memset(real(mBase + at), 0xa5, static_cast<size_t>(bytes));
    return mBase + at;
}

void Memory::release(void* memory) {
    const std::lock_guard<std::mutex> lock(mMutex);
    const auto block = mBlocks.find(static_cast<std::byte*>(memory) - mBase);
    if (block == mBlocks.end()) {
        std::abort(); // freed twice, or not ours
    }
    std::memset(real(static_cast<std::byte*>(memory)), 0x5a, static_cast<size_t>(block->second));
    mBlocks.erase(block);
}

int64_t Memory::used() {
    const std::lock_guard<std::mutex> lock(mMutex);
    int64_t bytes = 0;
    for (const auto& block : mBlocks) {
        bytes += block.second;
    }
    return bytes;
}

Queue::Queue() : mRing(kRoom), mDelay(setting("FAKEGPU_DELAY_US", 20)), mThread([this] { loop(); }) {}

Queue::~Queue() {
    {
        const std::lock_guard<std::mutex> lock(mMutex);
        mStop = true;
    }
    mChanged.notify_all();
    mThread.join();
}

void Queue::push(const Work& work) {
    std::unique_lock<std::mutex> lock(mMutex);
    if (mRecords) {
        mRecorded.push_back(work);
        return;
    }
    mChanged.wait(lock, [this] { return mPushed - mDone < kRoom; });
    mRing[mPushed++ % kRoom] = work;
    lock.unlock();
    mChanged.notify_all();
}

bool Queue::synchronize() {
    std::unique_lock<std::mutex> lock(mMutex);
    if (mRecords) {
        return false;
    }
    const size_t until = mPushed;
    mChanged.wait(lock, [&] { return mDone >= until; });
    return !std::exchange(mFailed, false);
}

bool Queue::beginRecording() {
    const std::lock_guard<std::mutex> lock(mMutex);
    mRecorded.clear();
    return !std::exchange(mRecords, true);
}

bool Queue::endRecording(std::vector<Work>& out) {
    const std::lock_guard<std::mutex> lock(mMutex);
    out = std::move(mRecorded);
    return std::exchange(mRecords, false);
}

bool Queue::recording() {
    const std::lock_guard<std::mutex> lock(mMutex);
    return mRecords;
}

void Queue::loop() {
    std::unique_lock<std::mutex> lock(mMutex);
    while (true) {
        mChanged.wait(lock, [this] { return mStop || mDone < mPushed; });
        if (mDone == mPushed) {
            return;
        }
        Work work = mRing[mDone % kRoom];
        lock.unlock();
        if (mDelay.count() > 0) {
            std::this_thread::sleep_for(mDelay);
        }
        const bool worked = work.run(work.data);
        lock.lock();
        mFailed = mFailed || !worked;
        ++mDone;
        mChanged.notify_all();
    }
}

namespace {

using module::Code;
using module::Reason;

// Something of an event waits in a queue.
template <class F>
void pushWith(TnEvent* event, TnStream* stream, F call) {
    if (!stream->queue->recording()) {
        const std::lock_guard<std::mutex> lock(event->mutex);
        ++event->queued;
    }
    stream->queue->push(Work::of([event, call] {
        std::unique_lock<std::mutex> lock(event->mutex);
        call(*event, lock);
        --event->queued;
        event->changed.notify_all();
        return true;
    }));
}

void recordEvent(TnEvent* event, TnStream* stream) {
    int64_t number = 0;
    {
        const std::lock_guard<std::mutex> lock(event->mutex);
        number = ++event->issued;
    }
    pushWith(event, stream, [number](TnEvent& at, std::unique_lock<std::mutex>&) {
        at.completed = std::max(at.completed, number);
        at.time = std::chrono::steady_clock::now();
    });
}

TnCapture captureTable() {
    TnCapture table{};
    table.struct_size = sizeof(table);
    table.begin = [](void*, TnStream* stream, TnSink* sink) -> TnCode {
        return stream->queue->beginRecording()
                   ? TnCode{TN_OK}
                   : static_cast<TnCode>(Reason(sink).invalidArgument("the stream records already"));
    };
    table.end = [](void*, TnStream* stream, TnRecording** out, TnSink* sink) -> TnCode {
        auto recording = std::make_unique<TnRecording>();
        if (!stream->queue->endRecording(recording->work)) {
            return static_cast<TnCode>(Reason(sink).invalidArgument("the stream does not record"));
        }
        if (out != nullptr) {
            *out = recording.release();
        }
        return TN_OK;
    };
    table.replay = [](void*, TnRecording* recording, TnStream* stream, TnSink*) -> TnCode {
        for (const Work& work : recording->work) {
            stream->queue->push(work);
        }
        return TN_OK;
    };
    table.destroy = [](void*, TnRecording* recording) { delete recording; };
    table.recording = [](void*, TnStream* stream) -> int32_t { return stream->queue->recording() ? 1 : 0; };
    table.record_time = [](void*, TnEvent* event, TnStream* stream) -> TnCode {
        recordEvent(event, stream);
        return TN_OK;
    };
    return table;
}

std::mutex pinnedMutex;
std::map<const std::byte*, int64_t> pinnedBlocks;

bool isPinned(const void* address) {
    const auto* const at = static_cast<const std::byte*>(address);
    const std::lock_guard<std::mutex> lock(pinnedMutex);
    const auto after = pinnedBlocks.upper_bound(at);
    return after != pinnedBlocks.begin() && at < std::prev(after)->first + std::prev(after)->second;
}

TnHostMemory hostMemoryTable() {
    return {sizeof(TnHostMemory), 0, nullptr,
            [](void*, int32_t, int64_t bytes) -> void* {
                if (setting("FAKEGPU_PINNED", 1) == 0) {
                    return nullptr;
                }
                auto* const memory = static_cast<std::byte*>(
                    std::aligned_alloc(4096, static_cast<size_t>((bytes + 4095) / 4096 * 4096)));
                const std::lock_guard<std::mutex> lock(pinnedMutex);
                pinnedBlocks[memory] = bytes;
                Seen::process().pinnedBytes += bytes;
                Seen::process().pinnedAllocated += bytes;
                return memory;
            },
            [](void*, int32_t, void* memory) {
                const std::lock_guard<std::mutex> lock(pinnedMutex);
                const auto block = pinnedBlocks.find(static_cast<const std::byte*>(memory));
                Seen::process().pinnedBytes -= block->second;
                pinnedBlocks.erase(block);
                std::free(memory);
            }};
}

TnTrace traceTable() {
    return {sizeof(TnTrace), 0, nullptr,
            [](void*, TnString name) { Seen::process().ranges.emplace_back(name.data, name.size); },
            [](void*) { Seen::process().ranges.emplace_back("<"); }};
}

class FakeBackend final : public module::Backend {
public:
    std::string name() const override { return "fakegpu"; }
    std::string version() const override { return "1"; }
    int32_t deviceCount(Reason& reason) override {
        const auto count = static_cast<int32_t>(setting("FAKEGPU_DEVICES", 1));
        if (count == 0) {
            reason.note("FAKEGPU_DEVICES says that there is none");
        }
        return count;
    }
    Code describe(int32_t, std::string& json, std::string& fingerprint, Reason&) override {
        json = R"({"backend":"fakegpu","memory":4294967296})";
        fingerprint = "fakegpu-1";
        return Code::kOk;
    }
    void* allocate(int32_t, int64_t bytes, int64_t alignment) override {
        return Memory::process().allocate(bytes, alignment);
    }
    void release(int32_t, void* memory) override { Memory::process().release(memory); }
    Code copy(void* to, const void* from, int64_t bytes, TnStream* stream, Reason& reason) override {
        if (bytes < 0 || to == nullptr || from == nullptr) {
            return reason.invalidArgument("copy with a null address");
        }
        if (stream == nullptr) {
            std::memmove(Memory::process().real(to), Memory::process().real(from), static_cast<size_t>(bytes));
            return Code::kOk;
        }
        for (const void* side : {static_cast<const void*>(to), from}) {
            Seen::process().pageableCopies += Memory::process().owns(side) || isPinned(side) ? 0 : 1;
        }
        stream->queue->push(Work::of([to, from, bytes] {
            std::memmove(Memory::process().real(to), Memory::process().real(from), static_cast<size_t>(bytes));
            return true;
        }));
        return Code::kOk;
    }

    bool hasStreams() const override { return true; }
    TnStream* createStream(int32_t, Reason&) override { return new TnStream{new Queue}; }
    void destroyStream(TnStream* stream) override {
        delete stream->queue;
        delete stream;
    }
    Code synchronize(TnStream* stream, Reason& reason) override {
        return stream->queue->synchronize() ? Code::kOk : reason.internal("work on the stream failed, or it records");
    }

    bool hasEvents() const override { return true; }
    TnEvent* createEvent(int32_t, Reason&) override { return new TnEvent; }
    void destroyEvent(TnEvent* event) override {
        {
            std::unique_lock<std::mutex> lock(event->mutex);
            event->changed.wait(lock, [event] { return event->queued <= 0; });
        }
        delete event;
    }
    Code record(TnEvent* event, TnStream* stream) override {
        recordEvent(event, stream);
        return Code::kOk;
    }
    Code wait(TnEvent* event, TnStream* stream) override {
        int64_t number = 0;
        {
            const std::lock_guard<std::mutex> lock(event->mutex);
            number = event->issued;
        }
        pushWith(event, stream, [number](TnEvent& at, std::unique_lock<std::mutex>& lock) {
            at.changed.wait(lock, [&] { return at.completed >= number; });
        });
        return Code::kOk;
    }
    Code elapsedUs(TnEvent* begin, TnEvent* end, double& out) override {
        std::unique_lock<std::mutex> first(begin->mutex);
        const auto from = begin->time;
        const bool begun = begin->issued > 0 && begin->completed == begin->issued;
        first.unlock();
        const std::lock_guard<std::mutex> second(end->mutex);
        if (!begun || end->issued == 0 || end->completed != end->issued) {
            return Code::kInvalidArgument;
        }
        out = std::chrono::duration<double, std::micro>(end->time - from).count();
        return Code::kOk;
    }
    const void* extension(std::string_view name) override {
        static const TnCapture capture = captureTable();
        static const TnHostMemory hostMemory = hostMemoryTable();
        static const TnTrace trace = traceTable();
        if (name == TN_HOST_MEMORY_EXTENSION) {
            return &hostMemory;
        }
        if (name == TN_TRACE_EXTENSION) {
            return std::getenv("FAKEGPU_TRACE") != nullptr ? &trace : nullptr;
        }
        return name == TN_CAPTURE_EXTENSION ? &capture : nullptr;
    }
};

} // namespace

Seen& Seen::process() {
    static Seen seen;
    return seen;
}

std::unique_ptr<module::Backend> makeBackend() { return std::make_unique<FakeBackend>(); }

} // namespace tenon::fake
