// Read-only views of what the host shows a module: graphs, nodes, values, attributes, tasks, targets.
// Used by providers (build) and, over a deserialized OwnedGraph, by kernels. Views are cheap values that own nothing: they
// are valid as long as what they look at, which for the host's pictures is the call. They honour strides and struct sizes.
// Must not know any core header.
#pragma once

#include "tenon/module/format.hpp"

#include <iterator>
#include <span>
#include <utility>
#include <vector>

namespace tenon::module {

/// An array of structs whose elements may be larger than this header knows.
template <class T>
class StridedRange {
public:
    class Iterator {
    public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using reference = const T&;
        using pointer = const T*;
        using iterator_category = std::forward_iterator_tag;

        Iterator() = default;
        Iterator(const std::byte* at, size_t stride) noexcept : mAt(at), mStride(stride) {}
        const T& operator*() const noexcept { return *reinterpret_cast<const T*>(mAt); }
        const T* operator->() const noexcept { return reinterpret_cast<const T*>(mAt); }
        Iterator& operator++() noexcept {
            mAt += mStride;
            return *this;
        }
        Iterator operator++(int) noexcept {
            Iterator old = *this;
            ++*this;
            return old;
        }
        bool operator==(const Iterator& other) const noexcept { return mAt == other.mAt; }

    private:
        const std::byte* mAt = nullptr;
        size_t mStride = sizeof(T);
    };

    StridedRange() = default;
    StridedRange(const T* first, int64_t count, size_t stride) noexcept
        : mFirst(reinterpret_cast<const std::byte*>(first)), mCount(count < 0 ? 0 : static_cast<size_t>(count)),
          mStride(stride == 0 ? sizeof(T) : stride) {}

    size_t size() const noexcept { return mCount; }
    bool empty() const noexcept { return mCount == 0; }
    /// Precondition: i < size().
    const T& operator[](size_t i) const noexcept { return *reinterpret_cast<const T*>(mFirst + i * mStride); }
    Iterator begin() const noexcept { return {mFirst, mStride}; }
    Iterator end() const noexcept { return {mFirst + mCount * mStride, mStride}; }

private:
    const std::byte* mFirst = nullptr;
    size_t mCount = 0;
    size_t mStride = sizeof(T);
};

inline bool isStatic(const TnDim& dim) noexcept { return dim.min == dim.max; }
inline bool isBounded(const TnDim& dim) noexcept { return dim.max != INT64_MAX; }
inline TnDim staticDim(int64_t extent) noexcept { return {extent, extent, extent, -1, 0}; }

/// One tensor (or sequence, or optional) of a graph. Empty (false) for an optional input that was left out.
class ValueView {
public:
    ValueView() = default;
    explicit ValueView(const TnValue* value) noexcept : mValue(value) {}
    explicit operator bool() const noexcept { return mValue != nullptr; }

    TnValueKind kind() const noexcept { return mValue->kind; }
    bool isTensor() const noexcept { return mValue->kind == TN_VALUE_TENSOR; }
    TnDataType dtype() const noexcept { return mValue->dtype; }
    std::string_view name() const noexcept { return view(mValue->name); }
    bool hasRank() const noexcept { return mValue->rank >= 0; }
    /// -1 when unknown.
    int32_t rank() const noexcept { return mValue->rank; }
    std::span<const TnDim> dims() const noexcept {
        return {mValue->dims, static_cast<size_t>(hasRank() ? mValue->rank : 0)};
    }
    /// Negative indices count from the end. Precondition: inside the rank.
    const TnDim& dim(int32_t i) const noexcept { return mValue->dims[i < 0 ? i + mValue->rank : i]; }
    bool isStatic(int32_t i) const noexcept { return module::isStatic(dim(i)); }
    /// Rank known and every extent static.
    bool isStatic() const noexcept {
        for (const TnDim& dim : dims()) {
            if (!module::isStatic(dim)) {
                return false;
            }
        }
        return hasRank();
    }
    /// The extents to optimise for; exact when `isStatic()`.
    std::vector<int64_t> optExtents() const { return extents(&TnDim::opt); }
    std::vector<int64_t> maxExtents() const { return extents(&TnDim::max); }
    std::vector<int64_t> minExtents() const { return extents(&TnDim::min); }
    /// Elements at the optimal extents; saturates at INT64_MAX.
    int64_t optElements() const noexcept { return elements(&TnDim::opt); }
    /// Elements at the largest extents; INT64_MAX when there is no bound.
    int64_t maxElements() const noexcept { return elements(&TnDim::max); }

