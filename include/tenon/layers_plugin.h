// Layers whose computation comes from elsewhere: plugins of both generations, and any registered op by its name.
#pragma once

#include "tenon/layer.h"
#include "tenon/plugin.h"

namespace nvinfer1 {

class IPluginV2Layer : public ILayer {
public:
    // The network's own clone; it lives as long as the layer.
    virtual IPluginV2& getPlugin() noexcept = 0;

protected:
    ~IPluginV2Layer() noexcept override = default;
};

class IPluginV3Layer : public ILayer {
public:
    // The network's own clone; it lives as long as the layer.
    virtual IPluginV3& getPlugin() noexcept = 0;

protected:
    ~IPluginV3Layer() noexcept override = default;
};

} // namespace nvinfer1

namespace tenon {

// What an attribute of an operator holds. An attribute that the op declares as dimensions takes kINTS.
enum class AttributeKind : int32_t {
    kINT = 0,
    kFLOAT = 1,
    kSTRING = 2,
    kINTS = 3,
    kFLOATS = 4,
    kSTRINGS = 5,
    kTYPE = 6,   // an element type
    kTENSOR = 7, // a constant tensor
};

// One attribute, given to or read from an operator. Owns nothing: what it points to must live for the call it is given
// to (the network copies it, a tensor's values included), or, when read, until its layer's next setAttribute().
struct OperatorAttribute {
    char const* name{};
    AttributeKind kind{AttributeKind::kINT};
    DataType type{DataType::kFLOAT};              // kTYPE
    int64_t integer{};                            // kINT
    double number{};                              // kFLOAT
    char const* string{};                         // kSTRING
    int64_t const* integers{};                    // kINTS
    double const* numbers{};                      // kFLOATS
    char const* const* strings{};                 // kSTRINGS
    int64_t count{};                              // elements of the three above
    Weights tensor{DataType::kFLOAT, nullptr, 0}; // kTENSOR
    Dims dimensions{0, {}};                       // kTENSOR

    static OperatorAttribute ofInt(char const* attributeName, int64_t value) noexcept {
        OperatorAttribute a{};
        a.name = attributeName;
        a.kind = AttributeKind::kINT;
        a.integer = value;
        return a;
    }
    static OperatorAttribute ofFloat(char const* attributeName, double value) noexcept {
        OperatorAttribute a{};
        a.name = attributeName;
        a.kind = AttributeKind::kFLOAT;
        a.number = value;
        return a;
    }
    static OperatorAttribute ofString(char const* attributeName, char const* value) noexcept {
        OperatorAttribute a{};
        a.name = attributeName;
        a.kind = AttributeKind::kSTRING;
        a.string = value;
        return a;
    }
    static OperatorAttribute ofInts(char const* attributeName, int64_t const* values, int64_t n) noexcept {
        OperatorAttribute a{};
        a.name = attributeName;
        a.kind = AttributeKind::kINTS;
        a.integers = values;
        a.count = n;
        return a;
    }
    static OperatorAttribute ofFloats(char const* attributeName, double const* values, int64_t n) noexcept {
        OperatorAttribute a{};
        a.name = attributeName;
        a.kind = AttributeKind::kFLOATS;
        a.numbers = values;
        a.count = n;
        return a;
    }
    static OperatorAttribute ofStrings(char const* attributeName, char const* const* values, int64_t n) noexcept {
        OperatorAttribute a{};
        a.name = attributeName;
        a.kind = AttributeKind::kSTRINGS;
        a.strings = values;
        a.count = n;
        return a;
    }
    static OperatorAttribute ofType(char const* attributeName, DataType value) noexcept {
        OperatorAttribute a{};
        a.name = attributeName;
        a.kind = AttributeKind::kTYPE;
        a.type = value;
        return a;
    }
    static OperatorAttribute ofTensor(char const* attributeName, Weights values, Dims const& dims) noexcept {
        OperatorAttribute a{};
        a.name = attributeName;
        a.kind = AttributeKind::kTENSOR;
        a.tensor = values;
        a.dimensions = dims;
        return a;
    }
};

// A layer that runs an op by its name: see INetworkDefinition::addOperator. Its getType() is kTENON_OPERATOR.
class IOperatorLayer : public ILayer {
public:
    virtual char const* getDomain() const noexcept = 0;
    virtual char const* getOperatorName() const noexcept = 0;
    virtual int32_t getVersion() const noexcept = 0;
    virtual int32_t getNbAttributes() const noexcept = 0;
    // False, with `attribute` untouched, for an index out of range.
    virtual bool getAttribute(int32_t index, OperatorAttribute& attribute) const noexcept = 0;
    // Adds or replaces. False, with an error reported, if the op has no such attribute or the kind does not fit.
    virtual bool setAttribute(OperatorAttribute const& attribute) noexcept = 0;

protected:
    ~IOperatorLayer() noexcept override = default;
};

} // namespace tenon
