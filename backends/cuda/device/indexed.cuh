// Gather, scatter, and ops whose elements follow from positions. Device code, after prelude.cuh. An index that is outside its axis, which a
// launch on a device cannot report, reads zero and writes nothing.

#if defined(KERNEL_GATHER) || defined(KERNEL_GATHER_ELEMENTS) || defined(KERNEL_GATHER_ND) || defined(KERNEL_SCATTER_ELEMENTS) ||            \
    defined(KERNEL_SCATTER_ND)
// -1: outside.
__device__ inline I64 wrapped(I64 index, I64 extent) {
    const I64 counted = index < 0 ? index + extent : index;
    return counted >= 0 && counted < extent ? counted : -1;
}
#endif

#ifdef KERNEL_GATHER
template <class Piece>
__device__ inline void gatherAll(const GatherArgs& a, const Ports& ports) {
    const Piece* data = input<Piece>(ports, a.operands, 0);
    const Indices* indices = input<Indices>(ports, a.operands, 1);
    Piece* to = output<Piece>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        const Index within = i % (Index)a.block;
        const Index row = i / (Index)a.block;
        const I64 index = wrapped((I64)indices[row % (Index)a.indices], a.extent);
        to[i] = index < 0 ? Piece{} : data[((I64)(row / (Index)a.indices) * a.extent + index) * a.block + (I64)within];
    }
}
extern "C" __global__ void gather(const __grid_constant__ GatherArgs a, const __grid_constant__ Ports ports) { gatherAll<Element>(a, ports); }
// The same in pieces of 16 bytes; the block and the count are of pieces.
extern "C" __global__ void gather_16(const __grid_constant__ GatherArgs a, const __grid_constant__ Ports ports) { gatherAll<uint4>(a, ports); }
#endif

#ifdef KERNEL_GATHER_ELEMENTS
extern "C" __global__ void gather_elements(const __grid_constant__ GatherArgs a, const __grid_constant__ Ports ports) {
    const Element* data = input<Element>(ports, a.operands, 0);
    const Indices* indices = input<Indices>(ports, a.operands, 1);
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        const I64 index = wrapped((I64)indices[i], a.extent);
        to[i] = index < 0 ? Element(0) : data[(I64)offsetAt(i, a.rank, a.dims, a.strides) + index * a.step];
    }
}
#endif

#ifdef KERNEL_GATHER_ND
extern "C" __global__ void gather_nd(const __grid_constant__ GatherArgs a, const __grid_constant__ Ports ports) {
    const Element* data = input<Element>(ports, a.operands, 0);
    const Indices* indices = input<Indices>(ports, a.operands, 1);
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        const I64 row = (I64)(i / (Index)a.block);
        I64 offset = row / a.rows * a.perBatch + (I64)(i % (Index)a.block);
        bool inside = true;
        for (int w = 0; w < a.width; ++w) {
            const I64 index = wrapped((I64)indices[row * a.width + w], a.dims[w]);
            inside = inside && index >= 0;
            offset += index * a.strides[w];
        }
        to[i] = inside ? data[offset] : Element(0);
    }
}
#endif

#if defined(KERNEL_SCATTER_ELEMENTS) || defined(KERNEL_SCATTER_ND)
__device__ inline void combine(int how, Element update, Element& at) {
    if (how == kReplace) {
        at = update;
        return;
    }
    auto a = widen(at);
    const auto b = widen(update);
    switch (how) {
    case kAdd:
        a = a + b;
        break;
    case kMultiply:
        a = a * b;
        break;
    case kMaximum:
        a = a > b || a != a ? a : b;
        break;
    default:
        a = a < b || a != a ? a : b;
        break;
    }
    at = narrowed<Element>(a);
}
#endif

#ifdef KERNEL_SCATTER_ELEMENTS
// Updates meet only along the axis: one thread applies those of a line in order.
extern "C" __global__ void scatter_elements(const __grid_constant__ ScatterArgs a, const __grid_constant__ Ports ports) {
    const Indices* indices = input<Indices>(ports, a.operands, 1);
    const Element* updates = input<Element>(ports, a.operands, 2);
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index line = threadIndex(); line < (Index)a.lines; line += threadCount()) {
        const I64 first = (I64)offsetAt(line, a.rank, a.dims, a.strides);
        const I64 update = (I64)offsetAt(line, a.rank, a.dims, a.updateStrides);
        for (I64 i = 0; i < a.length; ++i) {
            const I64 index = wrapped((I64)indices[update + i * a.updateStep], a.extent);
            if (index >= 0) {
                combine(a.how, updates[update + i * a.updateStep], to[first + index * a.step]);
            }
        }
    }
}
#endif

