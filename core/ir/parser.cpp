#include "core/ir/parser.h"

#include "core/ir/attribute_text.h"
#include "core/ir/editor.h"
#include "core/ir/expr_text.h"
#include "core/ir/type_text.h"
#include "core/support/lexer.h"
#include "core/support/text.h"

namespace tenon::ir {

namespace {

using support::cat;
using support::Lexer;
using support::Result;
using support::Status;
using support::TextPosition;
using support::TokenKind;

// What stands behind a type.
struct TypedValue {
    TensorType type;
    std::optional<std::vector<DimExpr>> contents;
    std::optional<Quantization> quantization;
};

// A `where` clause, read before the rest because types use its symbols.
struct Declaration {
    Symbol symbol;
    bool hasOrigin = false;
    std::string inputName; // of the graph input it comes from; empty: symbol.input says it
    TextPosition position;
};

struct OutputName {
    std::string name;
    TextPosition position;
};

class Parser {
public:
    Parser(std::string_view text, const ParseOptions& options)
        : mText(text), mLexer(text), mConstants(options.constants, options.constantBytes),
          mPool(std::make_shared<ExprPool>()) {}

    Result<std::unique_ptr<Graph>> parse() {
        TN_RETURN_IF_ERROR(readDeclarations());
        TN_RETURN_IF_ERROR(mLexer.expect("graph"));
        TN_ASSIGN_OR_RETURN(std::string name, mLexer.expectName(TokenKind::kSymbolName, "the graph's @name"));
        auto graph = std::make_unique<Graph>(std::move(name), mPool);
        {
            GraphEditor editor(*graph);
            TN_RETURN_IF_ERROR(parseInputs(editor, *graph, true));
            if (mLexer.peek().is("where")) {
                std::vector<Declaration> again; // known already
                TN_RETURN_IF_ERROR(parseWhere(mLexer, again));
            }
            TN_RETURN_IF_ERROR(parseBody(editor, *graph));
        }
        if (!mLexer.atEnd()) {
            return mLexer.errorHere("text after the end of the graph");
        }
        TN_RETURN_IF_ERROR(applyBounds(*graph));
        return graph;
    }

private:
    // --- Symbols ---------------------------------------------------------------------------------------------------------

    Status readDeclarations() {
        Lexer ahead(mText);
        int depth = 0;
        while (!ahead.atEnd() && !ahead.peek().is(TokenKind::kError)) {
            const support::Token token = ahead.peek();
            if (depth == 0 && token.is("{")) {
                break;
            }
            if (depth == 0 && token.is("where")) {
                TN_RETURN_IF_ERROR(parseWhere(ahead, mDeclarations));
                break;
            }
            depth += token.is("(") ? 1 : token.is(")") ? -1 : 0;
            ahead.next();
        }
        for (const Declaration& declaration : mDeclarations) {
            if (mPool->findSymbol(declaration.symbol.name)) {
                return Lexer::errorAt(
                    declaration.position,
                    cat("the symbol ", identifierOrQuoted(declaration.symbol.name), " is declared twice"));
            }
            // Without its bounds: what was not simplified when the text was printed stays as it is.
            Symbol symbol = declaration.symbol;
            symbol.bounds = {INT64_MIN, INT64_MAX};
            symbol.opt = INT64_MIN;
            mPool->symbol(symbol);
        }
        return {};
    }

    static Status parseWhere(Lexer& lexer, std::vector<Declaration>& declarations) {
        TN_RETURN_IF_ERROR(lexer.expect("where"));
        do {
            Declaration declaration;
            declaration.position = lexer.peek().position;
            const TokenKind kind = lexer.peek().is(TokenKind::kString) ? TokenKind::kString : TokenKind::kIdentifier;
            TN_ASSIGN_OR_RETURN(declaration.symbol.name, lexer.expectName(kind, "a symbol"));
            if (lexer.take("in")) {
                TN_RETURN_IF_ERROR(parseInterval(lexer, declaration.symbol.bounds));
            }
            if (lexer.take("opt")) {
                TN_ASSIGN_OR_RETURN(declaration.symbol.opt, lexer.expectInt("an extent to optimise for"));
            }
            if (lexer.take("from")) {
                declaration.hasOrigin = true;
                TN_RETURN_IF_ERROR(parseOrigin(lexer, declaration));
            }
            declarations.push_back(std::move(declaration));
        } while (lexer.take(","));
        return {};
    }

