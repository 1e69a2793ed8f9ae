// What a kernel of this backend is as bytes: written by the provider, read by the runtime, in one place so that the two
// cannot drift apart. Raise kBlobVersion with every change of the layout; plans name the version they hold.
#pragma once

#include "tenon/module/blob.hpp"

#include <cstdint>
#include <string_view>

namespace tenon::null_backend {

inline constexpr std::string_view kRuntimeName = "null";
inline constexpr uint32_t kBlobVersion = 1;

/// Decisions that were made when the kernel was compiled. Everything that depends on extents waits for `prepare`.
struct CopyBlob {
    TnDataType dtype = TN_F32;

    void write(module::BlobWriter& out) const { out.i32(dtype); }
    void read(module::BlobReader& in) {
        dtype = in.i32();
        in.require(module::bitsOf(dtype) >= 8, "the element type cannot be copied");
    }
};

} // namespace tenon::null_backend
