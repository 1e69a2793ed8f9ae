#include "parsers/onnx/node_order.h"

#include <map>
#include <set>
#include <string>

namespace tenon::onnx {

std::vector<int32_t> sortNodes(const std::vector<const tenon_onnx::NodeProto*>& nodes, std::vector<int32_t>& cycle) {
    std::map<std::string, int32_t> producer;
    for (size_t i = 0; i < nodes.size(); ++i) {
        for (const std::string& output : nodes[i]->output()) {
            if (!output.empty()) {
                producer.emplace(output, static_cast<int32_t>(i));
            }
        }
    }
    std::vector<std::vector<int32_t>> consumers(nodes.size());
    std::vector<int32_t> waiting(nodes.size(), 0);
    for (size_t i = 0; i < nodes.size(); ++i) {
        std::set<int32_t> before;
        for (const std::string& input : nodes[i]->input()) {
            auto found = producer.find(input);
            if (found != producer.end()) {
                before.insert(found->second);
            }
        }
        waiting[i] = static_cast<int32_t>(before.size());
        for (int32_t p : before) {
            consumers[static_cast<size_t>(p)].push_back(static_cast<int32_t>(i));
        }
    }
    std::set<int32_t> ready;
    for (size_t i = 0; i < nodes.size(); ++i) {
        if (waiting[i] == 0) {
            ready.insert(static_cast<int32_t>(i));
        }
    }
    std::vector<int32_t> order;
    while (!ready.empty()) {
        int32_t next = *ready.begin();
        ready.erase(ready.begin());
        order.push_back(next);
        for (int32_t consumer : consumers[static_cast<size_t>(next)]) {
            if (--waiting[static_cast<size_t>(consumer)] == 0) {
                ready.insert(consumer);
            }
        }
    }
    for (size_t i = 0; i < nodes.size(); ++i) {
        if (waiting[i] > 0) {
            cycle.push_back(static_cast<int32_t>(i));
        }
    }
    return order;
}

} // namespace tenon::onnx
