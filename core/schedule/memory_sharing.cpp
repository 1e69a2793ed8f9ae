#include "core/schedule/memory_sharing.h"

#include <algorithm>
#include <utility>

namespace tenon::schedule {

using Role = plan::PlanTensor::Role;

namespace {

constexpr int32_t kForever = INT32_MAX - 1;

} // namespace

int32_t MemorySharing::add(const Tensor& tensor) {
    Node node;
    node.tensor = tensor;
    node.cluster = static_cast<int32_t>(mMembers.size());
    // What the user or the plan owns is there before the first step, and stays.
    if (tensor.role == Role::kInput || tensor.role == Role::kConstant) {
        node.written = -1;
    }
    if (tensor.role != Role::kActivation) {
        node.held = kForever;
    }
    mMembers.push_back({static_cast<int32_t>(mNodes.size())});
    mNodes.push_back(std::move(node));
    return static_cast<int32_t>(mNodes.size()) - 1;
}

void MemorySharing::hold(int32_t tensor, int32_t step) {
    Node& node = at(tensor);
    if (node.held >= step) {
        return;
    }
    node.held = step;
    for (const int32_t source : node.of) {
        hold(source, step);
    }
}

void MemorySharing::write(int32_t tensor, int32_t step) {
    at(tensor).written = std::min(at(tensor).written, step);
    hold(tensor, step);
}

void MemorySharing::read(int32_t tensor, int32_t step) { hold(tensor, step); }

int32_t MemorySharing::ownerOf(int32_t cluster) const {
    for (const int32_t member : members(cluster)) {
        if (at(member).tensor.role != Role::kActivation) {
            return member;
        }
    }
    return -1;
}

bool MemorySharing::join(int32_t kept, int32_t gone, int64_t distance) {
    const int32_t to = at(kept).cluster;
    const int32_t from = at(gone).cluster;
    const int64_t shift = at(kept).offset + distance - at(gone).offset;
    if (to == from) {
        return shift == 0;
    }
    if (at(kept).tensor.placement != at(gone).tensor.placement || (ownerOf(to) >= 0 && ownerOf(from) >= 0)) {
        return false;
    }
    for (const int32_t member : members(from)) {
        at(member).cluster = to;
        at(member).offset += shift;
    }
    members(to).insert(members(to).end(), members(from).begin(), members(from).end());
    members(from).clear();
    return true;
}

bool MemorySharing::link(const ViewLink& link, int32_t step) {
    Node& from = at(link.from);
    Node& to = at(link.to);
    const int64_t alignment = std::max(from.tensor.alignment, to.tensor.alignment);
    if (link.offset % alignment != 0 || to.tensor.role == Role::kInput || to.tensor.role == Role::kConstant) {
        return false;
    }
    to.isView = true;
    to.of.push_back(link.from);
    from.isPart = from.isPart || link.isPart;
    to.isPart = to.isPart || link.isPart;
    hold(link.to, step);
    hold(link.from, to.held);
    return join(link.from, link.to, link.offset);
}

bool MemorySharing::isSound(int32_t cluster) const {
    const std::vector<int32_t>& all = members(cluster);
    const int32_t owner = ownerOf(cluster);
    const bool hasParts = std::any_of(all.begin(), all.end(), [&](int32_t member) { return at(member).isPart; });
    for (size_t i = 0; i < all.size(); ++i) {
        const Node& a = at(all[i]);
        // Without parts all have the same elements, though their largest extents may be known less well.
        if (owner >= 0 && hasParts &&
            (a.offset < at(owner).offset || a.offset + a.tensor.bytes > at(owner).offset + at(owner).tensor.bytes)) {
            return false;
        }
        for (size_t j = i + 1; j < all.size() && !a.isView; ++j) {
            const Node& b = at(all[j]);
            const bool sameBytes = a.offset < b.offset + b.tensor.bytes && b.offset < a.offset + a.tensor.bytes;
            if (!b.isView && sameBytes && a.written <= b.held && b.written <= a.held) {
                return false;
            }
        }
    }
    return true;
}

bool MemorySharing::view(const std::vector<ViewLink>& links, int32_t step) {
    // All that an attempt changes lies in the clusters that it would join.
    std::vector<std::pair<int32_t, std::vector<int32_t>>> clusters;
    std::vector<std::pair<int32_t, Node>> nodes;
    for (const ViewLink& each : links) {
        for (const int32_t cluster : {at(each.from).cluster, at(each.to).cluster}) {
            if (std::any_of(clusters.begin(), clusters.end(),
                            [&](const auto& known) { return known.first == cluster; })) {
                continue;
            }
            clusters.emplace_back(cluster, members(cluster));
            for (const int32_t member : members(cluster)) {
                nodes.emplace_back(member, at(member));
            }
        }
    }
    // The step that writes in place relies on nobody reading its input any more.
    const bool handedOn =
        std::any_of(nodes.begin(), nodes.end(), [](const auto& before) { return before.second.tookOver; });
    const bool made = !links.empty() && !handedOn &&
                      std::all_of(links.begin(), links.end(), [&](const ViewLink& each) { return link(each, step); }) &&
                      isSound(at(links[0].from).cluster);
    if (!made) {
        for (auto& [cluster, before] : clusters) {
            members(cluster) = std::move(before);
        }
        for (auto& [node, before] : nodes) {
            at(node) = std::move(before);
        }
    }
    return made;
}

bool MemorySharing::takeOver(int32_t input, int32_t output, const std::vector<int32_t>& inputs, int32_t step) {
    const Node& in = at(input);
    const Node& out = at(output);
    if (in.cluster == out.cluster || in.tensor.bytes != out.tensor.bytes ||
        in.tensor.placement != out.tensor.placement || ownerOf(in.cluster) >= 0 || ownerOf(out.cluster) >= 0 ||
        out.isView || out.written != step) {
        return false;
    }
    // Another operand in the same memory would be overwritten before it is read.
    if (std::count_if(inputs.begin(), inputs.end(),
                      [&](int32_t other) { return other >= 0 && at(other).cluster == in.cluster; }) != 1) {
        return false;
    }
    const int64_t shift = in.offset - out.offset;
    for (const int32_t first : members(in.cluster)) {
        const Node& a = at(first);
        for (const int32_t second : members(out.cluster)) {
            const Node& b = at(second);
            const int64_t begin = b.offset + shift;
            if (a.isView || b.isView || begin >= a.offset + a.tensor.bytes || a.offset >= begin + b.tensor.bytes) {
                continue;
            }
            // The step reads the last of `a` while it writes: that is what it may do, and only with its own output.
            const bool isHandedOver = second == output && a.held == step;
            if (!isHandedOver && a.written <= b.held && b.written <= a.held) {
                return false;
            }
        }
    }
    at(output).tookOver = true;
    return join(input, output, 0);
}

MemorySharing::Home MemorySharing::homeOf(int32_t tensor) const {
    const Node& node = at(tensor);
    const int32_t owner = ownerOf(node.cluster);
    if (owner >= 0) {
        return {at(owner).tensor.role, at(owner).tensor.index, node.offset - at(owner).offset, -1};
    }
    int64_t begin = INT64_MAX;
    for (const int32_t member : members(node.cluster)) {
        begin = std::min(begin, at(member).offset);
    }
    return {Role::kActivation, -1, node.offset - begin, node.cluster};
}

std::vector<BufferLifetime> MemorySharing::buffersOf(int32_t cluster) const {
    const std::vector<int32_t>& all = members(cluster);
    if (all.empty() || ownerOf(cluster) >= 0) {
        return {};
    }
    if (std::none_of(all.begin(), all.end(), [&](int32_t member) { return at(member).isPart; })) {
        BufferLifetime buffer{0, INT32_MAX, -1};
        for (const int32_t member : all) {
            const Node& node = at(member);
            buffer.bytes = std::max(buffer.bytes, node.tensor.bytes);
            buffer.first = std::min(buffer.first, node.written);
            buffer.last = std::max(buffer.last, node.held);
        }
        return buffer.last < 0
                   ? std::vector<BufferLifetime>()
                   : std::vector<BufferLifetime>{{buffer.bytes, std::min(buffer.first, buffer.last), buffer.last}};
    }
    std::vector<BufferLifetime> buffers;
    for (const int32_t member : all) {
        const Node& node = at(member);
        // While a step hands memory over, it is counted once: as that of the operand.
        const int32_t first = node.tookOver ? node.written + 1 : node.written;
        if (!node.isView && first <= node.held) {
            buffers.push_back({node.tensor.bytes, first, node.held, cluster, homeOf(member).offset});
        }
    }
    std::sort(buffers.begin(), buffers.end(), [](const BufferLifetime& a, const BufferLifetime& b) {
        return std::pair(a.within, a.first) < std::pair(b.within, b.first);
    });
    return buffers;
}

} // namespace tenon::schedule
