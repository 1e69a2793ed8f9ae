#include "backends/cuda/op_table.h"

namespace tenon::cuda {

OpTable::OpTable() {
    addPointwise(*this);
    addMovement(*this);
    addLines(*this);
    addReductions(*this);
    addProducts(*this);
    addAttention(*this);
    addPooling(*this);
    addIndexed(*this);
}

const OpTable& OpTable::instance() {
    static const OpTable table;
    return table;
}

void OpTable::add(OpEntry entry) {
    mChecks.add(entry.checks);
    mEntries.emplace(entry.checks.op, entry);
}

const OpEntry* OpTable::find(std::string_view op) const {
    const auto found = mEntries.find(op);
    return found == mEntries.end() ? nullptr : &found->second;
}

const OpEntry& OpTable::require(const module::NodeView& node) const {
    mChecks.require(node);
    return *find(node.op());
}

} // namespace tenon::cuda