    static Status parseInterval(Lexer& lexer, Interval& bounds) {
        TN_RETURN_IF_ERROR(lexer.expect("["));
        if (!lexer.peek().is("..")) {
            TN_ASSIGN_OR_RETURN(bounds.min, lexer.expectInt("the smallest value"));
        }
        TN_RETURN_IF_ERROR(lexer.expect(".."));
        const TextPosition position = lexer.peek().position;
        if (!lexer.peek().is("]")) {
            TN_ASSIGN_OR_RETURN(bounds.max, lexer.expectInt("the largest value"));
        }
        if (bounds.max < bounds.min) {
            return Lexer::errorAt(position, "the interval is empty");
        }
        return lexer.expect("]");
    }

    static Status parseOrigin(Lexer& lexer, Declaration& declaration) {
        Symbol& symbol = declaration.symbol;
        if (lexer.take("data")) {
            symbol.source = SymbolSource::kUnbacked;
            return {};
        }
        symbol.source = SymbolSource::kInputElement;
        if (!lexer.take("element")) {
            symbol.source = SymbolSource::kInputDim;
            TN_RETURN_IF_ERROR(lexer.expect("dim"));
        }
        if (lexer.peek().is(TokenKind::kValueName)) {
            declaration.inputName = lexer.next().value;
        } else {
            TN_ASSIGN_OR_RETURN(symbol.input, expectSmall(lexer, "a graph input"));
        }
        TN_ASSIGN_OR_RETURN(symbol.index, expectSmall(lexer, "an index"));
        return {};
    }

    static Result<int32_t> expectSmall(Lexer& lexer, std::string_view what) {
        const TextPosition position = lexer.peek().position;
        TN_ASSIGN_OR_RETURN(const int64_t value, lexer.expectInt(what));
        if (value < INT32_MIN || value > INT32_MAX) {
            return Lexer::errorAt(position, cat(value, " does not fit 32 bits"));
        }
        return static_cast<int32_t>(value);
    }

    // After the body: origins by name, and bounds, which must not change what was read.
    Status applyBounds(const Graph& graph) {
        for (size_t i = 0; i < mDeclarations.size(); ++i) {
            Declaration& declaration = mDeclarations[i];
            Symbol& symbol = declaration.symbol;
            if (!declaration.inputName.empty()) {
                const Value* const input = graph.findValue(declaration.inputName);
                if (input == nullptr || input->producer() != nullptr) {
                    return Lexer::errorAt(declaration.position,
                                          cat("%", declaration.inputName, " is not an input of the graph"));
                }
                symbol.input = input->producerIndex();
            } else if (!declaration.hasOrigin) {
                findOrigin(graph, static_cast<int32_t>(i), symbol);
            }
            mPool->setOrigin(static_cast<int32_t>(i), symbol.source, symbol.input, symbol.index);
            mPool->narrow(static_cast<int32_t>(i), symbol.bounds, symbol.opt);
        }
        return {};
    }

    // A symbol declared without `from`: the first extent of an input that is the symbol, or nobody's.
    static void findOrigin(const Graph& graph, int32_t index, Symbol& symbol) {
        for (size_t input = 0; input < graph.inputs().size(); ++input) {
            const std::vector<DimExpr>& dims = graph.inputs()[input]->type().dims;
            for (size_t dim = 0; dim < dims.size(); ++dim) {
                if (!dims[dim].valid()) {
                    continue;
                }
                const ExprNode& node = graph.pool().at(dims[dim]);
                if (node.op == ExprOp::kSymbol && node.value == index) {
                    symbol.input = static_cast<int32_t>(input);
                    symbol.index = static_cast<int32_t>(dim);
                    return;
                }
            }
        }
        symbol.source = SymbolSource::kUnbacked;
        symbol.input = -1;
    }

    // --- Values ----------------------------------------------------------------------------------------------------------

