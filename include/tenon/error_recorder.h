// The user's error sink beside the log: keeps coded errors for the application to read back.
#pragma once

#include "tenon/types.h"

namespace nvinfer1 {

enum class ErrorCode : int32_t {
    kSUCCESS = 0,
    kUNSPECIFIED_ERROR = 1,
    kINTERNAL_ERROR = 2, // a defect of the library
    kINVALID_ARGUMENT = 3,
    kINVALID_CONFIG = 4, // arguments are valid alone, not together
    kFAILED_ALLOCATION = 5,
    kFAILED_INITIALIZATION = 6,
    kFAILED_EXECUTION = 7,
    kFAILED_COMPUTATION = 8,
    kINVALID_STATE = 9,      // a call in the wrong order
    kUNSUPPORTED_STATE = 10, // nothing that is installed can do this
};
TENON_ENUM_MAX(ErrorCode, 11)

// Implemented by the application; called from any thread. The library holds a reference (incRefCount / decRefCount)
// for as long as an object keeps the recorder.
class IErrorRecorder : public IVersionedInterface {
public:
    using ErrorDesc = char const*;
    using RefCount = int32_t;

    // Descriptions that the library reports are cut to this length, terminator excluded, unless the recorder's
    // getInterfaceInfo() says minor version 1 or later: such a recorder gets them whole.
    static constexpr size_t kMAX_DESC_LENGTH{127U};

    InterfaceInfo getInterfaceInfo() const noexcept override { return {"IErrorRecorder", 1, 0}; }

    virtual int32_t getNbErrors() const noexcept = 0;
    virtual ErrorCode getErrorCode(int32_t errorIdx) const noexcept = 0;
    virtual ErrorDesc getErrorDesc(int32_t errorIdx) const noexcept = 0;
    virtual bool hasOverflowed() const noexcept = 0;
    virtual void clear() noexcept = 0;
    // True asks the library to stop what it is doing; `desc` is valid during the call only.
    virtual bool reportError(ErrorCode val, ErrorDesc desc) noexcept = 0;
    virtual RefCount incRefCount() noexcept = 0;
    virtual RefCount decRefCount() noexcept = 0;

    ~IErrorRecorder() noexcept override = default;
    IErrorRecorder() = default;

protected:
    IErrorRecorder(IErrorRecorder const&) = default;
    IErrorRecorder(IErrorRecorder&&) = default;
    IErrorRecorder& operator=(IErrorRecorder const&) & = default;
    IErrorRecorder& operator=(IErrorRecorder&&) & = default;
};

} // namespace nvinfer1
