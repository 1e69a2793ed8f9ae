// The class behind encodeSelection: state shared by the node half (selector_encoding.cpp) and the value half
// (selector_encoding_values.cpp) of the encoding.
//
// Who uses it: those two files alone.
#pragma once

#include "core/schedule/selector_encoding.h"

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace tenon::schedule {

struct FormatSets;

class SelectionEncoder {
public:
    SelectionEncoder(const PreparedProblem& prepared, const std::vector<NoGood>& noGoods,
                     const EncodingOptions& options)
        : mPrepared(prepared), mNoGoods(noGoods), mOptions(options) {}

    EncodedProblem run();

private:
    // A member's share in a region: its distinct rows and the columns that they fill.
    struct Member {
        int32_t region = 0;
        std::vector<int32_t> ports;      // positions in region.ports declared here
        std::vector<int32_t> links;      // variables: children first, then the parent unless this is the anchor
        std::vector<int32_t> rows;       // rows x (ports, links)
        std::vector<int32_t> candidates; // one per row at the anchor, empty elsewhere
    };

    bool open(int32_t node) const;
    bool allowed(size_t region) const;
    int32_t addVariable(int32_t domain);
    // Columns may come in any order and are sorted here.
    void addTable(const std::vector<int32_t>& vars, const std::vector<int32_t>& cells, std::vector<double> costs,
                  int32_t node, int32_t value);

    void declarePortVariables();
    void fixPorts(int32_t value);
    void declareNoGoodVariables();
    bool holds(const NoGoodTerm& term, const Choice& choice) const;
    int32_t linkVariable(int32_t a, int32_t b);
    void projectRegions();
    void projectRegion(int32_t position);
    void encodeNode(int32_t node);
    int32_t readVariable(int32_t value, int32_t node) const;

    void encodeValue(int32_t value);
    void encodeShared(int32_t value, const std::vector<int32_t>& readers);
    void encodeStar(int32_t value, const std::vector<int32_t>& readers, const FormatSets& sets);
    void encodeChain(int32_t value, const std::vector<int32_t>& readers, const FormatSets& sets);
    void encodeNoGood(size_t index);

    const PreparedProblem& mPrepared;
    const std::vector<NoGood>& mNoGoods;
    const EncodingOptions& mOptions;
    EncodedProblem mOut;
    std::vector<int32_t> mProduced;          // per value; -1 where nothing open touches it
    std::vector<std::vector<int32_t>> mRead; // per value and consumer
    std::vector<uint8_t> mIsRead;            // per variable
    std::vector<uint64_t> mAsked;            // per variable of mRead: the formats that occur in its table
    std::map<std::pair<int32_t, int32_t>, int32_t> mLinks;
    std::vector<std::vector<int32_t>> mLinksOfNode;
    std::vector<std::vector<Member>> mMembers; // per node
    std::vector<int32_t> mColumnOf;            // per variable, in the table at hand; -1 elsewhere
    std::vector<std::vector<int32_t>> mTermVars;
    std::vector<std::vector<std::pair<int32_t, const NoGoodTerm*>>> mTermsOfNode;
};

} // namespace tenon::schedule
