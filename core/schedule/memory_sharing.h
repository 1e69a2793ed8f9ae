// Which tensors of a program lie in the memory of which others.
// Used by the step list, and by selection to foresee what the step list will manage. Pure: knows bytes and times, no graph, no layout, no step.
//
// Tensors that share memory form a cluster: they keep their distances, and at every time each byte of a cluster belongs to one writer at most.
// A *view* is a tensor that nobody writes, since its bytes are those of others: a reshape, a slice, or a concatenation whose parts were
// written where it has them. What it is made of is held until the view is no longer read.
#pragma once

#include "core/plan/plan_model.h"
#include "core/schedule/memory_planner.h"

#include <cstdint>
#include <vector>

namespace tenon::schedule {

// Tensor `to` begins `offset` bytes behind tensor `from` and has its bytes from there.
struct ViewLink {
    int32_t from = 0;
    int32_t to = 0;
    int64_t offset = 0;
    bool isPart = false; // one of the two is a part of the other; else they have the same elements
};

class MemorySharing {
public:
    struct Tensor {
        plan::PlanTensor::Role role = plan::PlanTensor::Role::kActivation;
        TnPlacement placement = TN_PLACEMENT_HOST;
        int32_t index = -1; // binding or constant
        int64_t bytes = 0;
        int64_t alignment = 1; // parts begin at multiples of it
    };

    int32_t add(const Tensor& tensor);
    // Steps are numbered in the order in which they run.
    void write(int32_t tensor, int32_t step);
    void read(int32_t tensor, int32_t step);

    // All of the links of one step, which thereby has nothing to do; or none, and false: memory that is the user's or a constant's would have to
    // lie in other memory, a part would not be aligned, two writers would meet, or `takeOver` has handed some of the memory on: whoever makes
    // views makes them first.
    bool view(const std::vector<ViewLink>& links, int32_t step);
    // `output`, which `step` writes, gets the memory of `input`, which nobody reads later. `inputs`: all that the step reads.
    bool takeOver(int32_t input, int32_t output, const std::vector<int32_t>& inputs, int32_t step);

    // The memory that a tensor lies in after all.
    struct Home {
        plan::PlanTensor::Role role = plan::PlanTensor::Role::kActivation;
        int32_t index = -1;
        int64_t offset = 0;   // in the binding or constant, or behind the beginning of the cluster
        int32_t cluster = -1; // of kActivation
    };
    Home homeOf(int32_t tensor) const;
    // What a cluster needs room for; empty if none of its tensors is used.
    std::vector<BufferLifetime> buffersOf(int32_t cluster) const;

private:
    struct Node {
        Tensor tensor;
        int32_t cluster = 0;
        int64_t offset = 0; // in the cluster, may be negative
        int32_t written = INT32_MAX;
        int32_t held = -1; // the last step that needs its bytes, through views as well
        bool isView = false;
        bool isPart = false;     // of another one, or made of parts
        bool tookOver = false;   // the memory of an input of the step that writes it
        std::vector<int32_t> of; // views: what they are made of
    };

    Node& at(int32_t tensor) { return mNodes[static_cast<size_t>(tensor)]; }
    const Node& at(int32_t tensor) const { return mNodes[static_cast<size_t>(tensor)]; }
    std::vector<int32_t>& members(int32_t cluster) { return mMembers[static_cast<size_t>(cluster)]; }
    const std::vector<int32_t>& members(int32_t cluster) const { return mMembers[static_cast<size_t>(cluster)]; }
    void hold(int32_t tensor, int32_t step);
    bool link(const ViewLink& link, int32_t step);
    bool join(int32_t kept, int32_t gone, int64_t distance);
    // The tensor that is the user's or a constant, or -1.
    int32_t ownerOf(int32_t cluster) const;
    bool isSound(int32_t cluster) const;

    std::vector<Node> mNodes;
    std::vector<std::vector<int32_t>> mMembers; // by cluster
};

} // namespace tenon::schedule
