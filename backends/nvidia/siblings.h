// Regions of parts that have nothing but inputs in common (convolutions of one image, say), computed side by side: each part by a tactic and a
// kernel of its own, on a stream that forks from the step's and joins it again. In a recording the parts become branches of the graph. Each part
// alone may leave most of a device idle; nothing has to be laid together and taken apart again, and the parts may differ in everything.
//
// Who uses it: modules whose provider computes such parts one by one. What it must not know: what the parts are.
#pragma once

#include "tenon/module/module.hpp"

#include <memory>

namespace tenon::nvidia {

// What `inner` offers, and siblings of such tasks. Both wrappers go together: the bytes of siblings hold those of their parts.
std::unique_ptr<module::Provider> withSiblings(std::unique_ptr<module::Provider> inner);
// Sessions are those of `inner`.
std::unique_ptr<module::KernelRuntime> withSiblings(std::unique_ptr<module::KernelRuntime> inner);

// A part of a task: a body of its own, and where its ports are among those of the whole.
struct Part {
    module::OwnedGraph body;
    std::vector<int32_t> inputs;
    std::vector<int32_t> outputs;
};
// In the order of their first nodes; a body whose nodes depend on each other is one part.
std::vector<Part> partsOf(const module::GraphView& body);

// The version of siblings' bytes, far from the versions of what they hold.
inline constexpr uint32_t kSiblingsVersion = 1000;

} // namespace tenon::nvidia
