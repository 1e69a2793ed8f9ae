#include "core/schedule/build_device.h"

#include "core/support/hash.h"
#include "core/support/text.h"
#include "registry/text_sink.h"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

namespace tenon::schedule {

namespace {

constexpr std::chrono::seconds kLockPatience{30};

int64_t nowNs() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// Bytes of the last-level cache as the device's description says; 0 where it does not.
int64_t cacheBytes(const std::string& json) {
    const auto document = nlohmann::json::parse(json, nullptr, false);
    for (const char* name : {"l2", "l2_bytes"}) {
        if (document.is_object() && document.contains(name) && document[name].is_number_integer()) {
            return std::clamp<int64_t>(document[name].get<int64_t>(), 0, int64_t{1} << 28);
        }
    }
    return 0;
}

// Few sizes, so that blocks fit again: an eighth more than asked for at most.
int64_t blockSize(int64_t bytes) {
    const int64_t unit =
        std::max<int64_t>(4096, static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(bytes))) / 8);
    return (bytes + unit - 1) / unit * unit;
}

// A file that builds on the same device lock while they time. -1 where there can be none: then nothing is excluded.
int openLockFile(const runtime::Device& device) {
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
    if (error) {
        return -1;
    }
    const std::string name = support::cat(
        "tenon-", ::getuid(), "-", support::hashText(support::cat(device.name(), device.number())).hex(), ".lock");
    return ::open((folder / name).c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
}

} // namespace

support::Result<std::shared_ptr<BuildDevice>> BuildDevice::open(const registry::BackendEntry& backend, int32_t number,
                                                                const std::string& json,
                                                                const runtime::AllocatorCallbacks& users) {
    std::shared_ptr<BuildDevice> made(new BuildDevice(backend, number, users));
    TN_ASSIGN_OR_RETURN(made->mStream, runtime::DeviceStream::create(made->mDevice));
    TN_ASSIGN_OR_RETURN(made->mBegin, runtime::DeviceEvent::create(made->mDevice));
    TN_ASSIGN_OR_RETURN(made->mEnd, runtime::DeviceEvent::create(made->mDevice));
    made->mFlush = runtime::GrowingBuffer(made->mMemory);
    made->mFlushBytes = cacheBytes(json);
    made->mLockFile = openLockFile(made->mDevice);
    return made;
}

BuildDevice::~BuildDevice() {
    static_cast<void>(synchronize());
    for (const auto& [runtime, session] : mSessions) {
        runtime->session_destroy(session);
    }
    freeBlocks();
    if (mLockFile >= 0) {
        ::close(mLockFile);
    }
}

void* BuildDevice::takeBlock(int64_t bytes, int64_t alignment) {
    const int64_t size = blockSize(std::max<int64_t>(bytes, 1));
    std::vector<void*>& free = mFreeBlocks[size];
    if (!free.empty()) {
        void* memory = free.back();
        free.pop_back();
        return memory;
    }
    void* memory = mMemory.allocate(mMemory.context, size, alignment);
    if (memory == nullptr) {
        freeBlocks();
        memory = mMemory.allocate(mMemory.context, size, alignment);
    }
    if (memory != nullptr) {
        mBlockSizes[memory] = size;
    }
    return memory;
}

void BuildDevice::freeBlocks() {
    for (auto& [size, blocks] : mFreeBlocks) {
        for (void* memory : blocks) {
            mBlockSizes.erase(memory);
            mMemory.deallocate(mMemory.context, memory);
        }
        blocks.clear();
    }
}

runtime::AllocatorCallbacks BuildDevice::allocator() {
    runtime::AllocatorCallbacks callbacks = mMemory;
    callbacks.context = this;
    callbacks.allocate = [](void* context, int64_t bytes, int64_t alignment) {
        return static_cast<BuildDevice*>(context)->takeBlock(bytes, alignment);
    };
    callbacks.deallocate = [](void* context, void* memory) {
        BuildDevice& device = *static_cast<BuildDevice*>(context);
        device.mFreeBlocks[device.mBlockSizes[memory]].push_back(memory);
    };
    return callbacks;
}

support::Status BuildDevice::fill(void* to, int64_t bytes, const void* pattern, int64_t patternBytes) const {
    auto* begin = static_cast<std::byte*>(to);
    int64_t done = std::min(bytes, patternBytes);
    TN_RETURN_IF_ERROR(copy(begin, pattern, done));
    while (done < bytes) {
        const int64_t next = std::min(done, bytes - done);
        TN_RETURN_IF_ERROR(copy(begin + done, begin, next));
        done += next;
    }
    return {};
}

