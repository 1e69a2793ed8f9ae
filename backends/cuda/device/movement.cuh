// Movement of elements by strides, by folded indices and by interpolation. Device code, after prelude.cuh. `Element` is an unsigned type of
// the elements' size, or for interpolation the element type.

#ifdef KERNEL_COPY
#ifndef SAME_BYTES
__device__ inline To moved(From x) { return narrowed<To>(widen(x)); }
#endif

template <class T>
__device__ inline T moved(T x) {
    return x;
}

template <class Source, class Target>
__device__ inline void copyAll(const CopyArgs& a, const Ports& ports) {
    const Source* from = input<Source>(ports, a.operands, a.input) + a.fromFirst;
    Target* to = output<Target>(ports, a.operands, a.output) + a.toFirst;
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        Index rest = i;
        I64 source = 0;
        I64 target = 0;
        for (int d = a.rank - 1; d >= 0; --d) {
            const Index c = d > 0 ? rest % (Index)a.dims[d] : rest;
            rest = d > 0 ? rest / (Index)a.dims[d] : 0;
            source += (I64)c * a.from[d];
            target += (I64)c * a.to[d];
        }
        to[target] = moved(from[source]);
    }
}
extern "C" __global__ void copy(const __grid_constant__ CopyArgs a, const __grid_constant__ Ports ports) { copyAll<From, To>(a, ports); }
extern "C" __global__ void copies(const __grid_constant__ CopiesArgs a, const __grid_constant__ Ports ports) {
    copyAll<From, To>(a.each[blockIdx.y], ports);
}
// A thread takes what lies along the last dimension, of few elements: neighbours of the input lie along the one before, as where the planes of an
// image become channels of its pixels.
extern "C" __global__ void interleaved(const __grid_constant__ CopyArgs a, const __grid_constant__ Ports ports) {
    const From* from = input<From>(ports, a.operands, a.input) + a.fromFirst;
    To* to = output<To>(ports, a.operands, a.output) + a.toFirst;
    const int last = a.rank - 1;
    const Index length = (Index)a.dims[last];
    const Index pixels = (Index)a.count / length;
    const I64 fromStep = a.from[last];
    const I64 toStep = a.to[last];
    for (Index i = threadIndex(); i < pixels; i += threadCount()) {
        Index rest = i;
        I64 source = 0;
        I64 target = 0;
        for (int d = last - 1; d >= 0; --d) {
            const Index c = d > 0 ? rest % (Index)a.dims[d] : rest;
            rest = d > 0 ? rest / (Index)a.dims[d] : 0;
            source += (I64)c * a.from[d];
            target += (I64)c * a.to[d];
        }
        for (Index k = 0; k < length; ++k) {
            to[target + (I64)k * toStep] = moved(from[source + (I64)k * fromStep]);
        }
    }
}
#ifdef SAME_BYTES
// The same as copy in pieces of 4, 8 and 16 bytes, where neighbours move together; all of the arguments count pieces.
extern "C" __global__ void copy_4(const __grid_constant__ CopyArgs a, const __grid_constant__ Ports ports) { copyAll<unsigned, unsigned>(a, ports); }
extern "C" __global__ void copy_8(const __grid_constant__ CopyArgs a, const __grid_constant__ Ports ports) { copyAll<uint2, uint2>(a, ports); }
extern "C" __global__ void copy_16(const __grid_constant__ CopyArgs a, const __grid_constant__ Ports ports) { copyAll<uint4, uint4>(a, ports); }
extern "C" __global__ void copies_4(const __grid_constant__ CopiesArgs a, const __grid_constant__ Ports ports) {
    copyAll<unsigned, unsigned>(a.each[blockIdx.y], ports);
}
extern "C" __global__ void copies_8(const __grid_constant__ CopiesArgs a, const __grid_constant__ Ports ports) {
    copyAll<uint2, uint2>(a.each[blockIdx.y], ports);
}
extern "C" __global__ void copies_16(const __grid_constant__ CopiesArgs a, const __grid_constant__ Ports ports) {
    copyAll<uint4, uint4>(a.each[blockIdx.y], ports);
}
#endif

