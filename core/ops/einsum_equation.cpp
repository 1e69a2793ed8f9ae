#include "core/ops/einsum_equation.h"

#include "core/support/text.h"

#include <array>

namespace tenon::ops {

using support::invalidArgument;
using support::Result;

namespace {

constexpr char kEllipsis = EinsumEquation::kEllipsis;

bool isLabel(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The labels of one term, the ellipsis as one '.'.
Result<std::string> parseTerm(std::string_view text) {
    std::string labels;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == ' ') {
            continue;
        }
        if (text.substr(i, 3) == "...") {
            if (labels.find(kEllipsis) != std::string::npos) {
                return invalidArgument("the term '", text, "' of the equation has two ellipses");
            }
            labels += kEllipsis;
            i += 2;
        } else if (isLabel(text[i])) {
            labels += text[i];
        } else {
            return invalidArgument("the term '", text, "' of the equation has the character '", text[i],
                                   "'; legal are letters, spaces and '...'");
        }
    }
    return labels;
}

// What an equation without '->' means: the ellipsis, then in alphabetical order what occurs once.
std::string implicitOutput(const std::vector<std::string>& terms) {
    std::array<int, 128> counts{};
    bool hasEllipsis = false;
    for (const std::string& term : terms) {
        for (const char c : term) {
            hasEllipsis = hasEllipsis || c == kEllipsis;
            ++counts[static_cast<size_t>(c)];
        }
    }
    std::string output = hasEllipsis ? std::string(1, kEllipsis) : std::string();
    for (char c = 'A'; c <= 'z'; ++c) {
        if (isLabel(c) && counts[static_cast<size_t>(c)] == 1) {
            output += c;
        }
    }
    return output;
}

} // namespace

Result<EinsumEquation> parseEinsum(std::string_view equation) {
    EinsumEquation parsed;
    const size_t arrow = equation.find("->");
    for (const std::string_view part : support::split(equation.substr(0, arrow), ',')) {
        TN_ASSIGN_OR_RETURN(std::string term, parseTerm(part));
        parsed.terms.push_back(std::move(term));
    }
    if (arrow == std::string_view::npos) {
        parsed.output = implicitOutput(parsed.terms);
    } else {
        TN_ASSIGN_OR_RETURN(parsed.output, parseTerm(equation.substr(arrow + 2)));
    }
    return parsed;
}

} // namespace tenon::ops
