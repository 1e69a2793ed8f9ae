#include "core/schedule/selector_encoding.h"

#include "core/schedule/selector_encoder.h"

#include <algorithm>
#include <unordered_map>

namespace tenon::schedule {
namespace {

struct TupleHash {
    size_t operator()(const std::vector<int32_t>& tuple) const {
        uint64_t hash = tuple.size();
        for (int32_t item : tuple) {
            hash = (hash ^ static_cast<uint32_t>(item)) * 0x9E3779B97F4A7C15ull;
            hash ^= hash >> 29;
        }
        return static_cast<size_t>(hash);
    }
};

// Looked up only, never iterated.
using TupleIndex = std::unordered_map<std::vector<int32_t>, int32_t, TupleHash>;

} // namespace

bool SelectionEncoder::open(int32_t node) const {
    return mOptions.fixedChoices == nullptr || (*mOptions.fixedChoices)[static_cast<size_t>(node)].region < 0;
}

bool SelectionEncoder::allowed(size_t region) const {
    return mOptions.allowedRegions == nullptr || (*mOptions.allowedRegions)[region] != 0;
}

EncodedProblem SelectionEncoder::run() {
    mOut.nodeTable.assign(static_cast<size_t>(mPrepared.nodeCount), -1);
    mOut.rowChoice.resize(static_cast<size_t>(mPrepared.nodeCount));
    declarePortVariables();
    declareNoGoodVariables();
    projectRegions();
    for (int32_t node = 0; node < mPrepared.nodeCount; ++node) {
        if (open(node)) {
            encodeNode(node);
        }
    }
    for (size_t v = 0; v < mPrepared.values.size(); ++v) {
        if (mProduced[v] >= 0) {
            encodeValue(static_cast<int32_t>(v));
        }
    }
    for (size_t n = 0; n < mNoGoods.size(); ++n) {
        encodeNoGood(n);
    }
    return std::move(mOut);
}

int32_t SelectionEncoder::addVariable(int32_t domain) {
    mOut.network.domains.push_back(domain);
    mIsRead.push_back(0);
    mAsked.push_back(0);
    return static_cast<int32_t>(mOut.network.domains.size()) - 1;
}

void SelectionEncoder::addTable(const std::vector<int32_t>& vars, const std::vector<int32_t>& cells,
                                std::vector<double> costs, int32_t node, int32_t value) {
    std::vector<size_t> order(vars.size());
    for (size_t i = 0; i < order.size(); ++i) {
        order[i] = i;
    }
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return vars[a] < vars[b]; });
    CostTable table;
    for (size_t column : order) {
        table.vars.push_back(vars[column]);
    }
    table.cells.reserve(cells.size());
    for (size_t r = 0; r < costs.size(); ++r) {
        for (size_t column : order) {
            table.cells.push_back(cells[r * vars.size() + column]);
        }
    }
    table.costs = std::move(costs);
    for (size_t c = 0; c < table.vars.size(); ++c) {
        const size_t var = static_cast<size_t>(table.vars[c]);
        for (size_t r = 0; mIsRead[var] != 0 && r < table.rows(); ++r) {
            if (const int32_t format = table.row(r)[c]; format > 0) {
                mAsked[var] |= uint64_t{1} << (format - 1);
            }
        }
    }
    mOut.network.tables.push_back(std::move(table));
    mOut.tableNode.push_back(node);
    mOut.tableValue.push_back(value);
}

// P and D of every value that touches an open node.
void SelectionEncoder::declarePortVariables() {
    mProduced.assign(mPrepared.values.size(), -1);
    mRead.resize(mPrepared.values.size());
    for (size_t v = 0; v < mPrepared.values.size(); ++v) {
        const PreparedValue& value = mPrepared.values[v];
        if (value.consumers.empty() && !value.graphOutput) {
            continue;
        }
        bool touched = value.producer < 0 ? mOptions.fixedChoices == nullptr : open(value.producer);
        for (int32_t consumer : value.consumers) {
            touched = touched || open(consumer);
        }
        if (!touched) {
            continue;
        }
        mProduced[v] = addVariable(value.formatCount + 1);
        for (size_t i = 0; i < value.consumers.size(); ++i) {
            mRead[v].push_back(addVariable(value.formatCount + 1));
            mIsRead.back() = 1;
        }
        if (mOptions.fixedChoices != nullptr) {
            fixPorts(static_cast<int32_t>(v));
        }
    }
}