// Neighbours of the output lie along the last dimension, those of the input along the one before: through a tile, so that both sides are
// walked along their neighbours. One block a tile of 32 by 32.
extern "C" __global__ void transposed(const __grid_constant__ CopyArgs a, const __grid_constant__ Ports ports) {
    __shared__ From tile[32][33];
    const From* from = input<From>(ports, a.operands, a.input) + a.fromFirst;
    To* to = output<To>(ports, a.operands, a.output) + a.toFirst;
    const int last = a.rank - 1;
    const Index columns = ((Index)a.dims[last] + 31) / 32;
    const Index rows = ((Index)a.dims[last - 1] + 31) / 32;
    const I64 column0 = (I64)(blockIdx.x % columns) * 32;
    const I64 row0 = (I64)(blockIdx.x / columns % rows) * 32;
    Index rest = blockIdx.x / columns / rows;
    for (int d = last - 2; d >= 0; --d) {
        const I64 c = (I64)(rest % (Index)a.dims[d]);
        rest /= (Index)a.dims[d];
        from += c * a.from[d];
        to += c * a.to[d];
    }
    const int along = (int)threadIdx.x % 32;
    const int across = (int)threadIdx.x / 32;
    for (int k = across; k < 32; k += 8) {
        if (row0 + along < a.dims[last - 1] && column0 + k < a.dims[last]) {
            tile[k][along] = from[(row0 + along) * a.from[last - 1] + (column0 + k) * a.from[last]];
        }
    }
    __syncthreads();
    for (int k = across; k < 32; k += 8) {
        if (row0 + k < a.dims[last - 1] && column0 + along < a.dims[last]) {
            to[(row0 + k) * a.to[last - 1] + (column0 + along) * a.to[last]] = moved(tile[along][k]);
        }
    }
}
#endif

#ifdef KERNEL_MOVE
// The element of an extent that index x stands for where x may be outside; -1: none.
__device__ inline I64 folded(I64 x, I64 extent, int mode) {
    if (x >= 0 && x < extent) {
        return x;
    }
    if (extent == 0 || mode == kMoveFill) {
        return -1;
    }
    if (mode == kMoveClamp) {
        return x < 0 ? 0 : extent - 1;
    }
    if (mode == kMoveWrap) {
        return (x % extent + extent) % extent;
    }
    if (extent == 1) {
        return 0;
    }
    const I64 period = 2 * (extent - 1);
    const I64 within = (x % period + period) % period;
    return within < extent ? within : period - within;
}

extern "C" __global__ void move(const __grid_constant__ MoveArgs a, const __grid_constant__ Ports ports) {
    const Element* from = input<Element>(ports, a.operands, 0);
    Element* to = output<Element>(ports, a.operands, 0);
    const Element fill = a.fillInput >= 0 ? *input<Element>(ports, a.operands, a.fillInput) : (Element)a.fill;
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        Index rest = i;
        I64 source = 0;
        bool inside = true;
        for (int d = a.rank - 1; d >= 0; --d) {
            const Index c = rest % (Index)a.outDims[d];
            rest /= (Index)a.outDims[d];
            const I64 at = folded(a.begin[d] + (I64)c * a.step[d], a.inDims[d], a.mode);
            inside = inside && at >= 0;
            source += at * a.inStrides[d];
        }
        to[i] = inside ? from[source] : fill;
    }
}
#endif