    /// Fixed at build time. Large constants do not show their bytes: see `hasData`.
    bool isConstant() const noexcept {
        return (TN_HAS_MEMBER(mValue, is_constant) && mValue->is_constant != 0) || hasData();
    }
    bool hasData() const noexcept { return mValue->data != nullptr; }
    /// The elements of a small constant, linear; empty when not shown or when T has another size than the elements.
    template <class T>
    std::span<const T> data() const noexcept {
        if (mValue->data == nullptr || static_cast<int32_t>(sizeof(T) * 8) != bitsOf(mValue->dtype)) {
            return {};
        }
        return {static_cast<const T*>(mValue->data), static_cast<size_t>(mValue->data_bytes) / sizeof(T)};
    }
    std::span<const std::byte> bytes() const noexcept {
        return {static_cast<const std::byte*>(mValue->data),
                mValue->data == nullptr ? 0 : static_cast<size_t>(mValue->data_bytes)};
    }
    const TnValue& raw() const noexcept { return *mValue; }

private:
    std::vector<int64_t> extents(int64_t TnDim::*member) const {
        std::vector<int64_t> out;
        for (const TnDim& dim : dims()) {
            out.push_back(dim.*member);
        }
        return out;
    }
    int64_t elements(int64_t TnDim::*member) const noexcept {
        int64_t product = 1;
        for (const TnDim& dim : dims()) {
            if (dim.*member == 0) {
                return 0;
            }
        }
        for (const TnDim& dim : dims()) {
            if (__builtin_mul_overflow(product, dim.*member, &product)) {
                return INT64_MAX;
            }
        }
        return product;
    }

    const TnValue* mValue = nullptr;
};

/// Integers of an attribute that are known at run time at the latest (the shape of a reshape, the starts of a slice).
/// At build time `dim(i)` bounds entry i; at run time `value(i, scalars)` has it, with TnPrepareArgs::scalars.
class DimsAttribute {
public:
    DimsAttribute() = default;
    explicit DimsAttribute(const TnAttribute* attribute) noexcept : mAttribute(attribute) {}
    /// False when the node does not have the attribute.
    explicit operator bool() const noexcept { return mAttribute != nullptr; }

    size_t size() const noexcept { return mAttribute == nullptr ? 0 : static_cast<size_t>(mAttribute->count); }
    TnDim dim(size_t i) const noexcept {
        return mAttribute->kind == TN_ATTR_DIMS ? mAttribute->dims[i] : staticDim(mAttribute->ints[i]);
    }
    bool isStatic() const noexcept {
        for (size_t i = 0; i < size(); ++i) {
            if (!module::isStatic(dim(i))) {
                return false;
            }
        }
        return true;
    }
    /// Index of entry 0 in TnPrepareArgs::scalars.
    int64_t firstScalar() const noexcept { return mAttribute->first_scalar; }
    int64_t value(size_t i, const int64_t* scalars) const noexcept {
        return mAttribute->kind == TN_ATTR_DIMS ? scalars[mAttribute->first_scalar + static_cast<int64_t>(i)]
                                                : mAttribute->ints[i];
    }
    std::vector<int64_t> values(const int64_t* scalars) const {
        std::vector<int64_t> out(size());
        for (size_t i = 0; i < out.size(); ++i) {
            out[i] = value(i, scalars);
        }
        return out;
    }

private:
    const TnAttribute* mAttribute = nullptr;
};

class GraphView;

/// One operation. Attribute look-up is by name; a missing attribute means its default, which the op's definition gives.
class NodeView {
public:
    NodeView() = default;
    NodeView(const TnGraph* graph, const TnNode* node) noexcept : mGraph(graph), mNode(node) {}
    explicit operator bool() const noexcept { return mNode != nullptr; }

    std::string_view op() const noexcept { return view(mNode->op); }
    std::string_view name() const noexcept { return view(mNode->name); }
    /// True for "unary.exp" and "unary".
    bool isFamily(std::string_view family) const noexcept {
        return op().starts_with(family) && op().size() > family.size() && op()[family.size()] == '.';
    }

