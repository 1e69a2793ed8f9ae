// Element types, tensor formats, weights and the version-carrying root of every interface that crosses the library.
// Used by all other public headers; must not know networks, engines or plugins.
#pragma once

#include "tenon/fwd.h"

namespace nvinfer1 {

namespace impl {
template <typename T>
struct EnumMaxImpl;
} // namespace impl

// Number of enumerators of an enumeration that TensorRT numbers from zero.
template <typename T>
constexpr int32_t EnumMax() noexcept {
    return impl::EnumMaxImpl<T>::kVALUE;
}

#define TENON_ENUM_MAX(Enumeration, count)                                                                             \
    namespace impl {                                                                                                   \
    template <>                                                                                                        \
    struct EnumMaxImpl<Enumeration> {                                                                                  \
        static constexpr int32_t kVALUE = count;                                                                       \
    };                                                                                                                 \
    }

// Element type of weights and tensors.
enum class DataType : int32_t {
    kFLOAT = 0,
    kHALF = 1,
    kINT8 = 2,
    kINT32 = 3,
    kBOOL = 4,
    kUINT8 = 5,
    kFP8 = 6,
    kBF16 = 7,
    kINT64 = 8,
    kINT4 = 9,
    kFP4 = 10,
    kE8M0 = 11,
};
TENON_ENUM_MAX(DataType, 12)

// Named memory layouts. C stands for the third-to-last dimension (fourth-to-last in the D formats).
enum class TensorFormat : int32_t {
    kLINEAR = 0,     // row-major
    kCHW2 = 1,       // blocks of 2 channels innermost
    kHWC8 = 2,       // channels innermost, padded to a multiple of 8
    kCHW4 = 3,       // blocks of 4 channels innermost
    kCHW16 = 4,      // blocks of 16 channels innermost
    kCHW32 = 5,      // blocks of 32 channels innermost
    kDHWC8 = 6,      // as kHWC8, with depth
    kCDHW32 = 7,     // as kCHW32, with depth
    kHWC = 8,        // channels innermost, not padded
    kDLA_LINEAR = 9, // DLA planar
    kDLA_HWC4 = 10,  // DLA image
    kHWC16 = 11,     // channels innermost, padded to a multiple of 16
    kDHWC = 12,      // as kHWC, with depth
};
TENON_ENUM_MAX(TensorFormat, 13)

using PluginFormat = TensorFormat;

// A set of TensorFormat: bit (1U << format).
using TensorFormats = uint32_t;

// Where the bytes of a tensor live.
enum class TensorLocation : int32_t {
    kDEVICE = 0,
    kHOST = 1,
};
TENON_ENUM_MAX(TensorLocation, 2)

enum class TensorIOMode : int32_t {
    kNONE = 0, // neither input nor output
    kINPUT = 1,
    kOUTPUT = 2,
};
TENON_ENUM_MAX(TensorIOMode, 3)

enum class APILanguage : int32_t {
    kCPP = 0,
    kPYTHON = 1,
};
TENON_ENUM_MAX(APILanguage, 2)

using InterfaceKind = char const*;

// Names an interface and its version. Tenon asks for this before it calls anything that a newer version added.
class InterfaceInfo {
public:
    InterfaceKind kind;
    int32_t major;
    int32_t minor;
};

// Root of the interfaces that users implement and hand to the library.
class IVersionedInterface {
public:
    virtual APILanguage getAPILanguage() const noexcept { return APILanguage::kCPP; }

    // Overridden by each interface of Tenon's, never by applications.
    virtual InterfaceInfo getInterfaceInfo() const noexcept = 0;

    virtual ~IVersionedInterface() noexcept = default;

protected:
    IVersionedInterface() = default;
    IVersionedInterface(IVersionedInterface const&) = default;
    IVersionedInterface(IVersionedInterface&&) = default;
    IVersionedInterface& operator=(IVersionedInterface const&) & = default;
    IVersionedInterface& operator=(IVersionedInterface&&) & = default;
};

// Root of the interfaces that Tenon implements: handled by pointer only, neither copied nor moved, not to be derived from.
class INoCopy {
protected:
    INoCopy() = default;
    virtual ~INoCopy() = default;
    INoCopy(INoCopy const&) = delete;
    INoCopy(INoCopy&&) = delete;
    INoCopy& operator=(INoCopy const&) = delete;
    INoCopy& operator=(INoCopy&&) = delete;
};

// A view of constant data. Does not own `values`, which must outlive every build of the network that uses it.
// {type, nullptr, 0} means "none".
class Weights {
public:
    DataType type;
    void const* values;
    int64_t count;
};

// A block of memory that the library owns; freed with `delete`. Reading is thread-safe.
class IHostMemory : public INoCopy {
public:
    ~IHostMemory() noexcept override = default;
    virtual void* data() const noexcept = 0;
    virtual std::size_t size() const noexcept = 0;
    virtual DataType type() const noexcept = 0;

    void destroy() noexcept { delete this; }
};

} // namespace nvinfer1

namespace tenon::element_type {

// Element types that TensorRT has no name for. Accepted wherever a DataType is; EnumMax does not count them.
inline constexpr DataType kDOUBLE = static_cast<DataType>(0x10000);
inline constexpr DataType kINT16 = static_cast<DataType>(0x10001);
inline constexpr DataType kUINT16 = static_cast<DataType>(0x10002);
inline constexpr DataType kUINT32 = static_cast<DataType>(0x10003);
inline constexpr DataType kUINT64 = static_cast<DataType>(0x10004);
inline constexpr DataType kFP8_E5M2 = static_cast<DataType>(0x10005);
inline constexpr DataType kUINT4 = static_cast<DataType>(0x10006);
inline constexpr DataType kSTRING = static_cast<DataType>(0x10007); // each element a length-carrying text, host only

} // namespace tenon::element_type