// Readers and producers outside the open nodes ask for what their standing choice says.
void SelectionEncoder::fixPorts(int32_t id) {
    const PreparedValue& value = mPrepared.values[static_cast<size_t>(id)];
    auto fix = [&](int32_t var, int32_t node, bool output) {
        const Choice& choice = (*mOptions.fixedChoices)[static_cast<size_t>(node)];
        const PreparedRegion& region = mPrepared.regions[static_cast<size_t>(choice.region)];
        const int32_t* formats = region.formatsOf(static_cast<size_t>(choice.candidate));
        int32_t format = 0;
        for (size_t p = 0; p < region.ports.size(); ++p) {
            const RegionPort& port = region.ports[p];
            if (port.value == id && port.node == node && port.output == output) {
                format = formats[p];
            }
        }
        addTable({var}, {format}, {0.0}, node, -1);
    };
    if (value.producer >= 0 && !open(value.producer)) {
        fix(mProduced[static_cast<size_t>(id)], value.producer, true);
    }
    for (size_t i = 0; i < value.consumers.size(); ++i) {
        if (!open(value.consumers[i])) {
            fix(mRead[static_cast<size_t>(id)][i], value.consumers[i], false);
        }
    }
}

void SelectionEncoder::declareNoGoodVariables() {
    mTermVars.resize(mNoGoods.size());
    mTermsOfNode.resize(static_cast<size_t>(mPrepared.nodeCount));
    for (size_t n = 0; n < mNoGoods.size(); ++n) {
        for (size_t t = 0; t < mNoGoods[n].terms.size(); ++t) {
            const NoGoodTerm& term = mNoGoods[n].terms[t];
            const int32_t var = addVariable(2);
            mTermVars[n].push_back(var);
            if (open(term.node)) {
                mTermsOfNode[static_cast<size_t>(term.node)].push_back({var, &term});
            } else {
                const Choice& choice = (*mOptions.fixedChoices)[static_cast<size_t>(term.node)];
                addTable({var}, {holds(term, choice) ? 1 : 0}, {0.0}, term.node, -1);
            }
        }
    }
}

bool SelectionEncoder::holds(const NoGoodTerm& term, const Choice& choice) const {
    const PreparedRegion& region = mPrepared.regions[static_cast<size_t>(choice.region)];
    if (term.candidate >= 0) {
        return choice.candidate >= 0 && region.candidates[static_cast<size_t>(choice.candidate)].id == term.candidate;
    }
    return region.contains(term.contains) && !region.contains(term.excludes);
}

int32_t SelectionEncoder::linkVariable(int32_t a, int32_t b) {
    const auto [it, isNew] = mLinks.try_emplace({std::min(a, b), std::max(a, b)}, 0);
    if (isNew) {
        it->second = addVariable(1); // grows with every region that uses it
        for (int32_t end : {a, b}) {
            mLinksOfNode[static_cast<size_t>(end)].push_back(it->second);
        }
    }
    return it->second;
}

void SelectionEncoder::projectRegions() {
    mMembers.resize(static_cast<size_t>(mPrepared.nodeCount));
    mLinksOfNode.resize(static_cast<size_t>(mPrepared.nodeCount));
    for (size_t r = 0; r < mPrepared.regions.size(); ++r) {
        if (allowed(r) && open(mPrepared.regions[r].nodes.front())) {
            projectRegion(static_cast<int32_t>(r));
        }
    }
}