    int32_t inputCount() const noexcept { return mNode->input_count; }
    int32_t outputCount() const noexcept { return mNode->output_count; }
    /// Index of a value of the graph; -1 when left out or past the end.
    int32_t inputIndex(int32_t i) const noexcept { return i >= 0 && i < mNode->input_count ? mNode->inputs[i] : -1; }
    int32_t outputIndex(int32_t i) const noexcept { return i >= 0 && i < mNode->output_count ? mNode->outputs[i] : -1; }
    bool hasInput(int32_t i) const noexcept { return inputIndex(i) >= 0; }
    ValueView input(int32_t i) const noexcept { return value(inputIndex(i)); }
    ValueView output(int32_t i) const noexcept { return value(outputIndex(i)); }

    StridedRange<TnAttribute> attributes() const noexcept {
        return {mNode->attributes, mNode->attribute_count, mNode->attribute_stride};
    }
    const TnAttribute* attribute(std::string_view attributeName) const noexcept {
        for (const TnAttribute& attribute : attributes()) {
            if (view(attribute.name) == attributeName) {
                return &attribute;
            }
        }
        return nullptr;
    }
    const TnAttribute* attribute(std::string_view attributeName, TnAttributeKind kind) const noexcept {
        const TnAttribute* found = attribute(attributeName);
        return found != nullptr && found->kind == kind ? found : nullptr;
    }
    bool hasAttribute(std::string_view attributeName) const noexcept { return attribute(attributeName) != nullptr; }

    int64_t intOr(std::string_view attributeName, int64_t fallback) const noexcept {
        const TnAttribute* found = attribute(attributeName, TN_ATTR_INT);
        return found != nullptr ? found->i : fallback;
    }
    /// Accepts an integer.
    double floatOr(std::string_view attributeName, double fallback) const noexcept {
        const TnAttribute* found = attribute(attributeName);
        if (found != nullptr && found->kind == TN_ATTR_INT) {
            return static_cast<double>(found->i);
        }
        return found != nullptr && found->kind == TN_ATTR_FLOAT ? found->f : fallback;
    }
    std::string_view stringOr(std::string_view attributeName, std::string_view fallback) const noexcept {
        const TnAttribute* found = attribute(attributeName, TN_ATTR_STRING);
        return found != nullptr ? view(found->s) : fallback;
    }
    TnDataType dtypeOr(std::string_view attributeName, TnDataType fallback) const noexcept {
        const TnAttribute* found = attribute(attributeName, TN_ATTR_DTYPE);
        return found != nullptr ? static_cast<TnDataType>(found->i) : fallback;
    }
    /// Empty when absent: check `hasAttribute` where that differs from an empty list.
    std::span<const int64_t> ints(std::string_view attributeName) const noexcept {
        const TnAttribute* found = attribute(attributeName, TN_ATTR_INTS);
        return found != nullptr ? std::span(found->ints, static_cast<size_t>(found->count))
                                : std::span<const int64_t>();
    }
    /// The list, or `count` times `fallback` when it is absent: `intsOr("strides", 2, 1)`.
    std::vector<int64_t> intsOr(std::string_view attributeName, size_t count, int64_t fallback) const {
        const TnAttribute* found = attribute(attributeName, TN_ATTR_INTS);
        return found != nullptr ? std::vector<int64_t>(found->ints, found->ints + found->count)
                                : std::vector<int64_t>(count, fallback);
    }
    std::span<const double> floats(std::string_view attributeName) const noexcept {
        const TnAttribute* found = attribute(attributeName, TN_ATTR_FLOATS);
        return found != nullptr ? std::span(found->floats, static_cast<size_t>(found->count))
                                : std::span<const double>();
    }
    std::vector<std::string_view> strings(std::string_view attributeName) const {
        std::vector<std::string_view> out;
        if (const TnAttribute* found = attribute(attributeName, TN_ATTR_STRINGS); found != nullptr) {
            for (int64_t i = 0; i < found->count; ++i) {
                out.push_back(view(found->strings[i]));
            }
        }
        return out;
    }
    /// A list of run-time integers (a list of constants counts). False when absent.
    DimsAttribute dims(std::string_view attributeName) const noexcept {
        const TnAttribute* found = attribute(attributeName);
        const bool fits = found != nullptr && (found->kind == TN_ATTR_DIMS || found->kind == TN_ATTR_INTS);
        return DimsAttribute(fits ? found : nullptr);
    }
    /// A constant; its bytes are always shown. False when absent.
    ValueView tensor(std::string_view attributeName) const noexcept {
        const TnAttribute* found = attribute(attributeName, TN_ATTR_TENSOR);
        return ValueView(found != nullptr ? found->tensor : nullptr);
    }