#ifdef KERNEL_RESIZE
__device__ inline double sourceOf(const ResizeArgs& a, int d, I64 index) {
    const double x = (double)index;
    const double in = (double)a.inDims[d];
    const double out = a.scale[d] * in; // not rounded, as ONNX has it
    switch (a.coordinate) {
    case kAlignCorners:
        return out == 1 ? 0 : x * (in - 1) / (out - 1);
    case kAsymmetric:
        return x / a.scale[d];
    case kCropAndResize: {
        const double span = a.roiEnd[d] - a.roiBegin[d];
        const double within = a.outDims[d] == 1 ? span * (in - 1) / 2 : x * span * (in - 1) / ((double)a.outDims[d] - 1);
        return within + a.roiBegin[d] * (in - 1);
    }
    case kHalfPixelForNearest:
        return (x + 0.5) / a.scale[d];
    case kHalfPixelSymmetric:
        return in / 2 * (1 - (double)a.outDims[d] / out) + (x + 0.5) / a.scale[d] - 0.5;
    case kPytorchHalfPixel:
        return a.outDims[d] == 1 ? 0 : (x + 0.5) / a.scale[d] - 0.5;
    default:
        return (x + 0.5) / a.scale[d] - 0.5;
    }
}
__device__ inline I64 clampIndex(I64 x, I64 last) { return x < 0 ? 0 : x > last ? last : x; }

__device__ inline I64 nearestOf(const ResizeArgs& a, double x) {
    switch (a.rounding) {
    case kRoundPreferFloor:
        return (I64)ceil(x - 0.5);
    case kRoundPreferCeil:
        return (I64)floor(x + 0.5);
    case kRoundFloor:
        return (I64)floor(x);
    default:
        return (I64)ceil(x);
    }
}

#ifdef NEAREST
extern "C" __global__ void resize(const __grid_constant__ ResizeArgs a, const __grid_constant__ Ports ports) {
    const Element* from = input<Element>(ports, a.operands, 0);
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        Index rest = i;
        I64 source = 0;
        bool inside = true;
        for (int d = a.rank - 1; d >= 0; --d) {
            const I64 c = (I64)(rest % (Index)a.outDims[d]);
            rest /= (Index)a.outDims[d];
            I64 at = c;
            if (a.mapped[d] != 0) {
                const double x = sourceOf(a, d, c);
                const I64 last = a.inDims[d] - 1;
                inside = inside && !(a.coordinate == kCropAndResize && (x < 0 || x > (double)last));
                at = clampIndex(nearestOf(a, x), last);
            }
            source += at * a.inStrides[d];
        }
        to[i] = inside ? from[source] : Element(EXTRAPOLATION);
    }
}
#else
__device__ inline double kernelOf(const ResizeArgs& a, double distance) {
    const double x = fabs(distance);
    if (a.mode == kResizeLinear) {
        return x < 1 ? 1 - x : 0;
    }
    const double c = a.cubicA;
    if (x <= 1) {
        return ((c + 2) * x - (c + 3)) * x * x + 1;
    }
    return x < 2 ? ((c * x - 5 * c) * x + 8 * c) * x - 4 * c : 0;
}

// The taps of one output index along one dimension.
struct Taps {
    double x;
    double stretch;
    double norm;
    I64 left;
    I64 first;
    I64 count;
    I64 last;
    bool plain; // one tap, the index itself
};
__device__ inline double weightOf(const ResizeArgs& a, const Taps& t, I64 tap) {
    const I64 element = t.left + tap;
    if (a.excludeOutside != 0 && (element < 0 || element > t.last)) {
        return 0;
    }
    return kernelOf(a, t.stretch * ((double)tap - (t.x - (double)t.left)));
}

