#include "tests/conformance/task_builder.h"

#include "backends/common/elements.h"

#include <cmath>
#include <cstring>
#include <random>

namespace tenon::conformance {

namespace {

void writeElement(TnDataType type, double value, int64_t integer, std::byte* to) {
    using namespace tenon::kernels;
    if (contains(kFloats, type)) {
        dispatchFloat(type, [&](auto tag) {
            typename decltype(tag)::Type stored{};
            narrow(value, stored);
            std::memcpy(to, &stored, sizeof stored);
        });
    } else if (type == TN_F8E4M3) {
        *to = std::byte{f8E4M3Of(value, true)};
    } else if (type == TN_F8E5M2) {
        *to = std::byte{f8E5M2Of(value, true)};
    } else if (type == TN_F8E8M0) {
        *to = std::byte{f8E8M0Of(value)};
    } else {
        std::memcpy(to, &integer, static_cast<size_t>(kernels::bytesOf(type)));
    }
}

TnDim dimOf(int64_t extent, bool dynamic) {
    TnDim dim{extent, extent, extent, -1, 0};
    if (dynamic && extent > 1) {
        dim.min = 1;
        dim.max = 2 * extent;
        // Equal extents of one case do come together when it runs.
        dim.expr = static_cast<int32_t>(extent % 1000000);
    }
    return dim;
}

std::vector<TnDim> dimsOf(const TensorText& type, bool dynamic) {
    std::vector<TnDim> dims;
    for (int64_t extent : type.dims) {
        dims.push_back(dimOf(extent, dynamic));
    }
    return dims;
}

// In the order of names, as hosts number run-time integers.
void addAttributes(module::OwnedGraph& graph, size_t node, const AttributeTexts& attributes,
                   std::vector<int64_t>& scalars) {
    for (const auto& [name, text] : attributes) {
        TnAttribute attribute{};
        attribute.struct_size = sizeof attribute;
        attribute.name = module::toTn(name);
        attribute.kind = text.kind;
        attribute.i = text.i;
        attribute.f = text.f;
        attribute.s = module::toTn(text.s);
        std::vector<TnDim> dims;
        std::vector<TnString> strings;
        TnValue tensor{};
        uint64_t bits = 0;
        switch (text.kind) {
        case TN_ATTR_INTS:
            attribute.count = static_cast<int64_t>(text.ints.size());
            attribute.ints = text.ints.data();
            break;
        case TN_ATTR_FLOATS:
            attribute.count = static_cast<int64_t>(text.floats.size());
            attribute.floats = text.floats.data();
            break;
        case TN_ATTR_STRINGS:
            for (const std::string& each : text.strings) {
                strings.push_back(module::toTn(each));
            }
            attribute.count = static_cast<int64_t>(strings.size());
            attribute.strings = strings.data();
            break;
        case TN_ATTR_DIMS:
            for (int64_t each : text.ints) {
                dims.push_back(module::staticDim(each));
            }
            attribute.count = static_cast<int64_t>(dims.size());
            attribute.dims = dims.data();
            attribute.first_scalar = static_cast<int64_t>(scalars.size());
            scalars.insert(scalars.end(), text.ints.begin(), text.ints.end());
            break;
        case TN_ATTR_TENSOR:
            writeElement(text.tensor.dtype, text.f, text.i, reinterpret_cast<std::byte*>(&bits));
            tensor.struct_size = sizeof tensor;
            tensor.dtype = text.tensor.dtype;
            tensor.rank = 1;
            tensor.dims[0] = module::staticDim(1);
            tensor.data = &bits;
            tensor.data_bytes = kernels::bytesOf(text.tensor.dtype);
            tensor.is_constant = 1;
            attribute.tensor = &tensor;
            break;
        default:
            break;
        }
        graph.setAttribute(node, attribute);
    }
}

// What a neighbour could give: row-major, channels last, channels in blocks.
std::vector<TnPortFormat> offersOf(const TensorText& type) {
    const auto rank = static_cast<int32_t>(type.dims.size());
    std::vector<TnPortFormat> offers{module::linearPort(type.dtype, rank)};
    if (rank >= 3 && rank <= 5) {
        TnPortFormat port = offers[0];
        port.format = module::channelsLastFormat(rank);
        offers.push_back(port);
        for (int32_t block : {8, 16}) {
            port.format = module::blockedFormat(rank, {{1, block}});
            offers.push_back(port);
        }
    }
    return offers;
}

TnFormat formatOf(const std::string& text, int32_t rank) {
    TnFormat format = module::linearFormat(rank);
    size_t at = 0;
    const auto numbers = [&](const char* key) {
        std::vector<int32_t> found;
        const size_t begin = text.find(key, at);
        if (begin == std::string::npos) {
            return found;
        }
        at = begin + std::strlen(key);
        for (size_t i = at; i < text.size() && text[i] != ')'; ++i) {
            if (std::isdigit(static_cast<unsigned char>(text[i])) != 0 &&
                std::isdigit(static_cast<unsigned char>(text[i - 1])) == 0) {
                found.push_back(std::atoi(text.c_str() + i));
            }
        }
        return found;
    };
    const std::vector<int32_t> order = numbers("order(");
    for (size_t d = 0; d < order.size() && d < TN_MAX_DIMS; ++d) {
        format.order[d] = order[d];
    }
    const std::vector<int32_t> blocks = numbers("block(");
    for (size_t i = 0; i + 1 < blocks.size() && format.block_count < TN_MAX_BLOCKS; i += 2) {
        format.blocks[format.block_count++] = {blocks[i], blocks[i + 1]};
    }
    if (text.find("zero") != std::string::npos) {
        format.tail_zero = 1;
    }
    return format;
}

} // namespace

std::vector<std::byte> fillInput(const Case& from, size_t input) {
    const InputText& text = from.inputs[input];
    const InputText& source = text.sameAs >= 0 ? from.inputs[static_cast<size_t>(text.sameAs)] : text;
    const TnDataType type = source.type.dtype;
    const auto size = static_cast<size_t>(kernels::bytesOf(type));
    int64_t elements = 1;
    for (int64_t dim : source.type.dims) {
        elements *= dim;
    }
    std::vector<std::byte> bytes(static_cast<size_t>(elements) * size);
    const bool isFloat = module::isFloat(type);
    const bool isUnsigned = kernels::contains(kernels::kUnsignedInts | kernels::kBool, type);
    std::mt19937_64 random(1234567 + from.seed * 7919 + input * 104729);
    double low = isFloat ? -2 : isUnsigned ? 0 : -9;
    double high = isFloat ? 2 : type == TN_BOOL ? 1 : 9;
    if (source.fill == FillKind::kUniform || source.fill == FillKind::kWhole) {
        low = source.numbers[0];
        high = source.numbers[1];
    }
    const bool whole = !isFloat || source.fill == FillKind::kWhole;
    for (int64_t i = 0; i < elements; ++i) {
        double value = 0;
        int64_t integer = 0;
        if (source.fill == FillKind::kSequence) {
            value = static_cast<double>(i);
            integer = i;
        } else if (source.fill == FillKind::kValues) {
            const auto at = static_cast<size_t>(i) % source.numbers.size();
            value = source.numbers[at];
            integer = source.integers[at];
        } else {
            // The top bits of the generator: the standard's distributions differ between libraries.
            const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
            value = whole ? std::floor(low + unit * (high - low + 1)) : low + unit * (high - low);
            value = whole ? std::min(value, high) : value;
            integer = static_cast<int64_t>(value);
        }
        writeElement(type, value, integer, bytes.data() + static_cast<size_t>(i) * size);
    }
    return bytes;
}

void buildTask(const Case& from, const std::vector<std::vector<std::byte>>& data, bool dynamic, BuiltTask& to) {
    const bool isRegion = from.statements.size() > 1;
    std::vector<int32_t> inputValues;
    for (size_t i = 0; i < from.inputs.size(); ++i) {
        const InputText& input = from.inputs[i];
        if (!input.present) {
            inputValues.push_back(-1);
            continue;
        }
        if (input.sameAs >= 0) {
            inputValues.push_back(inputValues[static_cast<size_t>(input.sameAs)]);
            continue;
        }
        TnValue value{};
        value.struct_size = sizeof value;
        value.dtype = input.type.dtype;
        const std::vector<TnDim> dims = dimsOf(input.type, dynamic && !input.isConstant);
        value.rank = static_cast<int32_t>(dims.size());
        std::copy(dims.begin(), dims.end(), value.dims);
        if (input.isConstant) {
            value.is_constant = 1;
            if (data[i].size() <= 256) {
                value.data = data[i].data();
                value.data_bytes = static_cast<int64_t>(data[i].size());
            }
        }
        const int32_t index = to.graph.addValue(value);
        inputValues.push_back(index);
        to.graph.addInput(index);
        to.inputPorts.push_back(static_cast<int32_t>(i));
        const std::vector<TnPortFormat> offers = offersOf(input.type);
        to.offeredBegin.push_back(static_cast<int64_t>(to.offered.size()));
        to.offered.insert(to.offered.end(), offers.begin(), offers.end());
    }
    to.offeredBegin.push_back(static_cast<int64_t>(to.offered.size()));
    std::vector<int32_t> results;
    for (size_t s = 0; s < from.statements.size(); ++s) {
        const StatementText& statement = from.statements[s];
        std::vector<int32_t> operands;
        for (int32_t operand : statement.operands) {
            operands.push_back(operand < 0 ? -1
                               : operand >= StatementText::kStatementBase
                                   ? results[static_cast<size_t>(operand - StatementText::kStatementBase)]
                                   : inputValues[static_cast<size_t>(operand)]);
        }
        std::vector<int32_t> outputs;
        if (isRegion) {
            outputs.push_back(to.graph.addTensor(statement.results[0].dtype, dimsOf(statement.results[0], dynamic)));
            results.push_back(outputs[0]);
            // The last statements are the outputs.
            const size_t first = from.statements.size() - from.outputs.size();
            if (s >= first && from.outputs[s - first].present) {
                to.graph.addOutput(outputs[0]);
                to.outputPorts.push_back(static_cast<int32_t>(s - first));
            }
        } else {
            for (size_t o = 0; o < from.outputs.size(); ++o) {
                const OutputText& output = from.outputs[o];
                if (!output.present) {
                    // There, but read by nobody.
                    outputs.push_back(
                        to.graph.addTensor(from.outputs[0].present ? from.outputs[0].type.dtype : TN_F32, {}));
                    continue;
                }
                outputs.push_back(to.graph.addTensor(output.type.dtype, dimsOf(output.type, dynamic)));
                to.graph.addOutput(outputs.back());
                to.outputPorts.push_back(static_cast<int32_t>(o));
            }
        }
        const size_t node = to.graph.addNode(statement.op, operands, outputs);
        addAttributes(to.graph, node, statement.attributes, to.scalars);
    }
    to.task.struct_size = sizeof to.task;
    to.task.body = &to.graph.graph().raw();
    to.task.offered_begin = to.offeredBegin.data();
    to.task.offered = to.offered.data();
    to.task.offered_stride = sizeof(TnPortFormat);
    to.task.compute_types = uint64_t{1} << TN_F32;
    to.task.workspace_limit = INT64_MAX;
    if (!isRegion && from.statements[0].op == "convert") {
        const auto rank = static_cast<int32_t>(from.inputs[0].type.dims.size());
        to.offered.assign(1, {from.inputs[0].type.dtype, TN_PLACEMENT_HOST, formatOf(from.from, rank)});
        to.offeredBegin = {0, 1};
        to.task.offered_begin = to.offeredBegin.data();
        to.task.offered = to.offered.data();
        to.convertTo = {from.outputs[0].type.dtype, TN_PLACEMENT_HOST, formatOf(from.to, rank)};
        to.task.convert_to = &to.convertTo;
    }
}

Case statementAlone(const Case& region, size_t statement) {
    const StatementText& text = region.statements[statement];
    Case alone;
    alone.name = region.name;
    alone.statements.push_back(text);
    alone.statements[0].operands.clear();
    for (int32_t operand : text.operands) {
        InputText input;
        if (operand < 0) {
            input.present = false;
            alone.statements[0].operands.push_back(-1);
        } else {
            input.type =
                operand >= StatementText::kStatementBase
                    ? region.statements[static_cast<size_t>(operand - StatementText::kStatementBase)].results[0]
                    : region.inputs[static_cast<size_t>(operand)].type;
            alone.statements[0].operands.push_back(static_cast<int32_t>(alone.inputs.size()));
        }
        alone.inputs.push_back(input);
    }
    OutputText output;
    output.type = text.results[0];
    alone.outputs.push_back(output);
    return alone;
}

} // namespace tenon::conformance
