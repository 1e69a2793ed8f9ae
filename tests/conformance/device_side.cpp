#include "tests/conformance/device_side.h"

#include "tenon/module/result.hpp"
#include "tests/conformance/text_sink.h"

#include <string_view>
#include <utility>

namespace tenon::conformance {

namespace {

// What operands on a device lie at multiples of.
constexpr int64_t kAlignment = 256;
constexpr int64_t kBlock = int64_t{4} << 20;

} // namespace

DeviceSide::~DeviceSide() {
    for (void* block : mBlocks) {
        mBackend->release(mBackend->self, 0, block);
    }
    if (mStream != nullptr) {
        mBackend->stream_destroy(mBackend->self, mStream);
    }
}

std::string DeviceSide::open() {
    TextSink reason;
    if (mBackend == nullptr || mBackend->stream_create == nullptr ||
        mBackend->stream_create(mBackend->self, 0, &mStream, &reason.sink) == TN_OK) {
        return {};
    }
    return "no stream: " + reason.text;
}

std::byte* DeviceSide::take(int64_t bytes) {
    const int64_t whole = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (whole > mLeft) {
        mLeft = std::max(whole, kBlock);
        mBlocks.push_back(mBackend->allocate(mBackend->self, 0, mLeft, kAlignment));
        mNext = static_cast<std::byte*>(mBlocks.back());
        if (mNext == nullptr) {
            mBlocks.pop_back();
            mLeft = 0;
            return nullptr;
        }
    }
    mLeft -= whole;
    return std::exchange(mNext, mNext + whole);
}

std::byte* DeviceSide::upload(GuardedBuffer& buffer, std::string& error) {
    if (mBackend == nullptr) {
        return buffer.data();
    }
    std::byte* const block = take(kAlignment + buffer.wholeSize());
    if (block == nullptr) {
        error = "no device memory";
        return nullptr;
    }
    std::byte* const first = block + kAlignment;
    mCopies.push_back({&buffer, first});
    TextSink reason;
    if (mBackend->copy(mBackend->self, first - GuardedBuffer::kGuard, buffer.whole(), buffer.wholeSize(), mStream,
                       &reason.sink) != TN_OK) {
        error = "copy to the device failed: " + reason.text;
    }
    return first;
}

std::string DeviceSide::synchronize() {
    TextSink reason;
    if (mStream == nullptr || mBackend->stream_synchronize(mBackend->self, mStream, &reason.sink) == TN_OK) {
        return {};
    }
    return reason.text;
}

std::string DeviceSide::download() {
    for (const Copy& copy : mCopies) {
        TextSink reason;
        const std::byte* whole = copy.first - GuardedBuffer::kGuard;
        if (mBackend->copy(mBackend->self, copy.buffer->whole(), whole, copy.buffer->wholeSize(), mStream,
                           &reason.sink) != TN_OK) {
            return "copy from the device failed: " + reason.text;
        }
    }
    return synchronize();
}

const TnCapture* DeviceSide::capture() const {
    constexpr std::string_view kName = TN_CAPTURE_EXTENSION;
    return mBackend == nullptr || mBackend->get_extension == nullptr
               ? nullptr
               : static_cast<const TnCapture*>(mBackend->get_extension(mBackend->self, module::toTn(kName)));
}

double DeviceSide::microseconds(int launches, const std::function<void()>& launch) {
    if (mBackend == nullptr || mBackend->event_create == nullptr) {
        return 0;
    }
    TnEvent* begin = nullptr;
    TnEvent* end = nullptr;
    TextSink reason;
    double elapsed = 0;
    if (mBackend->event_create(mBackend->self, 0, &begin, &reason.sink) == TN_OK &&
        mBackend->event_create(mBackend->self, 0, &end, &reason.sink) == TN_OK) {
        mBackend->event_record(mBackend->self, begin, mStream);
        for (int i = 0; i < launches; ++i) {
            launch();
        }
        mBackend->event_record(mBackend->self, end, mStream);
        synchronize();
        mBackend->event_elapsed_us(mBackend->self, begin, end, &elapsed);
    }
    for (TnEvent* event : {begin, end}) {
        if (event != nullptr) {
            mBackend->event_destroy(mBackend->self, event);
        }
    }
    return elapsed / launches;
}

} // namespace tenon::conformance
