#include "core/runtime/context_streams.h"

namespace tenon::runtime {

using support::Result;
using support::Status;

namespace {

constexpr size_t kPrimary = 1;

Status checked(TnCode code, const char* what, const Device& device) {
    return code == TN_OK
               ? Status()
               : support::internalError("backend '", device.name(), "' failed to ", what, " (code ", code, ")");
}

} // namespace

Result<std::unique_ptr<ContextStreams>> ContextStreams::open(const DeviceSet& devices) {
    std::unique_ptr<ContextStreams> streams(new ContextStreams(devices));
    streams->mCurrent.assign(devices.size(), nullptr);
    for (size_t placement = 1; placement < devices.size(); ++placement) {
        const Device& device = devices.at(static_cast<TnPlacement>(placement));
        TN_ASSIGN_OR_RETURN(DeviceStream stream, DeviceStream::create(device));
        streams->mCurrent[placement] = stream.get();
        streams->mOwn.push_back(std::move(stream));
    }
    if (!devices.hostOnly()) {
        TN_ASSIGN_OR_RETURN(streams->mEnd, DeviceEvent::create(devices.at(kPrimary)));
        streams->mCapture = devices.at(kPrimary).capture();
    }
    return streams;
}

ContextStreams::~ContextStreams() { static_cast<void>(settle()); }

Status ContextStreams::use(void* user, bool& changed) {
    if (mDevices.hostOnly()) {
        return {};
    }
    const Device& device = mDevices.at(kPrimary);
    const bool toUser = user != nullptr && device.hasStreams();
    const bool same = toUser == mOnUserStream && (!toUser || user == mUser.handle);
    if (same && (!toUser || mCapture == nullptr)) {
        return {};
    }
    mUser.handle = user;
    TnStream* const wanted = toUser ? reinterpret_cast<TnStream*>(&mUser) : mOwn[0].get();
    mUserRecords = toUser && mCapture != nullptr && mCapture->recording(mCapture->self, wanted) != 0;
    if (same) {
        return {};
    }
    mOnUserStream = toUser;
    if (mEndRecorded && !mUserRecords) {
        TN_RETURN_IF_ERROR(checked(device.table().event_wait(device.table().self, mEnd.get(), wanted),
                                   "order one stream after another", device));
    }
    changed = changed || mCurrent[kPrimary] != wanted;
    mCurrent[kPrimary] = wanted;
    return {};
}

Status ContextStreams::finish() {
    if (mDevices.hostOnly() || mUserRecords) {
        return {};
    }
    // Other devices have no way to order the user's stream after theirs.
    for (size_t placement = mOnUserStream ? kPrimary + 1 : kPrimary; placement < mCurrent.size(); ++placement) {
        TN_RETURN_IF_ERROR(mDevices.at(static_cast<TnPlacement>(placement)).synchronize(mCurrent[placement]));
    }
    if (!mOnUserStream) {
        mEndRecorded = false; // the own stream came after it
        return {};
    }
    const Device& device = mDevices.at(kPrimary);
    if (mEnd.get() == nullptr) {
        return device.synchronize(mCurrent[kPrimary]);
    }
    mEndRecorded = true;
    return checked(device.table().event_record(device.table().self, mEnd.get(), mCurrent[kPrimary]),
                   "mark the end of a run", device);
}

Status ContextStreams::settle() {
    if (mDevices.hostOnly() || mUserRecords) {
        return {};
    }
    if (mEndRecorded) {
        const Device& device = mDevices.at(kPrimary);
        TN_RETURN_IF_ERROR(checked(device.table().event_wait(device.table().self, mEnd.get(), mOwn[0].get()),
                                   "wait for the end of a run", device));
        mEndRecorded = false;
    }
    for (size_t i = 0; i < mOwn.size(); ++i) {
        TN_RETURN_IF_ERROR(mDevices.at(static_cast<TnPlacement>(i + 1)).synchronize(mOwn[i].get()));
    }
    return {};
}

} // namespace tenon::runtime
