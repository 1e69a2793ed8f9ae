// IHostMemory over a buffer that it owns.
#pragma once

#include "tenon/types.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace tenon::api {

class HostMemory final : public nvinfer1::IHostMemory {
public:
    explicit HostMemory(std::vector<std::byte> bytes) : mBytes(std::move(bytes)) {}
    explicit HostMemory(const std::string& text);

    void* data() const noexcept override { return const_cast<std::byte*>(mBytes.data()); }
    std::size_t size() const noexcept override { return mBytes.size(); }
    nvinfer1::DataType type() const noexcept override { return nvinfer1::DataType::kINT8; }

private:
    std::vector<std::byte> mBytes;
};

} // namespace tenon::api