// Bottom-up along the spanning tree: every member numbers the distinct combinations of formats on its own ports and
// below; the number is the key on the link to its parent.
void SelectionEncoder::projectRegion(int32_t position) {
    const PreparedRegion& region = mPrepared.regions[static_cast<size_t>(position)];
    const size_t size = region.nodes.size();
    auto local = [&](int32_t node) {
        return static_cast<size_t>(std::lower_bound(region.nodes.begin(), region.nodes.end(), node) -
                                   region.nodes.begin());
    };
    std::vector<std::vector<size_t>> adjacent(size);
    for (const auto& [a, b] : region.treeEdges) {
        adjacent[local(a)].push_back(local(b));
        adjacent[local(b)].push_back(local(a));
    }
    std::vector<size_t> order = {local(region.anchor)};
    std::vector<size_t> parent(size, size);
    for (size_t i = 0; i < order.size(); ++i) {
        for (size_t next : adjacent[order[i]]) {
            if (next != parent[order[i]]) {
                parent[next] = order[i];
                order.push_back(next);
            }
        }
    }
    std::vector<Member> members(size);
    for (size_t i = 0; i < size; ++i) {
        members[i].region = position;
    }
    for (size_t p = 0; p < region.ports.size(); ++p) {
        members[local(region.ports[p].node)].ports.push_back(static_cast<int32_t>(p));
    }

    const size_t candidates = region.candidates.size();
    std::vector<std::vector<int32_t>> projection(size); // per member and candidate
    std::vector<std::vector<size_t>> children(size);
    std::vector<int32_t> keyBase(size, 0); // of the link to the parent
    std::vector<int32_t> keyCount(size, 0);
    std::vector<int32_t> tuple;
    for (size_t i = size; i-- > 0;) {
        const size_t at = order[i];
        Member& member = members[at];
        for (size_t child : children[at]) {
            member.links.push_back(linkVariable(region.nodes[at], region.nodes[child]));
        }
        const bool anchor = i == 0;
        int32_t parentLink = -1;
        if (!anchor) {
            parentLink = linkVariable(region.nodes[at], region.nodes[parent[at]]);
            keyBase[at] = mOut.network.domains[static_cast<size_t>(parentLink)];
            member.links.push_back(parentLink);
            children[parent[at]].push_back(at);
        }
        // A member that adds no port passes on what its only child distinguishes.
        if (!anchor && member.ports.empty() && children[at].size() == 1) {
            const size_t child = children[at].front();
            for (int32_t key = 0; key < keyCount[child]; ++key) {
                member.rows.push_back(keyBase[child] + key);
                member.rows.push_back(keyBase[at] + key);
            }
            keyCount[at] = keyCount[child];
            projection[at] = std::move(projection[child]);
            mOut.network.domains[static_cast<size_t>(parentLink)] += keyCount[at];
            continue;
        }
        TupleIndex seen;
        int32_t count = 0;
        projection[at].resize(candidates);
        for (size_t c = 0; c < candidates; ++c) {
            tuple.clear();
            for (int32_t port : member.ports) {
                tuple.push_back(region.formatsOf(c)[port]);
            }
            for (size_t child : children[at]) {
                tuple.push_back(keyBase[child] + projection[child][c]);
            }
            if (anchor) {
                member.rows.insert(member.rows.end(), tuple.begin(), tuple.end());
                member.candidates.push_back(static_cast<int32_t>(c));
                continue;
            }
            const auto [it, isNew] = seen.try_emplace(tuple, count);
            if (isNew) {
                member.rows.insert(member.rows.end(), tuple.begin(), tuple.end());
                member.rows.push_back(keyBase[at] + count);
                ++count;
            }
            projection[at][c] = it->second;
        }
        if (!anchor) {
            keyCount[at] = count;
            mOut.network.domains[static_cast<size_t>(parentLink)] += count;
        }
    }
    for (size_t i = 0; i < size; ++i) {
        mMembers[static_cast<size_t>(region.nodes[i])].push_back(std::move(members[i]));
    }
}

void SelectionEncoder::encodeNode(int32_t node) {
    const size_t n = static_cast<size_t>(node);
    std::vector<int32_t> vars;
    mColumnOf.resize(mOut.network.domains.size(), -1);
    auto addColumn = [&](int32_t var) {
        if (var >= 0 && mColumnOf[static_cast<size_t>(var)] < 0) {
            mColumnOf[static_cast<size_t>(var)] = static_cast<int32_t>(vars.size());
            vars.push_back(var);
        }
    };
    auto columnOf = [&](int32_t var) { return static_cast<size_t>(mColumnOf[static_cast<size_t>(var)]); };
    for (int32_t value : mPrepared.outputsOfNode[n]) {
        addColumn(mProduced[static_cast<size_t>(value)]);
    }
    for (int32_t value : mPrepared.inputsOfNode[n]) {
        addColumn(readVariable(value, node));
    }
    for (int32_t var : mLinksOfNode[n]) {
        addColumn(var);
    }
    for (const auto& [var, term] : mTermsOfNode[n]) {
        addColumn(var);
    }

    std::vector<int32_t> cells;
    std::vector<double> costs;
    for (const Member& member : mMembers[n]) {
        const PreparedRegion& region = mPrepared.regions[static_cast<size_t>(member.region)];
        std::vector<size_t> columns; // of the member's row entries
        for (int32_t port : member.ports) {
            const RegionPort& declared = region.ports[static_cast<size_t>(port)];
            const int32_t var =
                declared.output ? mProduced[static_cast<size_t>(declared.value)] : readVariable(declared.value, node);
            columns.push_back(columnOf(var));
        }
        for (int32_t var : member.links) {
            columns.push_back(columnOf(var));
        }
        const bool anchor = !member.candidates.empty();
        TupleIndex seen;
        const size_t rows =
            anchor ? member.candidates.size() : (columns.empty() ? 1 : member.rows.size() / columns.size());
        for (size_t r = 0; r < rows; ++r) {
            const size_t first = cells.size();
            cells.resize(first + vars.size(), 0);
            for (size_t c = 0; c < columns.size(); ++c) {
                cells[first + columns[c]] = member.rows[r * columns.size() + c];
            }
            const Choice choice{member.region, anchor ? member.candidates[r] : -1};
            for (const auto& [var, term] : mTermsOfNode[n]) {
                cells[first + columnOf(var)] = holds(*term, choice) ? 1 : 0;
            }
            const double cost = anchor ? region.candidates[static_cast<size_t>(choice.candidate)].cost : 0.0;
            // Candidates kept for the sake of no-goods may have equal formats; rows must stay distinct.
            if (anchor && region.mayRepeat) {
                const auto [same, isNew] =
                    seen.try_emplace({cells.begin() + static_cast<std::ptrdiff_t>(first), cells.end()},
                                     static_cast<int32_t>(costs.size()));
                if (!isNew) {
                    cells.resize(first);
                    if (cost < costs[static_cast<size_t>(same->second)]) {
                        costs[static_cast<size_t>(same->second)] = cost;
                        mOut.rowChoice[n][static_cast<size_t>(same->second)] = choice;
                    }
                    continue;
                }
            }
            costs.push_back(cost);
            mOut.rowChoice[n].push_back(choice);
        }
    }
    for (int32_t var : vars) {
        mColumnOf[static_cast<size_t>(var)] = -1;
    }
    mOut.nodeTable[n] = static_cast<int32_t>(mOut.network.tables.size());
    addTable(vars, cells, std::move(costs), node, -1);
}

