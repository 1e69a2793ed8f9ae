// IOptimizationProfile's implementation. Used by Builder, which owns profiles, and by BuilderConfig, which copies them.
#pragma once

#include "core/api/reporter.h"
#include "tenon/builder_config.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tenon::api {

// The three points of one input; index by OptProfileSelector.
struct ProfilePoints {
    std::array<std::optional<nvinfer1::Dims>, 3> dims;
    std::array<std::vector<int64_t>, 3> values;
    std::array<bool, 3> hasValues{};
};

using ProfileInputs = std::map<std::string, ProfilePoints>;

class OptimizationProfile final : public nvinfer1::IOptimizationProfile {
public:
    explicit OptimizationProfile(const Reporter& reporter) : mReporter(reporter) {}
    ~OptimizationProfile() noexcept override = default;

    bool setDimensions(char const* inputName, nvinfer1::OptProfileSelector select,
                       nvinfer1::Dims const& dims) noexcept override;
    nvinfer1::Dims getDimensions(char const* inputName, nvinfer1::OptProfileSelector select) const noexcept override;
    bool setShapeValues(char const* inputName, nvinfer1::OptProfileSelector select, int32_t const* values,
                        int32_t nbValues) noexcept override;
    int32_t getNbShapeValues(char const* inputName) const noexcept override;
    int32_t const* getShapeValues(char const* inputName, nvinfer1::OptProfileSelector select) const noexcept override;
    bool setExtraMemoryTarget(float target) noexcept override;
    float getExtraMemoryTarget() const noexcept override { return mExtraMemoryTarget; }
    bool isValid() const noexcept override;
    bool setShapeValuesV2(char const* inputName, nvinfer1::OptProfileSelector select, int64_t const* values,
                          int32_t nbValues) noexcept override;
    int64_t const* getShapeValuesV2(char const* inputName, nvinfer1::OptProfileSelector select) const noexcept override;

    const ProfileInputs& inputs() const { return mInputs; }
    // "" if every point is there and min <= opt <= max.
    std::string whyInvalid() const;

private:
    bool refuse(const char* function, const char* inputName, std::string_view why) const noexcept;
    ProfilePoints* pointsFor(const char* function, char const* inputName, nvinfer1::OptProfileSelector select) noexcept;
    const ProfilePoints* find(char const* inputName) const noexcept;

    Reporter mReporter;
    ProfileInputs mInputs;
    float mExtraMemoryTarget = 1.0F;
    mutable std::map<std::string, std::array<std::vector<int32_t>, 3>> mNarrowValues; // what getShapeValues points to
};

} // namespace tenon::api
