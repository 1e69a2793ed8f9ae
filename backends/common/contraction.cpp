#include "backends/common/contraction.h"

#include "backends/common/failure.h"

#include <algorithm>
#include <map>
#include <string>

namespace tenon::kernels {

MatrixProduct::Place MatrixProduct::firstOf(int64_t index) const {
    Place place;
    for (size_t d = batch.size(); d-- > 0;) {
        place.a += index % batch[d] * batchA[d];
        place.b += index % batch[d] * batchB[d];
        index /= batch[d];
    }
    return place;
}

MatrixProduct matrixProductOf(const Call& call) {
    Dims a = call.in(0).dims;
    Dims b = call.in(1).dims;
    if (a.empty() || b.empty()) {
        invalid("matmul of a scalar");
    }
    const bool vectorA = a.size() == 1;
    const bool vectorB = b.size() == 1;
    const bool transA = call.intOr("trans_a", 0) != 0 && !vectorA;
    const bool transB = call.intOr("trans_b", 0) != 0 && !vectorB;
    if (vectorA) {
        a.insert(a.begin(), 1);
    }
    if (vectorB) {
        b.push_back(1);
    }
    const int64_t aRows = a[a.size() - 2];
    const int64_t aColumns = a.back();
    const int64_t bRows = b[b.size() - 2];
    const int64_t bColumns = b.back();
    MatrixProduct matrices;
    matrices.rows = transA ? aColumns : aRows;
    matrices.depth = transA ? aRows : aColumns;
    matrices.columns = transB ? bRows : bColumns;
    if (matrices.depth != (transB ? bColumns : bRows)) {
        invalid("matmul of ", shapeText(call.in(0).dims), " and ", shapeText(call.in(1).dims),
                ": the inner extents differ");
    }
    matrices.aRow = transA ? 1 : aColumns;
    matrices.aColumn = transA ? aColumns : 1;
    matrices.bRow = transB ? 1 : bColumns;
    matrices.bColumn = transB ? bColumns : 1;
    matrices.batch = call.out().dims;
    matrices.batch.resize(matrices.batch.size() - (vectorA ? 0 : 1) - (vectorB ? 0 : 1));
    matrices.batchA = broadcastStrides(Dims(a.begin(), a.end() - 2), matrices.batch);
    matrices.batchB = broadcastStrides(Dims(b.begin(), b.end() - 2), matrices.batch);
    for (size_t d = 0; d < matrices.batch.size(); ++d) {
        matrices.batchA[d] *= aRows * aColumns;
        matrices.batchB[d] *= bRows * bColumns;
    }
    return matrices;
}

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

} // namespace

Contraction contractionOf(const Call& call) {
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
    Labels order = equation.output;
    for (const auto& entry : extents) {
        if (std::find(order.begin(), order.end(), entry.first) == order.end()) {
            order.push_back(entry.first);
        }
    }
    Contraction loop;
    loop.outputRank = equation.output.size();
    for (const int label : order) {
        const auto found = extents.find(label);
        if (found == extents.end()) {
            invalid("einsum: the output has a label that no input has");
        }
        loop.dims.push_back(found->second);
    }
    if (Dims(loop.dims.begin(), loop.dims.begin() + static_cast<int64_t>(loop.outputRank)) != call.out().dims) {
        invalid("einsum gives another shape than ", shapeText(call.out().dims));
    }
    for (size_t i = 0; i < equation.inputs.size(); ++i) {
        const Dims own = rowMajorStrides(call.in(i).dims);
        loop.strides.emplace_back(order.size(), 0);
        for (size_t d = 0; d < own.size(); ++d) {
            // A label twice in one term walks the diagonal.
            const auto at =
                static_cast<size_t>(std::find(order.begin(), order.end(), equation.inputs[i][d]) - order.begin());
            loop.strides.back()[at] += call.in(i).dims[d] == 1 ? 0 : own[d];
        }
    }
    return loop;
}

} // namespace tenon::kernels