    Status parseAnnotations(TypedValue& value) {
        if (mLexer.take("contents")) {
            TN_RETURN_IF_ERROR(mLexer.expect("["));
            value.contents.emplace();
            while (!mLexer.take("]")) {
                if (!value.contents->empty()) {
                    TN_RETURN_IF_ERROR(mLexer.expect(","));
                }
                TN_ASSIGN_OR_RETURN(const DimExpr element, parseExpr(mLexer, *mPool));
                value.contents->push_back(element);
            }
        }
        if (mLexer.take("quant")) {
            TN_RETURN_IF_ERROR(parseQuantization(value));
        }
        return {};
    }

    Status parseQuantization(TypedValue& value) {
        Quantization quantization;
        TN_RETURN_IF_ERROR(mLexer.expect("("));
        do {
            const TextPosition position = mLexer.peek().position;
            TN_ASSIGN_OR_RETURN(const std::string field, mLexer.expectIdentifier("scale, zero, axis or block"));
            TN_RETURN_IF_ERROR(mLexer.expect("="));
            if (field == "scale" || field == "zero") {
                TN_RETURN_IF_ERROR(mLexer.expect("const"));
                ConstantPtr& constant = field == "scale" ? quantization.scale : quantization.zeroPoint;
                if (!mLexer.take("none")) {
                    TN_ASSIGN_OR_RETURN(constant, mConstants.read(mLexer));
                }
            } else if (field == "axis") {
                TN_ASSIGN_OR_RETURN(quantization.axis, expectSmall(mLexer, "an axis"));
            } else if (field == "block") {
                TN_ASSIGN_OR_RETURN(quantization.block, expectSmall(mLexer, "a block size"));
            } else {
                return Lexer::errorAt(position, cat("'", field, "' is not a field of quant(...)"));
            }
        } while (mLexer.take(","));
        value.quantization = std::move(quantization);
        return mLexer.expect(")");
    }

    Status parseInputs(GraphEditor& editor, Graph& graph, bool outermost) {
        TN_RETURN_IF_ERROR(mLexer.expect("("));
        while (!mLexer.take(")")) {
            if (!graph.inputs().empty()) {
                TN_RETURN_IF_ERROR(mLexer.expect(","));
            }
            const TextPosition position = mLexer.peek().position;
            TN_ASSIGN_OR_RETURN(std::string name, mLexer.expectName(TokenKind::kValueName, "an input's %name"));
            TN_RETURN_IF_ERROR(checkNew(graph, name, position));
            TN_RETURN_IF_ERROR(mLexer.expect(":"));
            const auto index = static_cast<int32_t>(graph.inputs().size());
            const auto declare = [&](const std::string& symbol, int32_t dim) {
                if (outermost) {
                    mPool->symbol({symbol, SymbolSource::kInputDim, index, dim});
                }
            };
            TypedValue value;
            TN_ASSIGN_OR_RETURN(value.type, parseType(mLexer, *mPool, declare));
            TN_RETURN_IF_ERROR(parseAnnotations(value));
            annotate(editor, editor.addInput(std::move(name), value.type), value);
        }
        return {};
    }

    static void annotate(GraphEditor& editor, Value* made, TypedValue& value) {
        if (value.contents) {
            editor.setContents(made, std::move(value.contents));
        }
        if (value.quantization) {
            editor.setQuantization(made, std::move(value.quantization));
        }
    }

    static Status checkNew(const Graph& graph, const std::string& name, TextPosition position) {
        if (name.empty()) {
            return Lexer::errorAt(position, "a value needs a name");
        }
        if (graph.findValue(name) != nullptr) {
            return Lexer::errorAt(position, cat("%", name, " is defined twice"));
        }
        return {};
    }

    Result<Value*> parseUse(const Graph& graph) {
        const TextPosition position = mLexer.peek().position;
        TN_ASSIGN_OR_RETURN(const std::string name, mLexer.expectName(TokenKind::kValueName, "the %name of a value"));
        Value* const value = graph.findValue(name);
        if (value == nullptr) {
            return Lexer::errorAt(position, cat("%", name, " is not defined before its use"));
        }
        return value;
    }

