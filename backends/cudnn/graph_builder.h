// Makes the tensors and operations of one operation graph.
//
// Who uses it: graph.cpp, attention.cpp and normalization.cpp. What it must not know: tasks, engines.
#pragma once

#include "backends/cudnn/graph.h"

#include <memory>
#include <optional>

namespace tenon::cudnn {

// Throws Failure for types that cuDNN's graphs here do not have.
cudnnDataType_t cudnnTypeOf(TnDataType type);

// Strides of [N, C, ..] in a layout of the tensor's own rank: only channels last and row-major are offered.
kernels::Dims stridesOf(const kernels::Dims& planes, bool channelsLast);

// Makes tensors and operations of one graph.
class Builder {
public:
    Builder(const Place& place, Graph& graph) : mApi(*place.api), mPlace(place), mGraph(graph) {}

    const Descriptor* tensor(int64_t uid, cudnnDataType_t type, const kernels::Dims& dims, const kernels::Dims& strides,
                             bool isVirtual = false, bool isByValue = false) {
        auto made = std::make_unique<Descriptor>(mApi, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
        made->set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, &type);
        made->setInts(CUDNN_ATTR_TENSOR_DIMENSIONS, dims);
        made->setInts(CUDNN_ATTR_TENSOR_STRIDES, strides);
        made->setInt(CUDNN_ATTR_TENSOR_UNIQUE_ID, uid);
        made->setInt(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
        made->set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, &isVirtual);
        made->set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, &isByValue);
        made->finalize();
        return keep(std::move(made));
    }
    const Descriptor* scalar(double value, size_t rank) {
        mGraph.scalars.push_back(static_cast<float>(value));
        const kernels::Dims ones(rank, 1);
        return tensor(kScalarUid + static_cast<int64_t>(mGraph.scalars.size()) - 1, CUDNN_DATA_FLOAT, ones, ones, false,
                      true);
    }
    // What the next operation writes: between operations in f32, at the end the output.
    const Descriptor* next(const kernels::Dims& dims, const kernels::Dims& strides) {
        return virtualTensor(CUDNN_DATA_FLOAT, dims, strides);
    }
    const Descriptor* virtualTensor(cudnnDataType_t type, const kernels::Dims& dims, const kernels::Dims& strides) {
        return tensor(kVirtualUid + static_cast<int64_t>(mGraph.parts.size()), type, dims, strides, true);
    }

    struct Clip {
        double slope = 0;
        std::optional<double> upper;
        double alpha = 1; // of elu, swish, softplus
    };
    void pointwise(cudnnPointwiseMode_t mode, const Descriptor* x, const Descriptor* b, const Descriptor* y,
                   const Clip& clip) {
        Descriptor& how = *keep(std::make_unique<Descriptor>(mApi, CUDNN_BACKEND_POINTWISE_DESCRIPTOR));
        const cudnnDataType_t math = CUDNN_DATA_FLOAT;
        how.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, &mode);
        how.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, &math);
        if (mode == CUDNN_POINTWISE_RELU_FWD) {
            const double lower = 0;
            how.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, CUDNN_TYPE_DOUBLE, &lower);
            if (clip.upper) {
                how.set(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, CUDNN_TYPE_DOUBLE, &*clip.upper);
            }
            if (clip.slope != 0) {
                how.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, CUDNN_TYPE_DOUBLE, &clip.slope);
            }
        } else if (mode == CUDNN_POINTWISE_ELU_FWD) {
            how.set(CUDNN_ATTR_POINTWISE_ELU_ALPHA, CUDNN_TYPE_DOUBLE, &clip.alpha);
        } else if (mode == CUDNN_POINTWISE_SWISH_FWD) {
            how.set(CUDNN_ATTR_POINTWISE_SWISH_BETA, CUDNN_TYPE_DOUBLE, &clip.alpha);
        } else if (mode == CUDNN_POINTWISE_SOFTPLUS_FWD) {
            const double one = 1;
            how.set(CUDNN_ATTR_POINTWISE_SOFTPLUS_BETA, CUDNN_TYPE_DOUBLE, &one);
        }
        how.finalize();
        auto operation = std::make_unique<Descriptor>(mApi, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
        operation->setDescriptor(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
        operation->setDescriptor(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, *x);
        if (b != nullptr) {
            operation->setDescriptor(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
        }
        operation->setDescriptor(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, *y);
        operation->finalize();
        add(std::move(operation));
    }
    void add(std::unique_ptr<Descriptor> operation) { mOperations.push_back(keep(std::move(operation))->get()); }
    Descriptor* keep(std::unique_ptr<Descriptor> part) {
        mGraph.parts.push_back(std::move(part));
        return mGraph.parts.back().get();
    }

    void finish() {
        mGraph.operations = Descriptor(mApi, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
        mGraph.operations.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, mOperations.data(),
                              static_cast<int64_t>(mOperations.size()));
        if (mPlace.handle != nullptr) {
            const cudnnHandle_t handle = mPlace.handle->get();
            mGraph.operations.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, &handle);
        }
        mGraph.operations.finalize();
    }

private:
    static constexpr int64_t kVirtualUid = 10000;
    const CudnnApi& mApi;
    const Place& mPlace;
    Graph& mGraph;
    std::vector<cudnnBackendDescriptor_t> mOperations;
};

} // namespace tenon::cudnn
