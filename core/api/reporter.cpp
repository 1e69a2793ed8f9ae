#include "core/api/reporter.h"

#include <atomic>

namespace tenon::api {

using nvinfer1::ErrorCode;

namespace {
std::atomic<nvinfer1::ILogger*> gLastLogger{nullptr};
}

void LoggerSink::log(support::Severity severity, std::string_view message) noexcept {
    try {
        const std::string text(message);
        mLogger->log(static_cast<nvinfer1::ILogger::Severity>(severity), text.c_str());
    } catch (...) {
        mLogger->log(nvinfer1::ILogger::Severity::kERROR, "out of memory while logging");
    }
}

void Reporter::setRecorder(nvinfer1::IErrorRecorder* recorder) noexcept {
    if (recorder != nullptr) {
        recorder->incRefCount();
    }
    if (mRecorder != nullptr) {
        mRecorder->decRefCount();
    }
    mRecorder = recorder;
}

void Reporter::report(const support::Status& status) const noexcept {
    try {
        error(errorCodeOf(status.code()), status.toString());
    } catch (...) {
        error(ErrorCode::kFAILED_ALLOCATION, "out of memory while reporting an error");
    }
}

void Reporter::error(ErrorCode code, std::string_view text) const noexcept {
    const auto severity =
        code == ErrorCode::kINTERNAL_ERROR ? support::Severity::kInternalError : support::Severity::kError;
    mSink.log(severity, text);
    if (mRecorder == nullptr) {
        return;
    }
    if (mRecorder->getInterfaceInfo().minor >= 1) {
        try {
            mRecorder->reportError(code, std::string(text).c_str());
            return;
        } catch (...) {
            mSink.log(support::Severity::kError, "out of memory while recording an error");
        }
    }
    char desc[nvinfer1::IErrorRecorder::kMAX_DESC_LENGTH + 1];
    const size_t length = text.copy(desc, nvinfer1::IErrorRecorder::kMAX_DESC_LENGTH);
    desc[length] = '\0';
    mRecorder->reportError(code, desc);
}

ErrorCode errorCodeOf(support::Code code) noexcept {
    switch (code) {
    case support::Code::kOk:
        return ErrorCode::kSUCCESS;
    case support::Code::kInvalidArgument:
        return ErrorCode::kINVALID_ARGUMENT;
    case support::Code::kInvalidFile:
        return ErrorCode::kINVALID_ARGUMENT;
    case support::Code::kUnsupported:
        return ErrorCode::kUNSUPPORTED_STATE;
    case support::Code::kNotFound:
        return ErrorCode::kINVALID_ARGUMENT;
    case support::Code::kEnvironment:
        return ErrorCode::kFAILED_INITIALIZATION;
    case support::Code::kCancelled:
        return ErrorCode::kFAILED_EXECUTION;
    case support::Code::kOutOfMemory:
        return ErrorCode::kFAILED_ALLOCATION;
    case support::Code::kIo:
        return ErrorCode::kFAILED_INITIALIZATION;
    case support::Code::kInternal:
        return ErrorCode::kINTERNAL_ERROR;
    case support::Code::kBuildFailed:
        return ErrorCode::kUNSUPPORTED_STATE;
    }
    return ErrorCode::kUNSPECIFIED_ERROR;
}

void rememberLogger(nvinfer1::ILogger* logger) noexcept { gLastLogger.store(logger); }

} // namespace tenon::api

extern "C" nvinfer1::ILogger* tenon_getLogger() noexcept { return tenon::api::gLastLogger.load(); }
