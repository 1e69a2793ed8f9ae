// The fusion patterns. A new one is a file core/passes/pattern_<name>.cpp, a line here and in pattern_registry.cpp, and a golden file
// tests/golden/passes/pattern_<name>.tir with what it finds and what it must not.
#pragma once

#include "core/passes/region.h"

#include <string_view>

namespace tenon::passes {

struct Pattern {
    std::string_view name;
    std::string_view doc; // one line
    void (*find)(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
};

const std::vector<Pattern>& allPatterns();
// Null: there is none of that name.
const Pattern* findPattern(std::string_view name);

void findPointwiseChains(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findNormalizations(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findAttentions(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findSiblingProducts(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findSiblingConvolutions(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findSqueezeExcites(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findEmbeddings(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findIntegerProducts(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findQuantizedProducts(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findQuantizedRows(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findByteMaps(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);
void findEpilogues(const ir::Graph& graph, const ops::OpRegistry& ops, std::vector<Region>& regions);

// What patterns ask of nodes.

// One tensor output, all operands tensors; computed element by element. Values whose contents are known are computed on the host, not here.
bool isPointwise(const ops::OpRegistry& ops, const ir::Node& node);
// Every reader of the value is `reader`, which may read it more than once; no output of the graph or debug mark shows it.
bool isReadOnlyBy(const ir::Value& value, const ir::Node& reader);

} // namespace tenon::passes
