// What the API's tests share: a logger and a recorder that keep what they are told, and a builder over them.
#pragma once

#include "core/support/text.h"
#include "tenon/tenon.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tenon::api::test {

class KeepingLogger final : public nvinfer1::ILogger {
public:
    void log(Severity severity, char const* msg) noexcept override {
        lines.emplace_back(severity, msg);
        text += std::string(msg) + "\n";
    }
    int count(Severity severity) const {
        int found = 0;
        for (const auto& line : lines) {
            found += line.first == severity ? 1 : 0;
        }
        return found;
    }
    // Errors since the last call, joined.
    std::string takeErrors() {
        std::string errors;
        for (const auto& line : lines) {
            if (line.first <= Severity::kERROR) {
                errors += line.second + "\n";
            }
        }
        lines.clear();
        return errors;
    }
    std::vector<std::pair<Severity, std::string>> lines;
    std::string text;
};

class KeepingRecorder final : public nvinfer1::IErrorRecorder {
public:
    explicit KeepingRecorder(int32_t minor = 0) : mMinor(minor) {}
    nvinfer1::InterfaceInfo getInterfaceInfo() const noexcept override { return {"IErrorRecorder", 1, mMinor}; }
    int32_t getNbErrors() const noexcept override { return static_cast<int32_t>(errors.size()); }
    nvinfer1::ErrorCode getErrorCode(int32_t i) const noexcept override { return errors[static_cast<size_t>(i)].first; }
    ErrorDesc getErrorDesc(int32_t i) const noexcept override { return errors[static_cast<size_t>(i)].second.c_str(); }
    bool hasOverflowed() const noexcept override { return false; }
    void clear() noexcept override { errors.clear(); }
    bool reportError(nvinfer1::ErrorCode val, ErrorDesc desc) noexcept override {
        errors.emplace_back(val, desc);
        return false;
    }
    RefCount incRefCount() noexcept override { return ++references; }
    RefCount decRefCount() noexcept override { return --references; }

    std::vector<std::pair<nvinfer1::ErrorCode, std::string>> errors;
    int32_t references = 0;

private:
    int32_t mMinor;
};

struct Session {
    KeepingLogger logger;
    std::unique_ptr<nvinfer1::IBuilder> builder{tenon::createInferBuilder(logger)};
    std::unique_ptr<nvinfer1::INetworkDefinition> network{builder->createNetworkV2(0)};
    std::unique_ptr<nvinfer1::IBuilderConfig> config{builder->createBuilderConfig()};
};

inline std::string text(const nvinfer1::Dims& dims) {
    std::string out = "[";
    for (int32_t i = 0; i < dims.nbDims; ++i) {
        out += support::cat(i == 0 ? "" : ",", dims.d[i]);
    }
    return dims.nbDims < 0 ? "?" : out + "]";
}

} // namespace tenon::api::test
