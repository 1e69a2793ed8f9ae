// A Plan as the metadata section of a plan file and back: plan.fbs, without the bytes of constants and kernels.
// Used by writer.cpp and reader.cpp only. Knows the FlatBuffers schema (in the .cpp files), no file and no hash.
#pragma once

#include "core/plan/plan_model.h"
#include "core/support/status.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tenon::plan {

// Where the writer put the bytes that metadata refers to.
struct DataPlaces {
    struct Place {
        int64_t offset = 0; // in the weights or the kernels section
        int64_t bytes = 0;
        bool present = true;
    };
    std::vector<Place> constants; // by constant
    std::vector<Place> kernels;   // by kernel
};

/// Equal plans and places give equal bytes. Precondition: verifyPlan accepted the plan.
std::vector<std::byte> encodeMetadata(const Plan& plan, const DataPlaces& places);

/// Survives any bytes. Enumerators and array sizes of the result are in range, indices need not be: that is for verifyPlan.
/// Constants have no data and kernels no blob; `places` says where they are.
support::Result<Plan> decodeMetadata(std::span<const std::byte> bytes, DataPlaces& places);

} // namespace tenon::plan