extern "C" __global__ void resize(const __grid_constant__ ResizeArgs a, const __grid_constant__ Ports ports) {
    const Element* from = input<Element>(ports, a.operands, 0);
    Element* to = output<Element>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        Taps taps[RANK];
        Index rest = i;
        bool inside = true;
        I64 combinations = 1;
#pragma unroll
        for (int d = RANK - 1; d >= 0; --d) {
            const I64 c = (I64)(rest % (Index)a.outDims[d]);
            rest /= (Index)a.outDims[d];
            Taps& t = taps[d];
            t.plain = a.mapped[d] == 0;
            t.last = a.inDims[d] - 1;
            t.left = c;
            t.first = 0;
            t.count = 1;
            t.norm = 1;
            if (!t.plain) {
                t.x = sourceOf(a, d, c);
                inside = inside && !(a.coordinate == kCropAndResize && (t.x < 0 || t.x > (double)t.last));
                t.stretch = a.antialias != 0 && a.scale[d] < 1 ? a.scale[d] : 1.0;
                t.first = (I64)floor(-(a.mode == kResizeLinear ? 1.0 : 2.0) / t.stretch) + 1;
                t.count = 2 - 2 * t.first;
                t.left = (I64)(ceil(t.x) - 1);
                if (a.antialias != 0 || a.excludeOutside != 0) {
                    t.norm = 0;
                    for (I64 tap = t.first; tap < t.first + t.count; ++tap) {
                        t.norm += weightOf(a, t, tap);
                    }
                }
            }
            combinations *= t.count;
        }
        double sum = 0;
        for (I64 combination = 0; inside && combination < combinations; ++combination) {
            I64 which = combination;
            I64 source = 0;
            double weight = 1;
#pragma unroll
            for (int d = RANK - 1; d >= 0; --d) {
                const Taps& t = taps[d];
                const I64 tap = t.first + which % t.count;
                which /= t.count;
                if (!t.plain) {
                    weight *= weightOf(a, t, tap) / t.norm;
                }
                source += clampIndex(t.left + tap, t.last) * a.inStrides[d];
            }
            sum += weight * (double)widen(from[source]);
        }
        to[i] = narrowed<Element>(inside ? sum : a.extrapolation);
    }
}
#endif
#endif

#ifdef KERNEL_CONVERT
__device__ inline I64 offsetOf(const LayoutArgs& layout, const Index* at) {
    I64 offset = 0;
    for (int p = 0; p < layout.pieces; ++p) {
        offset += (I64)(at[layout.dim[p]] / (Index)layout.divisor[p] % (Index)layout.modulus[p]) * layout.stride[p];
    }
    return offset;
}

#ifdef SAME_BYTES
__device__ inline To converted(From x) { return x; }
#else
__device__ inline To converted(From x) { return narrowed<To>(widen(x)); }
#endif

// Images of a few channels: a thread gathers a pixel from its planes.
extern "C" __global__ void convert_pixels(const __grid_constant__ PixelArgs a, const __grid_constant__ Ports ports) {
    for (Index i = threadIndex(); i < (Index)(a.items * a.pixels); i += threadCount()) {
        const From* planes = input<From>(ports, a.operands, 0) + (I64)(i / (Index)a.pixels) * a.channels * a.pixels + i % (Index)a.pixels;
        Pack<To, kMostPixelChannels> pixel;
#pragma unroll
        for (int c = 0; c < kMostPixelChannels; ++c) {
            pixel.each[c] = c < a.channels ? converted(planes[c * a.pixels]) : To{};
        }
        To* to = output<To>(ports, a.operands, 0) + (I64)i * a.width;
        if (a.width == kMostPixelChannels) {
            storePack(to, pixel);
        } else {
#pragma unroll
            for (int c = 0; c < kMostPixelChannels; ++c) {
                if (c < a.width) {
                    to[c] = pixel.each[c];
                }
            }
        }
    }
}

extern "C" __global__ void convert(const __grid_constant__ ConvertArgs a, const __grid_constant__ Ports ports) {
    const From* from = input<From>(ports, a.operands, 0);
    To* to = output<To>(ports, a.operands, 0);
    for (Index i = threadIndex(); i < (Index)a.count; i += threadCount()) {
        Index rest = i;
        Index at[kTensorDims] = {};
        bool inside = true;
        for (int k = a.rank - 1; k >= 0; --k) {
            const int d = a.order[k];
            at[d] = rest % (Index)a.padded[d];
            rest /= (Index)a.padded[d];
            inside = inside && at[d] < (Index)a.dims[d];
        }
        To value = {};
        if (inside) {
            value = converted(from[offsetOf(a.from, at)]);
        }
        to[offsetOf(a.to, at)] = value;
    }
}
#endif
