#include "core/api/optimization_profile.h"

#include "core/api/type_convert.h"

namespace tenon::api {

using nvinfer1::Dims;
using nvinfer1::OptProfileSelector;
using support::cat;

namespace {

constexpr const char* kPointNames[] = {"min", "opt", "max"};

bool isPoint(OptProfileSelector select) {
    return select == OptProfileSelector::kMIN || select == OptProfileSelector::kOPT ||
           select == OptProfileSelector::kMAX;
}

size_t at(OptProfileSelector select) { return static_cast<size_t>(select); }

} // namespace

bool OptimizationProfile::refuse(const char* function, const char* inputName, std::string_view why) const noexcept {
    return guarded(mReporter, false, [&] {
        mReporter.error(nvinfer1::ErrorCode::kINVALID_ARGUMENT, cat("IOptimizationProfile::", function, " of '",
                                                                    inputName == nullptr ? "" : inputName, "': ", why));
        return false;
    });
}

ProfilePoints* OptimizationProfile::pointsFor(const char* function, char const* inputName,
                                              OptProfileSelector select) noexcept {
    if (inputName == nullptr || *inputName == '\0') {
        refuse(function, inputName, "the input needs a name");
        return nullptr;
    }
    if (!isPoint(select)) {
        refuse(function, inputName, "the selector is none of kMIN, kOPT, kMAX");
        return nullptr;
    }
    return guarded(mReporter, static_cast<ProfilePoints*>(nullptr), [&] { return &mInputs[inputName]; });
}

const ProfilePoints* OptimizationProfile::find(char const* inputName) const noexcept {
    return guarded(mReporter, static_cast<const ProfilePoints*>(nullptr), [&]() -> const ProfilePoints* {
        const auto found = inputName == nullptr ? mInputs.end() : mInputs.find(inputName);
        return found == mInputs.end() ? nullptr : &found->second;
    });
}

bool OptimizationProfile::setDimensions(char const* inputName, OptProfileSelector select, Dims const& dims) noexcept {
    if (!api::isValid(dims)) {
        return refuse("setDimensions", inputName, "the number of dimensions is out of range");
    }
    for (int32_t i = 0; i < dims.nbDims; ++i) {
        if (dims.d[i] < 0) {
            return refuse("setDimensions", inputName, "an extent of a profile must be known, hence not negative");
        }
    }
    ProfilePoints* points = pointsFor("setDimensions", inputName, select);
    if (points == nullptr) {
        return false;
    }
    for (const std::optional<Dims>& other : points->dims) {
        if (other && other->nbDims != dims.nbDims) {
            return refuse("setDimensions", inputName, "the three points must have the same number of dimensions");
        }
    }
    points->dims[at(select)] = dims;
    return true;
}

Dims OptimizationProfile::getDimensions(char const* inputName, OptProfileSelector select) const noexcept {
    const ProfilePoints* points = find(inputName);
    if (points == nullptr || !isPoint(select) || !points->dims[at(select)]) {
        return invalidDims();
    }
    return *points->dims[at(select)];
}

bool OptimizationProfile::setShapeValuesV2(char const* inputName, OptProfileSelector select, int64_t const* values,
                                           int32_t nbValues) noexcept {
    if (nbValues < 0 || (values == nullptr && nbValues > 0)) {
        return refuse("setShapeValues", inputName, "the values are missing");
    }
    ProfilePoints* points = pointsFor("setShapeValues", inputName, select);
    if (points == nullptr) {
        return false;
    }
    for (size_t i = 0; i < 3; ++i) {
        if (i != at(select) && points->hasValues[i] && points->values[i].size() != static_cast<size_t>(nbValues)) {
            return refuse("setShapeValues", inputName, "the three points must have the same number of values");
        }
    }
    return guarded(mReporter, false, [&] {
        points->values[at(select)].assign(values, values + nbValues);
        points->hasValues[at(select)] = true;
        mNarrowValues.erase(inputName);
        return true;
    });
}

bool OptimizationProfile::setShapeValues(char const* inputName, OptProfileSelector select, int32_t const* values,
                                         int32_t nbValues) noexcept {
    if (nbValues < 0 || (values == nullptr && nbValues > 0)) {
        return refuse("setShapeValues", inputName, "the values are missing");
    }
    return guarded(mReporter, false, [&] {
        const std::vector<int64_t> wide(values, values + nbValues);
        return setShapeValuesV2(inputName, select, wide.data(), nbValues);
    });
}

int32_t OptimizationProfile::getNbShapeValues(char const* inputName) const noexcept {
    const ProfilePoints* points = find(inputName);
    for (size_t i = 0; points != nullptr && i < 3; ++i) {
        if (points->hasValues[i]) {
            return static_cast<int32_t>(points->values[i].size());
        }
    }
    return -1;
}

int64_t const* OptimizationProfile::getShapeValuesV2(char const* inputName, OptProfileSelector select) const noexcept {
    const ProfilePoints* points = find(inputName);
    return points == nullptr || !isPoint(select) || !points->hasValues[at(select)] ? nullptr
                                                                                   : points->values[at(select)].data();
}

int32_t const* OptimizationProfile::getShapeValues(char const* inputName, OptProfileSelector select) const noexcept {
    const ProfilePoints* points = find(inputName);
    if (points == nullptr || !isPoint(select) || !points->hasValues[at(select)]) {
        return nullptr;
    }
    return guarded(mReporter, static_cast<int32_t const*>(nullptr), [&]() -> int32_t const* {
        std::vector<int32_t>& narrow = mNarrowValues[inputName][at(select)];
        narrow.clear();
        for (const int64_t value : points->values[at(select)]) {
            if (value < INT32_MIN || value > INT32_MAX) {
                refuse("getShapeValues", inputName, "a value needs 64 bits: use getShapeValuesV2");
                return nullptr;
            }
            narrow.push_back(static_cast<int32_t>(value));
        }
        return narrow.data();
    });
}

bool OptimizationProfile::setExtraMemoryTarget(float target) noexcept {
    if (!(target >= 0.0F)) {
        return false;
    }
    mExtraMemoryTarget = target;
    return true;
}

bool OptimizationProfile::isValid() const noexcept {
    return guarded(mReporter, false, [&] { return whyInvalid().empty(); });
}

std::string OptimizationProfile::whyInvalid() const {
    for (const auto& [name, points] : mInputs) {
        const bool anyDims = points.dims[0] || points.dims[1] || points.dims[2];
        const bool anyValues = points.hasValues[0] || points.hasValues[1] || points.hasValues[2];
        for (size_t i = 0; i < 3; ++i) {
            if (anyDims && !points.dims[i]) {
                return cat("input '", name, "' has no ", kPointNames[i], " dimensions");
            }
            if (anyValues && !points.hasValues[i]) {
                return cat("input '", name, "' has no ", kPointNames[i], " values");
            }
        }
        for (size_t i = 0; i + 1 < 3; ++i) {
            for (int32_t d = 0; anyDims && d < points.dims[i]->nbDims; ++d) {
                if (points.dims[i]->d[d] > points.dims[i + 1]->d[d]) {
                    return cat("dimension ", d, " of input '", name, "' falls from ", kPointNames[i], " ",
                               textOf(*points.dims[i]), " to ", kPointNames[i + 1], " ", textOf(*points.dims[i + 1]));
                }
            }
            for (size_t v = 0; anyValues && v < points.values[i].size(); ++v) {
                if (points.values[i][v] > points.values[i + 1][v]) {
                    return cat("value ", v, " of input '", name, "' falls from ", kPointNames[i], " ",
                               points.values[i][v], " to ", kPointNames[i + 1], " ", points.values[i + 1][v]);
                }
            }
        }
    }
    return {};
}

} // namespace tenon::api
