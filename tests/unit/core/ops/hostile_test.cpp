// Every op survives whatever attributes and operands it is given: an error that names the op, or types that hold together.
#include "core/ops/op_registry.h"
#include "core/support/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tenon::ops {
namespace {

class Hostile {
public:
    explicit Hostile(uint32_t seed) : mRandom(seed) {
        for (const char* name : {"N", "S"}) {
            mPool.symbol({name});
        }
        ir::Symbol element{"E"};
        element.source = ir::SymbolSource::kInputElement;
        mPool.symbol(element);
    }

    ir::ExprPool& pool() { return mPool; }
    int pick(int count) { return std::uniform_int_distribution<int>(0, count - 1)(mRandom); }

    int64_t number() {
        constexpr int64_t kNumbers[] = {0,  1, 2,   3,         4,         7,         -1,        -2,
                                        -3, 8, 100, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, int64_t{1} << 40};
        // Mostly small ones: otherwise nothing gets past the first check.
        return kNumbers[pick(3) == 0 ? pick(16) : pick(5)];
    }

    ir::DimExpr extent(bool mayBeUnknown) {
        switch (pick(8)) {
        case 0:
            return mPool.symbol({"N"});
        case 1:
            return mPool.symbol({"S"});
        case 2:
            return mPool.symbol({"E"});
        case 3:
            return mPool.add(mPool.symbol({"N"}), mPool.constant(number()));
        case 4:
            return mayBeUnknown ? ir::DimExpr{} : mPool.constant(number());
        default:
            return mPool.constant(number());
        }
    }

    ir::AttributeValue attribute(AttributeKind kind, const std::vector<std::string>& choices) {
        const size_t count = static_cast<size_t>(pick(5));
        switch (kind) {
        case AttributeKind::kInt:
            return number();
        case AttributeKind::kFloat:
            return pick(4) == 0 ? NAN : pick(4) == 0 ? 1e300 : 0.5 * pick(7);
        case AttributeKind::kString: {
            const std::string other[] = {"", "ij,jk->ik", "...,->...", "->", "a,,b", "half", std::string(1, '\xff')};
            return choices.empty() || pick(5) == 0
                       ? other[pick(7)]
                       : choices[static_cast<size_t>(pick(static_cast<int>(choices.size())))];
        }
        case AttributeKind::kInts: {
            std::vector<int64_t> values;
            for (size_t i = 0; i < count; ++i) {
                values.push_back(number());
            }
            return values;
        }
        case AttributeKind::kFloats: {
            std::vector<double> values;
            for (size_t i = 0; i < count; ++i) {
                values.push_back(0.5 * pick(9));
            }
            return values;
        }
        case AttributeKind::kStrings:
            return std::vector<std::string>{"a"};
        case AttributeKind::kDataType:
            return static_cast<ir::DataType>(pick(ir::kDataTypeCount));
        case AttributeKind::kDims: {
            ir::DimList list;
            for (size_t i = 0; i < count; ++i) {
                list.dims.push_back(extent(pick(20) == 0));
            }
            return list;
        }
        case AttributeKind::kTensor:
            return ir::makeConstantI64({static_cast<int64_t>(count)}, std::vector<int64_t>(count, number()));
        }
        return int64_t{0};
    }

    InferInput input() {
        InferInput input;
        if (pick(10) == 0) {
            return input;
        }
        input.present = true;
        const ir::DataType common[] = {ir::DataType::kF32, ir::DataType::kI64, ir::DataType::kBool};
        input.type.dtype = pick(6) == 0 ? static_cast<ir::DataType>(pick(ir::kDataTypeCount)) : common[pick(3)];
        if (pick(12) == 0) {
            input.type.ranked = false;
            return input;
        }
        const int rank = pick(5);
        if (rank == 1 && pick(2) == 0) {
            const auto count = static_cast<size_t>(pick(5));
            input.type.dims.push_back(mPool.constant(static_cast<int64_t>(count)));
            if (pick(2) == 0) {
                input.type.dtype = ir::DataType::kI64;
                std::vector<int64_t> values(count);
                for (int64_t& value : values) {
                    value = number();
                }
                input.constant = ir::makeConstantI64({static_cast<int64_t>(count)}, values);
                return input;
            }
            input.contents.emplace();
            for (size_t i = 0; i < count; ++i) {
                input.contents->push_back(extent(false));
            }
            return input;
        }
        for (int i = 0; i < rank; ++i) {
            const int64_t own = number();
            input.type.dims.push_back(pick(2) == 0 ? extent(true) : mPool.constant(own < 0 ? 5 : own));
        }
        return input;
    }

private:
    std::mt19937 mRandom;
    ir::ExprPool mPool;
};

TEST(HostileOperands, EveryOpAnswers) {
    const OpRegistry& registry = OpRegistry::builtin();
    int accepted = 0;
    for (const OpDef* def : registry.all()) {
        for (uint32_t seed = 0; seed < 400; ++seed) {
            Hostile hostile(seed);
            ir::AttributeMap attributes;
            for (const AttributeSpec& spec : def->attributes) {
                if (spec.required || hostile.pick(3) == 0) {
                    const auto kind = hostile.pick(30) == 0 ? static_cast<AttributeKind>(hostile.pick(9)) : spec.kind;
                    attributes.set(spec.name, hostile.attribute(kind, spec.choices));
                }
            }
            std::vector<InferInput> inputs;
            for (size_t i = 0; i < def->inputs.size() + (def->variadic ? static_cast<size_t>(hostile.pick(3)) : 0);
                 ++i) {
                inputs.push_back(hostile.input());
                if (i > 0 && hostile.pick(2) == 0) {
                    inputs[i].type.dtype = inputs[0].type.dtype; // often what is wanted
                }
            }
            InferContext context(attributes, inputs, static_cast<size_t>(def->minOutputs), hostile.pool());
            const support::Status status = registry.infer(*def, context);
            if (!status.ok()) {
                EXPECT_EQ(status.message().rfind(def->name + ": ", 0), 0u) << status.message();
                EXPECT_NE(status.code(), support::Code::kInternal) << status.message() << ", seed " << seed;
                EXPECT_LT(status.message().size(), 2000u);
            }
            accepted += status.ok() ? 1 : 0;
        }
    }
    // Else the operands above are so bad that nothing but the first checks is tried.
    EXPECT_GT(accepted, 5000);
}

} // namespace
} // namespace tenon::ops