int32_t SelectionEncoder::readVariable(int32_t value, int32_t node) const {
    const std::vector<int32_t>& consumers = mPrepared.values[static_cast<size_t>(value)].consumers;
    const size_t i =
        static_cast<size_t>(std::lower_bound(consumers.begin(), consumers.end(), node) - consumers.begin());
    return mRead[static_cast<size_t>(value)][i];
}

std::vector<double> variablePositions(const PreparedProblem& prepared, const EncodedProblem& encoded) {
    std::vector<double> sum(encoded.network.domains.size(), 0.0);
    std::vector<int32_t> count(encoded.network.domains.size(), 0);
    // Nodes first; only variables that no node holds go by their value.
    for (const bool nodes : {true, false}) {
        const std::vector<int32_t> byNodes = count;
        for (size_t t = 0; t < encoded.network.tables.size(); ++t) {
            if (nodes ? encoded.tableNode[t] < 0 : encoded.tableValue[t] < 0) {
                continue;
            }
            const double position = nodes ? encoded.tableNode[t]
                                          : prepared.values[static_cast<size_t>(encoded.tableValue[t])].producer + 0.5;
            for (int32_t var : encoded.network.tables[t].vars) {
                if (nodes || byNodes[static_cast<size_t>(var)] == 0) {
                    sum[static_cast<size_t>(var)] += position;
                    ++count[static_cast<size_t>(var)];
                }
            }
        }
    }
    for (size_t x = 0; x < sum.size(); ++x) {
        sum[x] /= std::max(1, count[x]);
    }
    return sum;
}

EncodedProblem encodeSelection(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods,
                               const EncodingOptions& options) {
    return SelectionEncoder(prepared, noGoods, options).run();
}

std::vector<Choice> decodeChoices(const PreparedProblem& prepared, const EncodedProblem& encoded,
                                  const std::vector<int32_t>& assignment) {
    std::vector<Choice> choices;
    for (int32_t node = 0; node < prepared.nodeCount; ++node) {
        const size_t n = static_cast<size_t>(node);
        if (encoded.nodeTable[n] < 0) {
            continue;
        }
        const CostTable& table = encoded.network.tables[static_cast<size_t>(encoded.nodeTable[n])];
        int32_t best = -1;
        for (size_t r = 0; r < table.rows(); ++r) {
            bool equal = true;
            for (size_t c = 0; c < table.vars.size() && equal; ++c) {
                equal = table.row(r)[c] == assignment[static_cast<size_t>(table.vars[c])];
            }
            if (equal && (best < 0 || table.costs[r] < table.costs[static_cast<size_t>(best)])) {
                best = static_cast<int32_t>(r);
            }
        }
        if (best >= 0 && encoded.rowChoice[n][static_cast<size_t>(best)].candidate >= 0) {
            choices.push_back(encoded.rowChoice[n][static_cast<size_t>(best)]);
        }
    }
    std::sort(choices.begin(), choices.end(), [&](const Choice& a, const Choice& b) {
        return prepared.regions[static_cast<size_t>(a.region)].nodes.front() <
               prepared.regions[static_cast<size_t>(b.region)].nodes.front();
    });
    return choices;
}

} // namespace tenon::schedule