#ifdef KERNEL_SCATTER_ND
// One thread an element of a slice: it applies its element of all updates in order.
extern "C" __global__ void scatter_nd(const __grid_constant__ ScatterArgs a, const __grid_constant__ Ports ports) {
    const Indices* indices = input<Indices>(ports, a.operands, 1);
    const Element* updates = input<Element>(ports, a.operands, 2);
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index within = threadIndex(); within < (Index)a.block; within += threadCount()) {
        for (I64 row = 0; row < a.length; ++row) {
            I64 offset = (I64)within;
            bool inside = true;
            for (int w = 0; w < a.width; ++w) {
                const I64 index = wrapped((I64)indices[row * a.width + w], a.dims[w]);
                inside = inside && index >= 0;
                offset += index * a.strides[w];
            }
            if (inside) {
                combine(a.how, updates[row * a.block + (I64)within], to[offset]);
            }
        }
    }
}
#endif

#ifdef KERNEL_FILL
extern "C" __global__ void fill(const __grid_constant__ GenerateArgs a, const __grid_constant__ Ports ports) {
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        to[i] = (Element)a.value;
    }
}
#endif

#ifdef KERNEL_VALUES
extern "C" __global__ void values(const __grid_constant__ GenerateArgs a, const __grid_constant__ Ports ports) {
    I64* to = output<I64>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        to[i] = a.values[i];
    }
}
#endif

#ifdef KERNEL_RANGE
extern "C" __global__ void range(const __grid_constant__ GenerateArgs a, const __grid_constant__ Ports ports) {
    const auto start = widen(*input<Element>(ports, a.operands, 0));
    const auto delta = widen(*input<Element>(ports, a.operands, 2));
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        if constexpr (isReal<Of<Element>::Wide>) {
            to[i] = narrowed<Element>((double)start + (double)i * (double)delta);
        } else {
            to[i] = narrowed<Element>((U64)start + (U64)i * (U64)delta);
        }
    }
}
#endif

#ifdef KERNEL_ONE_HOT
extern "C" __global__ void one_hot(const __grid_constant__ GenerateArgs a, const __grid_constant__ Ports ports) {
    const Indices* indices = input<Indices>(ports, a.operands, 0);
    const Element* values = input<Element>(ports, a.operands, 2);
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        const I64 inner = (I64)i % a.inner;
        const I64 d = (I64)i / a.inner % a.depth;
        const I64 at = (I64)i / a.inner / a.depth * a.inner + inner;
        I64 index = 0;
        if constexpr (isReal<Of<Indices>::Wide>) {
            const double value = (double)widen(indices[at]);
            index = fabs(value) < 4611686018427387904.0 ? (I64)value : -0x7fffffffffffffffLL; // a fraction is cut
        } else {
            index = (I64)widen(indices[at]);
        }
        to[i] = (index < 0 ? index + a.depth : index) == d ? values[1] : values[0];
    }
}
#endif

#ifdef KERNEL_EYE_LIKE
extern "C" __global__ void eye_like(const __grid_constant__ GenerateArgs a, const __grid_constant__ Ports ports) {
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        to[i] = (I64)i % a.columns - (I64)i / a.columns == a.shift ? (Element)a.value : (Element)0;
    }
}
#endif

#ifdef KERNEL_TRILU
extern "C" __global__ void trilu(const __grid_constant__ GenerateArgs a, const __grid_constant__ Ports ports) {
    const Element* from = input<Element>(ports, a.operands, 0);
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        const I64 diagonal = (I64)i % a.columns - (I64)i / a.columns % a.rows;
        to[i] = (a.upper != 0 ? diagonal >= a.shift : diagonal <= a.shift) ? from[i] : (Element)0;
    }
}
#endif
