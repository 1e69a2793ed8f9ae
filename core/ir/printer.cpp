#include "core/ir/printer.h"

#include "core/ir/attribute_text.h"
#include "core/ir/expr_text.h"
#include "core/ir/type_text.h"
#include "core/support/lexer.h"
#include "core/support/text.h"

#include <algorithm>

namespace tenon::ir {

namespace {

using support::append;
using support::cat;
using support::quote;

// "%conv1" or "%\"conv/weight:0\""; mark is '%' or '@'.
std::string marked(char mark, const std::string& name) {
    std::string plain = cat(mark, name);
    support::Lexer lexer(plain);
    const auto kind = mark == '%' ? support::TokenKind::kValueName : support::TokenKind::kSymbolName;
    const bool reads = lexer.peek().is(kind) && lexer.peek().text == plain && lexer.peek().value == name;
    return reads ? plain : cat(mark, quote(name));
}

class Printer {
public:
    Printer(const Graph& graph, const PrintOptions& options) : mPool(graph.pool()), mOptions(options) {}

    void printGraph(const Graph& graph) {
        append(mText, "graph ", marked('@', graph.name()));
        printInputs(graph);
        printSymbols(graph);
        printBody(graph);
        mText.push_back('\n');
    }

    void printNode(const Node& node) {
        for (size_t i = 0; i < node.outputs().size(); ++i) {
            append(mText, i == 0 ? "" : ", ", marked('%', node.output(i)->name()));
        }
        if (!node.outputs().empty()) {
            mText += " = ";
        }
        if (isPlainConstant(node)) {
            mText += "const " + constantText(*node.output(0)->constant(), mOptions.inlineLimit);
            printAnnotations(*node.output(0));
        } else {
            printOperation(node);
        }
        printTail(node);
    }

    std::string take() { return std::move(mText); }

private:
    // What the short form of constants says in full.
    bool isPlainConstant(const Node& node) const {
        if (node.op() != "const" || node.outputs().size() != 1 || node.attributes().size() != 1 ||
            !node.inputs().empty() || !node.regions().empty() || node.output(0)->constant() == nullptr) {
            return false;
        }
        const Constant& constant = *node.output(0)->constant();
        const TensorType& type = node.output(0)->type();
        if (type.kind != ValueKind::kTensor || type.dtype != constant.dtype || !type.ranked ||
            type.dims.size() != constant.dims.size()) {
            return false;
        }
        for (size_t i = 0; i < type.dims.size(); ++i) {
            if (!mPool.isConstant(type.dims[i]) || mPool.constantValue(type.dims[i]) != constant.dims[i]) {
                return false;
            }
        }
        return true;
    }

    void printInputs(const Graph& graph) {
        mText.push_back('(');
        for (size_t i = 0; i < graph.inputs().size(); ++i) {
            const Value& input = *graph.inputs()[i];
            append(mText, i == 0 ? "" : ", ", marked('%', input.name()), ": ", typeText(input.type(), mPool));
            printAnnotations(input);
        }
        mText.push_back(')');
    }

    void printSymbols(const Graph& graph) {
        bool first = true;
        for (const Symbol& symbol : mPool.symbols()) {
            append(mText, first ? " where " : ", ", identifierOrQuoted(symbol.name));
            first = false;
            const int64_t floor = symbol.source == SymbolSource::kInputElement ? INT64_MIN : 0;
            if (symbol.bounds.min > floor || symbol.bounds.max != INT64_MAX) {
                mText += " in [";
                if (symbol.bounds.min > floor) {
                    append(mText, symbol.bounds.min);
                }
                mText += "..";
                if (symbol.bounds.max != INT64_MAX) {
                    append(mText, symbol.bounds.max);
                }
                mText.push_back(']');
            }
            if (symbol.opt != INT64_MIN) {
                append(mText, " opt ", symbol.opt);
            }
            if (symbol.source == SymbolSource::kUnbacked) {
                mText += " from data";
                continue;
            }
            mText += symbol.source == SymbolSource::kInputDim ? " from dim " : " from element ";
            const auto input = static_cast<size_t>(symbol.input);
            if (symbol.input >= 0 && input < graph.inputs().size()) {
                mText += marked('%', graph.inputs()[input]->name());
            } else {
                append(mText, symbol.input);
            }
            append(mText, ' ', symbol.index);
        }
    }