    size_t regionCount() const noexcept { return static_cast<size_t>(mNode->region_count); }
    inline GraphView region(size_t i) const noexcept;
    const TnNode& raw() const noexcept { return *mNode; }

private:
    ValueView value(int32_t index) const noexcept {
        if (index < 0) {
            return {};
        }
        return ValueView(&StridedRange<TnValue>(mGraph->values, mGraph->value_count,
                                                mGraph->value_stride)[static_cast<size_t>(index)]);
    }

    const TnGraph* mGraph = nullptr;
    const TnNode* mNode = nullptr;
};

/// A graph or region body: nodes in topological order, values by index.
class GraphView {
public:
    GraphView() = default;
    explicit GraphView(const TnGraph* graph) noexcept : mGraph(graph) {}
    explicit operator bool() const noexcept { return mGraph != nullptr; }

    size_t nodeCount() const noexcept { return static_cast<size_t>(mGraph->node_count); }
    /// Precondition: i < nodeCount().
    NodeView node(size_t i) const noexcept {
        return {mGraph, &StridedRange<TnNode>(mGraph->nodes, mGraph->node_count, mGraph->node_stride)[i]};
    }
    size_t valueCount() const noexcept { return static_cast<size_t>(mGraph->value_count); }
    ValueView value(int32_t index) const noexcept {
        if (index < 0 || index >= mGraph->value_count) {
            return {};
        }
        return ValueView(&StridedRange<TnValue>(mGraph->values, mGraph->value_count,
                                                mGraph->value_stride)[static_cast<size_t>(index)]);
    }
    /// Indices into the values.
    std::span<const int32_t> inputs() const noexcept {
        return {mGraph->inputs, static_cast<size_t>(mGraph->input_count)};
    }
    std::span<const int32_t> outputs() const noexcept {
        return {mGraph->outputs, static_cast<size_t>(mGraph->output_count)};
    }
    const TnGraph& raw() const noexcept { return *mGraph; }

private:
    const TnGraph* mGraph = nullptr;
};

inline GraphView NodeView::region(size_t i) const noexcept { return GraphView(mNode->regions[i]); }

/// Who makes and who reads each value of a graph. Computed once, for providers that match patterns in `propose`.
class GraphIndex {
public:
    explicit GraphIndex(GraphView graph)
        : mProducers(graph.valueCount(), -1), mConsumers(graph.valueCount()), mIsOutput(graph.valueCount(), false) {
        for (size_t n = 0; n < graph.nodeCount(); ++n) {
            const NodeView node = graph.node(n);
            for (int32_t i = 0; i < node.outputCount(); ++i) {
                mProducers[static_cast<size_t>(node.outputIndex(i))] = static_cast<int32_t>(n);
            }
            for (int32_t i = 0; i < node.inputCount(); ++i) {
                if (node.hasInput(i)) {
                    mConsumers[static_cast<size_t>(node.inputIndex(i))].push_back(static_cast<int32_t>(n));
                }
            }
        }
        for (const int32_t output : graph.outputs()) {
            mIsOutput[static_cast<size_t>(output)] = true;
        }
    }
    /// The node that makes the value; -1 for graph inputs.
    int32_t producer(int32_t value) const noexcept { return mProducers[static_cast<size_t>(value)]; }
    /// One entry per use: a node that reads the value twice is there twice.
    std::span<const int32_t> consumers(int32_t value) const noexcept { return mConsumers[static_cast<size_t>(value)]; }
    bool isOutput(int32_t value) const noexcept { return mIsOutput[static_cast<size_t>(value)]; }
    /// Nobody but one consumer sees it: it may disappear inside a region.
    bool hasSingleUse(int32_t value) const noexcept { return consumers(value).size() == 1 && !isOutput(value); }

private:
    std::vector<int32_t> mProducers;
    std::vector<std::vector<int32_t>> mConsumers;
    std::vector<bool> mIsOutput;
};

/// What is to be computed: one op, or a region body. Its ports are the body's inputs and outputs, in order.
class TaskView {
public:
    explicit TaskView(const TnTask* task) noexcept : mTask(task) {}