    // --- Nodes -----------------------------------------------------------------------------------------------------------

    Status parseBody(GraphEditor& editor, Graph& graph) {
        constexpr int kMaxDepth = 64;
        if (++mDepth > kMaxDepth) {
            return mLexer.errorHere("regions are nested too deeply");
        }
        TN_RETURN_IF_ERROR(mLexer.expect("{"));
        while (!mLexer.take("return")) {
            TN_RETURN_IF_ERROR(parseNode(editor, graph));
        }
        if (!mLexer.peek().is("}")) {
            do {
                TN_ASSIGN_OR_RETURN(Value* const value, parseUse(graph));
                editor.addOutput(value);
            } while (mLexer.take(","));
        }
        --mDepth;
        return mLexer.expect("}");
    }

    Status parseNode(GraphEditor& editor, Graph& graph) {
        const TextPosition position = mLexer.peek().position;
        std::vector<OutputName> outputs;
        if (mLexer.peek().is(TokenKind::kValueName)) {
            do {
                const TextPosition at = mLexer.peek().position;
                TN_ASSIGN_OR_RETURN(std::string name, mLexer.expectName(TokenKind::kValueName, "the %name of a value"));
                TN_RETURN_IF_ERROR(checkNew(graph, name, at));
                for (const OutputName& other : outputs) {
                    if (other.name == name) {
                        return Lexer::errorAt(at, cat("%", name, " is defined twice"));
                    }
                }
                outputs.push_back({std::move(name), at});
            } while (mLexer.take(","));
            TN_RETURN_IF_ERROR(mLexer.expect("="));
        }
        NodeSpec spec;
        const TokenKind kind = mLexer.peek().is(TokenKind::kString) ? TokenKind::kString : TokenKind::kIdentifier;
        TN_ASSIGN_OR_RETURN(spec.op, mLexer.expectName(kind, "an op, or return"));
        std::vector<TypedValue> types(outputs.size());
        std::vector<std::unique_ptr<Graph>> regions;
        if (spec.op == "const" && !mLexer.peek().is("(")) {
            TN_RETURN_IF_ERROR(parseConstant(spec, types, position));
        } else {
            TN_RETURN_IF_ERROR(parseOperation(graph, spec, types, regions));
        }
        TN_RETURN_IF_ERROR(parseTail(graph, spec, outputs));
        for (size_t i = 0; i < outputs.size(); ++i) {
            spec.outputNames.push_back(std::move(outputs[i].name));
            spec.outputTypes.push_back(types[i].type);
        }
        Node* const node = editor.addNode(std::move(spec));
        for (size_t i = 0; i < types.size(); ++i) {
            annotate(editor, node->output(i), types[i]);
        }
        for (auto& region : regions) {
            editor.adoptRegion(node, std::move(region));
        }
        return {};
    }

    Status parseConstant(NodeSpec& spec, std::vector<TypedValue>& types, TextPosition position) {
        if (types.size() != 1) {
            return Lexer::errorAt(position, "a const defines one value");
        }
        TN_ASSIGN_OR_RETURN(ConstantPtr constant, mConstants.read(mLexer));
        types[0].type.dtype = constant->dtype;
        for (const int64_t extent : constant->dims) {
            types[0].type.dims.push_back(mPool->constant(extent));
        }
        spec.attributes.set("value", std::move(constant));
        return parseAnnotations(types[0]);
    }

