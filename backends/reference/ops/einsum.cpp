// einsum: any equation of letters, '...' and an optional '->'. Sums in double over every label that the output lacks.
#include "backends/common/strided.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <map>

namespace tenon::reference {

namespace {

// Labels of one operand or of the output; dimensions that '...' stands for are numbered from the last, as they broadcast.
using Labels = std::vector<int>;
constexpr int kEllipsis = 1000;

Labels parseTerm(const std::string& term, int ellipsisRank) {
    Labels labels;
    for (size_t i = 0; i < term.size(); ++i) {
        if (term[i] == '.') {
            if (term.compare(i, 3, "...") != 0) {
                invalid("einsum: a lone '.' in '", term, "'");
            }
            for (int d = ellipsisRank; d-- > 0;) {
                labels.push_back(kEllipsis + d);
            }
            i += 2;
        } else if ((term[i] >= 'a' && term[i] <= 'z') || (term[i] >= 'A' && term[i] <= 'Z')) {
            labels.push_back(term[i]);
        } else {
            invalid("einsum: '", term[i], "' in '", term, "' is no label");
        }
    }
    return labels;
}

int letters(const std::string& term) {
    return static_cast<int>(std::count_if(term.begin(), term.end(), [](char c) { return c != '.'; }));
}

struct Equation {
    std::vector<Labels> inputs;
    Labels output;
};

Equation parseEquation(const Call& call) {
    std::string text = call.stringOr("equation", "");
    text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
    const size_t arrow = text.find("->");
    std::vector<std::string> terms(1);
    for (char c : text.substr(0, arrow)) {
        if (c == ',') {
            terms.emplace_back();
        } else {
            terms.back().push_back(c);
        }
    }
    if (terms.size() != call.inputCount()) {
        invalid("einsum '", text, "' has ", terms.size(), " terms for ", call.inputCount(), " inputs");
    }
    Equation equation;
    int widest = 0;
    std::map<int, int> uses;
    for (size_t i = 0; i < terms.size(); ++i) {
        const bool hasEllipsis = terms[i].find('.') != std::string::npos;
        const int rank = hasEllipsis ? static_cast<int>(call.in(i).rank()) - letters(terms[i]) : 0;
        if (rank < 0) {
            invalid("einsum: term '", terms[i], "' has too many labels for shape ", shapeText(call.in(i).dims));
        }
        widest = std::max(widest, rank);
        equation.inputs.push_back(parseTerm(terms[i], rank));
        if (equation.inputs.back().size() != call.in(i).rank()) {
            invalid("einsum: term '", terms[i], "' does not fit shape ", shapeText(call.in(i).dims));
        }
        for (int label : equation.inputs.back()) {
            ++uses[label];
        }
    }
    if (arrow != std::string::npos) {
        equation.output = parseTerm(text.substr(arrow + 2), widest);
    } else {
        // Without an arrow: what '...' stands for, then every label that occurs once, sorted.
        for (int d = widest; d-- > 0;) {
            equation.output.push_back(kEllipsis + d);
        }
        for (const auto& [label, count] : uses) {
            if (label < kEllipsis && count == 1) {
                equation.output.push_back(label);
            }
        }
    }
    return equation;
}

constexpr size_t kMostInputs = 8;

template <class W>
Plan planWide(const Call& call) {
    const Equation equation = parseEquation(call);
    std::map<int, int64_t> extents;
    for (size_t i = 0; i < equation.inputs.size(); ++i) {
        for (size_t d = 0; d < equation.inputs[i].size(); ++d) {
            const int64_t extent = call.in(i).dims[d];
            int64_t& known = extents.try_emplace(equation.inputs[i][d], extent).first->second;
            if (known != extent && known != 1 && extent != 1) {
                invalid("einsum: a label stands for extents of ", known, " and ", extent);
            }
            known = known == 1 ? extent : known;
        }
    }
    // The loop: output labels first, then those that are summed.
    Labels order = equation.output;
    for (const auto& entry : extents) {
        if (std::find(order.begin(), order.end(), entry.first) == order.end()) {
            order.push_back(entry.first);
        }
    }
    Dims dims;
    for (int label : order) {
        const auto found = extents.find(label);
        if (found == extents.end()) {
            invalid("einsum: the output has a label that no input has");
        }
        dims.push_back(found->second);
    }
    if (order.size() > 2 * TN_MAX_DIMS) {
        refuse("einsum with ", order.size(), " labels; at most ", 2 * TN_MAX_DIMS, " are supported");
    }
    const size_t outputRank = equation.output.size();
    if (Dims(dims.begin(), dims.begin() + static_cast<int64_t>(outputRank)) != call.out().dims) {
        invalid("einsum gives another shape than ", shapeText(call.out().dims));
    }
    const size_t inputs = equation.inputs.size();
    std::vector<Dims> strides(kMostInputs, Dims(order.size(), 0));
    std::vector<TnDataType> types;
    for (size_t i = 0; i < inputs; ++i) {
        const Dims own = rowMajorStrides(call.in(i).dims);
        types.push_back(call.in(i).dtype);
        for (size_t d = 0; d < own.size(); ++d) {
            // A label twice in one term walks the diagonal.
            const size_t at =
                static_cast<size_t>(std::find(order.begin(), order.end(), equation.inputs[i][d]) - order.begin());
            strides[i][at] += call.in(i).dims[d] == 1 ? 0 : own[d];
        }
    }
    const int64_t outputs = call.out().elements;
    const int64_t summed = product(dims, outputRank, dims.size());
    const TnDataType type = call.out().dtype;
    return {[=](const Buffers& b) {
        std::array<int64_t, 2 * TN_MAX_DIMS> coordinate{};
        std::array<int64_t, kMostInputs> offsets{};
        for (int64_t o = 0; o < outputs; ++o) {
            W sum{};
            for (int64_t s = 0; s < summed; ++s) {
                W term{1};
                for (size_t i = 0; i < inputs; ++i) {
                    W x{};
                    if constexpr (std::is_same_v<W, double>) {
                        loadFloats(types[i], b.inputs[i], offsets[i], 1, 1, &x);
                    } else {
                        loadInts(types[i], b.inputs[i], offsets[i], 1, 1, reinterpret_cast<int64_t*>(&x));
                    }
                    term *= x;
                }
                sum += term;
                for (size_t d = order.size(); d-- > 0;) {
                    const bool carries = ++coordinate[d] == dims[d];
                    for (size_t i = 0; i < inputs; ++i) {
                        offsets[i] += strides[i][d] * (carries ? 1 - dims[d] : 1);
                    }
                    if (!carries) {
                        break;
                    }
                    coordinate[d] = 0;
                }
            }
            if constexpr (std::is_same_v<W, double>) {
                storeFloats(type, &sum, 1, b.outputs[0], o);
            } else {
                const auto bits = static_cast<int64_t>(sum);
                storeInts(type, &bits, 1, b.outputs[0], o);
            }
        }
        return Code::kOk;
    }};
}

Plan planEinsum(const Call& call) {
    return contains(kFloats, call.in(0).dtype) ? planWide<double>(call) : planWide<uint64_t>(call);
}

} // namespace

void addEinsum(KernelTable& table) {
    table.add(
        {.op = "einsum", .maxInputs = kMostInputs, .types = kNumeric, .plan = planEinsum, .check = requireSameTypes});
}

} // namespace tenon::reference