    GraphView body() const noexcept { return GraphView(mTask->body); }
    bool isSingleNode() const noexcept { return mTask->body->node_count == 1; }
    /// The node of a single-node task (the first one otherwise). Precondition: the body has a node.
    NodeView node() const noexcept { return body().node(0); }
    std::string_view op() const noexcept { return isSingleNode() ? node().op() : std::string_view("fused"); }

    int32_t inputCount() const noexcept { return static_cast<int32_t>(mTask->body->input_count); }
    int32_t outputCount() const noexcept { return static_cast<int32_t>(mTask->body->output_count); }
    ValueView input(int32_t port) const noexcept { return body().value(mTask->body->inputs[port]); }
    ValueView output(int32_t port) const noexcept { return body().value(mTask->body->outputs[port]); }
    /// The input port that binds a value of the body (an index as NodeView::inputIndex gives); -1 when it is none.
    /// A node that reads one value twice has one port for it.
    int32_t inputPort(int32_t value) const noexcept { return portOf(body().inputs(), value); }
    int32_t outputPort(int32_t value) const noexcept { return portOf(body().outputs(), value); }

    /// Layouts that the neighbour at this input port can give.
    StridedRange<TnPortFormat> offered(int32_t port) const noexcept {
        if (mTask->offered_begin == nullptr) {
            return {};
        }
        const size_t stride = mTask->offered_stride == 0 ? sizeof(TnPortFormat) : mTask->offered_stride;
        const int64_t begin = mTask->offered_begin[port];
        const auto* first = reinterpret_cast<const std::byte*>(mTask->offered) + static_cast<size_t>(begin) * stride;
        return {reinterpret_cast<const TnPortFormat*>(first), mTask->offered_begin[port + 1] - begin, stride};
    }
    /// True when f32 tensors of this task may be computed in `type`.
    bool mayComputeIn(TnDataType type) const noexcept {
        return type == TN_F32 || (type >= 0 && type < TN_DATA_TYPE_COUNT && (mTask->compute_types >> type & 1) != 0);
    }
    /// True when the f32 operands of products may be rounded to TF32.
    bool mayUseTf32() const noexcept { return (mTask->compute_types & TN_COMPUTE_TF32) != 0; }
    int64_t workspaceLimit() const noexcept { return mTask->workspace_limit; }
    /// For the op "convert": what its output must be; its input is `offered(0)[0]`. Null for other ops.
    const TnPortFormat* convertTo() const noexcept {
        return TN_HAS_MEMBER(mTask, convert_to) ? mTask->convert_to : nullptr;
    }
    const TnTask& raw() const noexcept { return *mTask; }

private:
    static int32_t portOf(std::span<const int32_t> ports, int32_t value) noexcept {
        for (size_t i = 0; i < ports.size(); ++i) {
            if (ports[i] == value) {
                return static_cast<int32_t>(i);
            }
        }
        return -1;
    }

    const TnTask* mTask;
};

/// A device described as data.
class TargetView {
public:
    explicit TargetView(const TnTarget* target) noexcept : mTarget(target) {}
    TnPlacement placement() const noexcept { return mTarget->placement; }
    bool isHost() const noexcept { return mTarget->placement == TN_PLACEMENT_HOST; }
    std::string_view backend() const noexcept { return view(mTarget->backend); }
    std::string_view json() const noexcept { return view(mTarget->json); }
    std::string_view fingerprint() const noexcept { return view(mTarget->fingerprint); }
    int32_t threads() const noexcept { return mTarget->threads; }
    /// True when the host backend's list of instruction sets has `isa` ("avx2", "avx512f", "neon").
    bool hasIsa(std::string_view isa) const { return json().find(text('"', isa, '"')) != std::string_view::npos; }
    const TnTarget& raw() const noexcept { return *mTarget; }

private:
    const TnTarget* mTarget;
};

} // namespace tenon::module