    Status parseOperation(const Graph& graph, NodeSpec& spec, std::vector<TypedValue>& types,
                          std::vector<std::unique_ptr<Graph>>& regions) {
        TN_RETURN_IF_ERROR(mLexer.expect("("));
        while (!mLexer.take(")")) {
            if (!spec.inputs.empty()) {
                TN_RETURN_IF_ERROR(mLexer.expect(","));
            }
            if (mLexer.take("_")) {
                spec.inputs.push_back(nullptr);
                continue;
            }
            TN_ASSIGN_OR_RETURN(Value* const input, parseUse(graph));
            spec.inputs.push_back(input);
        }
        if (mLexer.peek().is("{")) {
            TN_ASSIGN_OR_RETURN(spec.attributes, parseAttributes(mLexer, *mPool, mConstants));
        }
        while (mLexer.take("region")) {
            TN_ASSIGN_OR_RETURN(std::string name, mLexer.expectName(TokenKind::kSymbolName, "the region's @name"));
            auto region = std::make_unique<Graph>(std::move(name), mPool);
            GraphEditor editor(*region);
            TN_RETURN_IF_ERROR(parseInputs(editor, *region, false));
            TN_RETURN_IF_ERROR(parseBody(editor, *region));
            regions.push_back(std::move(region));
        }
        for (size_t i = 0; i < types.size(); ++i) {
            TN_RETURN_IF_ERROR(mLexer.expect(i == 0 ? ":" : ","));
            TN_ASSIGN_OR_RETURN(types[i].type, parseType(mLexer, *mPool));
            TN_RETURN_IF_ERROR(parseAnnotations(types[i]));
        }
        return {};
    }

    Status parseTail(const Graph& graph, NodeSpec& spec, const std::vector<OutputName>& outputs) {
        const TextPosition position = mLexer.peek().position;
        if (mLexer.take("name")) {
            TN_ASSIGN_OR_RETURN(spec.name, parseQuoted("the node's name"));
        } else if (!outputs.empty()) {
            spec.name = outputs[0].name;
        }
        if (spec.name.empty()) {
            return Lexer::errorAt(position, "a node without outputs needs name(...)");
        }
        if (graph.findNode(spec.name) != nullptr) {
            return Lexer::errorAt(position, cat("there are two nodes of name ", support::quote(spec.name)));
        }
        if (mLexer.take("from")) {
            TN_RETURN_IF_ERROR(mLexer.expect("("));
            do {
                TN_ASSIGN_OR_RETURN(const std::string source, mLexer.expectString("the name of a layer or node"));
                spec.source.add(source);
            } while (mLexer.take(","));
            TN_RETURN_IF_ERROR(mLexer.expect(")"));
        } else {
            spec.source.add(spec.name);
        }
        if (mLexer.take("precision")) {
            TN_RETURN_IF_ERROR(mLexer.expect("("));
            TN_ASSIGN_OR_RETURN(spec.settings.precision, parseDataType());
            TN_RETURN_IF_ERROR(mLexer.expect(")"));
        }
        if (mLexer.take("output_types")) {
            TN_RETURN_IF_ERROR(mLexer.expect("("));
            do {
                std::optional<DataType> type;
                if (!mLexer.take("_")) {
                    TN_ASSIGN_OR_RETURN(type, parseDataType());
                }
                spec.settings.outputs.push_back(type);
            } while (mLexer.take(","));
            TN_RETURN_IF_ERROR(mLexer.expect(")"));
        }
        if (mLexer.take("metadata")) {
            TN_ASSIGN_OR_RETURN(spec.settings.metadata, parseQuoted("metadata"));
        }
        spec.settings.debugOutput = mLexer.take("debug");
        return {};
    }

    Result<std::string> parseQuoted(std::string_view what) {
        TN_RETURN_IF_ERROR(mLexer.expect("("));
        TN_ASSIGN_OR_RETURN(std::string text, mLexer.expectString(what));
        TN_RETURN_IF_ERROR(mLexer.expect(")"));
        return text;
    }

    Result<DataType> parseDataType() {
        const TextPosition position = mLexer.peek().position;
        TN_ASSIGN_OR_RETURN(const std::string name, mLexer.expectIdentifier("an element type"));
        const std::optional<DataType> type = dataTypeOf(name);
        if (!type) {
            return Lexer::errorAt(position, cat("'", name, "' is not an element type"));
        }
        return *type;
    }

    std::string_view mText;
    Lexer mLexer;
    ConstantReader mConstants;
    std::shared_ptr<ExprPool> mPool;
    std::vector<Declaration> mDeclarations;
    int mDepth = 0;
};

} // namespace

Result<std::unique_ptr<Graph>> parseGraph(std::string_view text, const ParseOptions& options) {
    return Parser(text, options).parse();
}

} // namespace tenon::ir