    void printBody(const Graph& graph) {
        mText += " {\n";
        mIndent += 2;
        for (const Node* node : graph.nodes()) {
            mText.append(mIndent, ' ');
            printNode(*node);
            mText.push_back('\n');
        }
        mText.append(mIndent, ' ');
        mText += "return";
        for (size_t i = 0; i < graph.outputs().size(); ++i) {
            append(mText, i == 0 ? " " : ", ", marked('%', graph.outputs()[i]->name()));
        }
        mIndent -= 2;
        mText.push_back('\n');
        mText.append(mIndent, ' ');
        mText.push_back('}');
    }

    void printOperation(const Node& node) {
        append(mText, identifierOrQuoted(node.op()), '(');
        for (size_t i = 0; i < node.inputs().size(); ++i) {
            const Value* const input = node.input(i);
            append(mText, i == 0 ? "" : ", ", input == nullptr ? "_" : marked('%', input->name()));
        }
        mText.push_back(')');
        if (node.attributes().size() > 0) {
            append(mText, ' ', attributesText(node.attributes(), mPool, mOptions.inlineLimit));
        }
        for (const auto& region : node.regions()) {
            append(mText, " region ", marked('@', region->name()));
            printInputs(*region);
            printBody(*region);
        }
        for (size_t i = 0; i < node.outputs().size(); ++i) {
            append(mText, i == 0 ? " : " : ", ", typeText(node.output(i)->type(), mPool));
            printAnnotations(*node.output(i));
        }
    }

    void printAnnotations(const Value& value) {
        // A constant's elements are what they are.
        if (value.contents() && value.constant() == nullptr) {
            mText += " contents[";
            for (size_t i = 0; i < value.contents()->size(); ++i) {
                append(mText, i == 0 ? "" : ", ", mPool.toText((*value.contents())[i]));
            }
            mText.push_back(']');
        }
        if (value.quantization()) {
            const Quantization& quantization = *value.quantization();
            mText += " quant(scale=";
            mText += attributeText(quantization.scale, mPool, mOptions.inlineLimit);
            if (quantization.zeroPoint != nullptr) {
                mText += ", zero=" + attributeText(quantization.zeroPoint, mPool, mOptions.inlineLimit);
            }
            if (quantization.axis != -1) {
                append(mText, ", axis=", quantization.axis);
            }
            if (quantization.block != 0) {
                append(mText, ", block=", quantization.block);
            }
            mText.push_back(')');
        }
    }

    void printTail(const Node& node) {
        if (node.outputs().empty() || node.name() != node.output(0)->name()) {
            append(mText, " name(", quote(node.name()), ')');
        }
        const std::vector<std::string>& sources = node.source().names();
        if (sources.size() != 1 || sources[0] != node.name()) {
            mText += " from(";
            for (size_t i = 0; i < sources.size(); ++i) {
                append(mText, i == 0 ? "" : ", ", quote(sources[i]));
            }
            mText.push_back(')');
        }
        const NodeSettings& settings = node.settings();
        if (settings.precision) {
            append(mText, " precision(", nameOf(*settings.precision), ')');
        }
        const bool hasTypes = std::any_of(settings.outputs.begin(), settings.outputs.end(),
                                          [](const std::optional<DataType>& type) { return type.has_value(); });
        if (hasTypes) {
            mText += " output_types(";
            for (size_t i = 0; i < settings.outputs.size(); ++i) {
                append(mText, i == 0 ? "" : ", ", settings.outputs[i] ? nameOf(*settings.outputs[i]) : "_");
            }
            mText.push_back(')');
        }
        if (!settings.metadata.empty()) {
            append(mText, " metadata(", quote(settings.metadata), ')');
        }
        if (settings.debugOutput) {
            mText += " debug";
        }
    }

    const ExprPool& mPool;
    const PrintOptions& mOptions;
    std::string mText;
    size_t mIndent = 0;
};

} // namespace

std::string print(const Graph& graph, const PrintOptions& options) {
    Printer printer(graph, options);
    printer.printGraph(graph);
    return printer.take();
}

std::string print(const Node& node, const PrintOptions& options) {
    Printer printer(*node.graph(), options);
    printer.printNode(node);
    return printer.take();
}

} // namespace tenon::ir