support::Result<TnSession*> BuildDevice::session(const TnKernelRuntime& runtime, const TnSessionInfo& info) {
    const auto known = mSessions.find(&runtime);
    if (known != mSessions.end()) {
        return known->second;
    }
    registry::TextSink sink;
    TnSession* session = nullptr;
    if (runtime.session_create(runtime.self, &info, &session, sink.sink()) != TN_OK) {
        return support::makeError(support::Code::kEnvironment, "session: ", sink.textOr("no reason given"));
    }
    mSessions.emplace(&runtime, session);
    return session;
}

support::Status BuildDevice::flushCache() {
    if (mFlushBytes == 0) {
        return {};
    }
    TN_RETURN_IF_ERROR(mFlush.reserve(2 * mFlushBytes, "displacing the device's cache"));
    return copy(mFlush.data() + mFlushBytes, mFlush.data(), mFlushBytes);
}

BuildDevice::Lock::Lock(const BuildDevice& device) : mFile(device.mLockFile) {
    // Others hold it for the time of one measurement. One that was stopped while it did must not stop us as well.
    const auto end = std::chrono::steady_clock::now() + kLockPatience;
    while (mFile >= 0 && ::flock(mFile, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            mFile = -1;
        } else if (std::chrono::steady_clock::now() > end) {
            mFile = -1;
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
}

BuildDevice::Lock::~Lock() {
    if (mFile >= 0) {
        ::flock(mFile, LOCK_UN);
    }
}

support::Status BuildDevice::begin() {
    if (mBegin.get() == nullptr) {
        TN_RETURN_IF_ERROR(synchronize());
        mClockNs = nowNs();
        return {};
    }
    const TnCode code = mDevice.table().event_record(mDevice.table().self, mBegin.get(), stream());
    return code == TN_OK ? support::Status() : support::internalError("an event could not be recorded");
}

support::Result<double> BuildDevice::end() {
    if (mEnd.get() == nullptr) {
        TN_RETURN_IF_ERROR(synchronize());
        return static_cast<double>(nowNs() - mClockNs) / 1000;
    }
    const TnBackend& table = mDevice.table();
    if (table.event_record(table.self, mEnd.get(), stream()) != TN_OK) {
        return support::internalError("an event could not be recorded");
    }
    TN_RETURN_IF_ERROR(synchronize());
    return elapsed();
}

bool BuildDevice::beginRecording() {
    const TnCapture* const capture = mDevice.capture();
    const bool canTime = capture != nullptr && mBegin.get() != nullptr &&
                         capture->struct_size >= offsetof(TnCapture, record_time) + sizeof capture->record_time &&
                         capture->record_time != nullptr;
    if (!canTime || capture->begin(capture->self, stream(), nullptr) != TN_OK) {
        return false;
    }
    if (capture->record_time(capture->self, mBegin.get(), stream()) != TN_OK) {
        capture->end(capture->self, stream(), nullptr, nullptr);
        return false;
    }
    return true;
}

TnRecording* BuildDevice::endRecording(bool issued) {
    const TnCapture& capture = *mDevice.capture();
    const bool complete = issued && capture.record_time(capture.self, mEnd.get(), stream()) == TN_OK;
    TnRecording* recording = nullptr;
    const TnCode code = capture.end(capture.self, stream(), complete ? &recording : nullptr, nullptr);
    return code == TN_OK ? recording : nullptr;
}

support::Result<double> BuildDevice::timedReplay(TnRecording* recording) {
    const Lock lock(*this);
    const TnCapture& capture = *mDevice.capture();
    if (capture.replay(capture.self, recording, stream(), nullptr) != TN_OK) {
        return support::internalError("a recorded launch could not be replayed");
    }
    TN_RETURN_IF_ERROR(synchronize());
    return elapsed();
}

void BuildDevice::forget(TnRecording* recording) const {
    const TnCapture& capture = *mDevice.capture();
    capture.destroy(capture.self, recording);
}

support::Result<double> BuildDevice::elapsed() const {
    const TnBackend& table = mDevice.table();
    double us = 0;
    if (table.event_elapsed_us(table.self, mBegin.get(), mEnd.get(), &us) != TN_OK) {
        return support::internalError("the time between two events could not be read");
    }
    return us;
}

} // namespace tenon::schedule
