/* The binary interface between Tenon and its modules: C11 declarations, nothing else.
 *
 * Who uses it: the core's registry, scheduler and runtime on one side, every module on the other (through module.hpp, which is a
 * C++20 wrapper over this file and adds no ABI of its own). It must not know any library, any C++ type, any core header.
 *
 * Rules
 * - Every table and every struct that crosses by pointer starts with `struct_size`: the bytes that the side which filled it in knows of.
 *   Readers take a member only if it lies inside that size. Members are appended, never moved, retyped or removed.
 * - Arrays of structs cross with a `stride` in bytes, so that an element may grow.
 * - Strings cross as pointer and length; they need not end in NUL. Unless a comment says otherwise, what is passed in is valid during the call.
 * - Functions return TnCode. Refusals and failures explain themselves by writing to the TnSink they are given; a refusal without a reason is
 *   reported as a defect of the module.
 * - No exception crosses. No module keeps a host pointer in a global; `self` objects are the place for it.
 * - Thread-safety is stated per table.
 */
#ifndef TENON_MODULE_ABI_H
#define TENON_MODULE_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TN_ABI_MAJOR 1
#define TN_ABI_MINOR 0
/* Number of the op set: raised whenever an op, attribute, enumerator or trait is added. A module records the one it was compiled against. */
#define TN_OP_SET 1
#define TN_MAX_DIMS 8
#define TN_MAX_BLOCKS 4

typedef struct TnString {
    const char* data;
    size_t size;
} TnString;

/* Receives text (reasons, errors). `write` may be called several times; the pieces are joined. */
typedef struct TnSink {
    void* context;
    void (*write)(void* context, const char* text, size_t size);
} TnSink;

typedef int32_t TnCode;
enum {
    TN_OK = 0,
    TN_UNSUPPORTED = 1,      /* a refusal: not an error, the next provider is asked */
    TN_INVALID_ARGUMENT = 2, /* the caller broke a rule of this file, or a model's data is wrong */
    TN_NOT_FOUND = 3,
    TN_OUT_OF_MEMORY = 4,
    TN_CANCELLED = 5,   /* the cancel token fired or the deadline passed */
    TN_ENVIRONMENT = 6, /* a library, device or permission is missing */
    TN_INTERNAL = 7
};

/* Element types. Sizes are in bits: tn types below 8 bits are packed, low bits first. */
typedef int32_t TnDataType;
enum {
    TN_F32 = 0,
    TN_F16 = 1,
    TN_BF16 = 2,
    TN_F64 = 3,
    TN_I8 = 4,
    TN_U8 = 5,
    TN_I16 = 6,
    TN_U16 = 7,
    TN_I32 = 8,
    TN_U32 = 9,
    TN_I64 = 10,
    TN_U64 = 11,
    TN_BOOL = 12, /* one byte, 0 or 1 */
    TN_F8E4M3 = 13,
    TN_F8E5M2 = 14,
    TN_F8E8M0 = 15,
    TN_F4E2M1 = 16,
    TN_I4 = 17,
    TN_U4 = 18,
    TN_STRING = 19, /* host objects; only host steps touch them */
    TN_DATA_TYPE_COUNT = 20
};

/* A layout. Structural unless `opaque_provider` is set.
 *
 * Structural: `order` lists the logical dimensions from outermost to innermost; then `blocks` are split off, outermost first, each the
 * innermost `size` elements of a dimension, which is padded up to a multiple of it. The linear (row-major) layout has order 0..rank-1 and no
 * block; NHWC has order {0,2,3,1}; nChw16c has order {0,1,2,3} and one block {1,16}; OIhw16i16o has blocks {1,16},{0,16}.
 * Equality is structural (all fields), so modules share layouts without knowing each other. Unused entries are zero.
 *
 * Opaque: what structure cannot say (a library's packed weights). Legal on constants and between kernels of the provider that named it; the
 * provider supplies a kernel for the op "convert" from a structural format. `opaque_id` distinguishes the provider's layouts. */
typedef struct TnBlock {
    int32_t dim;
    int32_t size;
} TnBlock;

typedef struct TnFormat {
    int32_t rank;
    int32_t block_count;
    int32_t order[TN_MAX_DIMS];
    TnBlock blocks[TN_MAX_BLOCKS];
    int64_t outer_pitch;      /* elements between two steps of the outermost dimension; 0: dense */
    int32_t tail_zero;        /* 1: padding inside blocks is zero on read and kept zero on write; 0: undefined */
    int32_t alignment;        /* bytes of the first element; 0: the host's default, 64 */
    char opaque_provider[32]; /* NUL-terminated; empty: structural */
    uint64_t opaque_id;
    uint64_t opaque_version;
    int64_t opaque_bytes;
} TnFormat;

/* Where a tensor lives. Backends and devices are numbered by the host; 0 is host memory, which is built in. */
typedef int32_t TnPlacement;
enum { TN_PLACEMENT_HOST = 0 };

/* What a tactic reads or writes at one port. */
typedef struct TnPortFormat {
    TnDataType dtype;
    TnPlacement placement;
    TnFormat format;
} TnPortFormat;

/* One extent. At build time it is an interval with the value to optimise for; all three are equal for a static extent. `expr` is a handle
 * of the symbolic expression, equal handles mean equal extents; valid during the call. `max` is INT64_MAX where there is no bound. */
typedef struct TnDim {
    int64_t min;
    int64_t opt;
    int64_t max;
    int32_t expr;
    int32_t reserved;
} TnDim;

typedef int32_t TnValueKind;
enum { TN_VALUE_TENSOR = 0, TN_VALUE_SEQUENCE = 1, TN_VALUE_OPTIONAL = 2 };

typedef struct TnValue {
    uint32_t struct_size;
    TnValueKind kind;
    TnDataType dtype;
    int32_t rank; /* -1: unknown */
    TnDim dims[TN_MAX_DIMS];
    TnString name;
    /* Constants of up to 256 bytes (scales and zero points: 64 KiB) that no refit may change: the elements, linear, in host memory. Else NULL:
     * larger ones reach kernels as launch inputs only, so that tactics survive retraining. compile with TN_TRAIT_BAKES_CONSTANTS sees all. */
    const void* data;
    int64_t data_bytes;
    int32_t is_constant; /* 1: fixed at build time, data shown or not */
    int32_t reserved;
} TnValue;

typedef int32_t TnAttributeKind;
enum {
    TN_ATTR_INT = 0,
    TN_ATTR_FLOAT = 1,
    TN_ATTR_STRING = 2,
    TN_ATTR_INTS = 3,
    TN_ATTR_FLOATS = 4,
    TN_ATTR_STRINGS = 5,
    TN_ATTR_DTYPE = 6, /* in `i` */
    TN_ATTR_DIMS =
        7, /* integers known at run time at the latest: `dims`, and `first_scalar` in TnPrepareArgs::scalars */
    TN_ATTR_TENSOR = 8 /* a constant: `tensor` */
};

typedef struct TnAttribute {
    uint32_t struct_size;
    TnAttributeKind kind;
    TnString name;
    int64_t i;
    double f;
    TnString s;
    int64_t count; /* of ints, floats, strings or dims */
    const int64_t* ints;
    const double* floats;
    const TnString* strings;
    const TnDim* dims;
    int64_t first_scalar;
    const TnValue* tensor;
} TnAttribute;

struct TnGraph;

typedef struct TnNode {
    uint32_t struct_size;
    int32_t op_since; /* op set that introduced the newest thing this node uses */
    TnString op;
    TnString name;
    int32_t input_count;
    int32_t output_count;
    const int32_t* inputs; /* indices into TnGraph::values; -1: an optional input left out */
    const int32_t* outputs;
    int64_t attribute_count;
    size_t attribute_stride;
    const TnAttribute* attributes;
    int64_t region_count;
    const struct TnGraph* const* regions;
} TnNode;

/* A flat, immutable picture of a graph or region body, in topological order. Valid during the call. */
typedef struct TnGraph {
    uint32_t struct_size;
    uint32_t reserved;
    int64_t node_count;
    size_t node_stride;
    const TnNode* nodes;
    int64_t value_count;
    size_t value_stride;
    const TnValue* values;
    int64_t input_count;
    const int32_t* inputs; /* indices into values: constants are inputs of a body too */
    int64_t output_count;
    const int32_t* outputs;
} TnGraph;

/* A device described as data: a build needs no more than this. `json` has ISA or SM, caches, threads, library versions; `fingerprint`
 * identifies it in timing caches. */
typedef struct TnTarget {
    uint32_t struct_size;
    TnPlacement placement;
    TnString backend; /* "host", "cuda" ... */
    TnString json;
    TnString fingerprint;
    int32_t threads; /* of the stream's team */
    int32_t device;  /* number within its backend */
} TnTarget;

/* Asked by long calls between pieces of work. Callable from any thread. */
typedef struct TnCancel {
    void* context;
    int32_t (*requested)(void* context); /* 1: stop soon and return TN_CANCELLED */
} TnCancel;

/* --- Build: tactic providers ------------------------------------------------------------------------------------------------------ */

#define TN_COMPUTE_TF32 ((uint64_t)1 << 63) /* of TnTask::compute_types */

/* What is to be computed: one op, or a region body. The task's ports are body->inputs and body->outputs, in order. */
typedef struct TnTask {
    uint32_t struct_size;
    uint32_t reserved;
    const TnGraph* body;
    /* Layouts that neighbours offer, per input port: layout-generic providers give one tactic for each that they can follow.
     * offered[offered_begin[i] .. offered_begin[i+1]) belongs to input i. */
    const int64_t* offered_begin;
    const TnPortFormat* offered;
    size_t offered_stride;
    /* Bit (1 << dtype): element types that f32 tensors of this task may be computed in. f32 itself is always set. TN_COMPUTE_TF32: f32
     * operands of products may be rounded to TF32. */
    uint64_t compute_types;
    int64_t workspace_limit; /* bytes */
    /* The op "convert" only: what its output must be (its input is offered[0]). A tactic's ports must equal the two. NULL for other ops. */
    const TnPortFormat* convert_to;
} TnTask;

typedef uint64_t TnTraits;
#define TN_TRAIT_REFERENCE                                                                                             \
    ((TnTraits)1 << 0) /* the oracle: never chosen while another candidate exists, unless it is the only backend */
#define TN_TRAIT_DETERMINISTIC ((TnTraits)1 << 1) /* same input, same bits */
#define TN_TRAIT_CAPTURE_SAFE ((TnTraits)1 << 2)  /* launch may be recorded in a device graph */
#define TN_TRAIT_EXACT_MATH ((TnTraits)1 << 3)    /* no reduced precision inside */
#define TN_TRAIT_ANY_EXTENT ((TnTraits)1 << 4)    /* more than 2^31-1 elements, and empty tensors */
#define TN_TRAIT_SUB_BYTE ((TnTraits)1 << 5)      /* element types below 8 bits */
#define TN_TRAIT_OUTER_PITCH ((TnTraits)1 << 6)   /* honours TnFormat::outer_pitch */
#define TN_TRAIT_FREE_ALIAS                                                                                            \
    ((TnTraits)1 << 7) /* output 0 has the bytes of input 0 (reshape): the step is dropped where memory can be shared;
                                                      launch still copies, for where it cannot */
#define TN_TRAIT_HOST_INLINE ((TnTraits)1 << 8) /* runs on the thread that launches it, whatever the team */
#define TN_TRAIT_BAKES_CONSTANTS                                                                                       \
    ((TnTraits)1 << 9) /* compile needs the bytes of every constant (a DLA loadable): they are shown to it and are
                                                      part of the kernel's key; a refit compiles again */
#define TN_TRAIT_UNTIMED ((TnTraits)1 << 10) /* cannot run alone (a collective): never timed, estimate_us is its cost */
#define TN_TRAIT_TF32                                                                                                  \
    ((TnTraits)1 << 11) /* f32 operands are rounded to 10 bits of mantissa: only with TN_COMPUTE_TF32 */

typedef struct TnTactic {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t id;   /* stable across runs and versions of the provider; with the ports it names the tactic */
    TnString name; /* for people: "brg:avx512_core" */
    const TnPortFormat* inputs; /* one per task input */
    const TnPortFormat* outputs;
    size_t port_stride;
    TnTraits traits;
    double estimate_us; /* predicted at the optimal extents; <= 0: no prediction */
    /* Per output: the input whose memory it may take over (same bytes, read before written), or -1. May be NULL. */
    const int32_t* may_alias;
} TnTactic;

typedef struct TnTacticSink {
    void* context;
    void (*add)(void* context, const TnTactic* tactic); /* copies */
} TnTacticSink;

/* A region that a provider would like to run as one. `nodes` are indices into the graph given to propose. With `body` NULL the region is
 * those nodes verbatim; otherwise `body` replaces them, its inputs and outputs bound to `inputs` and `outputs` (value indices of the graph). */
typedef struct TnProposal {
    uint32_t struct_size;
    uint32_t reserved;
    TnString label;
    int64_t node_count;
    const int32_t* nodes;
    const TnGraph* body;
    int64_t input_count;
    const int32_t* inputs;
    int64_t output_count;
    const int32_t* outputs;
} TnProposal;

typedef struct TnProposalSink {
    void* context;
    void (*add)(void* context, const TnProposal* proposal); /* copies */
} TnProposalSink;

/* What compile makes: bytes that `runtime` (a kernel runtime's name) can deserialize. The host copies during the call. */
typedef struct TnBlobSink {
    void* context;
    void (*set)(void* context, TnString runtime, uint32_t blob_version, const void* data, size_t size);
} TnBlobSink;

/* Makes tactics for tasks on a target. All calls are callable from several threads at once and must not depend on a device being present. */
typedef struct TnTacticProvider {
    uint32_t struct_size;
    uint32_t reserved;
    TnString name;    /* "onednn" */
    TnString version; /* the provider's and its library's: part of the timing key */
    int32_t rank;     /* breaks ties of measured time: higher wins */
    int32_t reserved2;
    void* self;
    /* Cheap. TN_OK, or TN_UNSUPPORTED with the reason. */
    TnCode (*supports)(void* self, const TnTarget*, const TnTask*, TnSink* reason);
    /* Adds every tactic worth timing for a supported task, and for each that was considered and dropped a line to `reason`. */
    TnCode (*enumerate)(void* self, const TnTarget*, const TnTask*, TnTacticSink*, TnSink* reason);
    /* Deterministic: the same task and tactic give the same bytes. May take seconds; polls `cancel`. */
    TnCode (*compile)(void* self, const TnTarget*, const TnTask*, const TnTactic*, const TnCancel*, TnBlobSink*,
                      TnSink* reason);
    /* Optional (NULL): records regions over the whole graph; rewrites nothing. */
    TnCode (*propose)(void* self, const TnTarget*, const TnGraph*, TnProposalSink*, TnSink* reason);
    /* Optional (NULL): further tables by name and version. */
    const void* (*get_extension)(void* self, TnString name);
} TnTacticProvider;

/* --- Run: kernel runtimes --------------------------------------------------------------------------------------------------------- */

typedef struct TnSession TnSession; /* per execution context and runtime: library handles, scratch */
typedef struct TnKernel TnKernel;   /* per plan: immutable, shared by contexts and threads */
typedef struct TnState TnState;     /* per kernel and session: rewritten by prepare */
/* A backend's stream; NULL on the host: run before returning. Begins with the native handle that users know (a cudaStream_t): for a user's
 * stream the host makes one that has nothing else. */
typedef struct TnStream TnStream;

/* Threads for kernels on the host. Kernels that divide their work take these and start none of their own: two owners of threads would fight for
 * the same cores. Serves one run at a time, of the thread that its session belongs to. */
typedef struct TnThreadTeam {
    uint32_t struct_size;
    int32_t threads; /* >= 1, the calling thread included */
    void* self;
    /* Calls body(argument, member) for the members 0 .. members-1 at the same time, each on a thread of its own, member 0 on the caller's;
     * returns when all have. 1 <= members <= threads. Not from within a body. */
    void (*run)(void* self, int32_t members, void (*body)(void* argument, int32_t member), void* argument);
    /* From within a body: returns when all members of the run have called it. */
    void (*barrier)(void* self);
} TnThreadTeam;

/* User resources by name ("allocator", "nccl.communicator"); NULL where there is none. Valid while the session lives. */
typedef struct TnSessionInfo {
    uint32_t struct_size;
    TnPlacement placement;
    int32_t threads; /* size of the stream's thread team, >= 1 */
    int32_t device;  /* number within the placement's backend */
    void* context;
    void* (*resource)(void* context, TnString name);
    const TnThreadTeam* team; /* NULL off the host */
} TnSessionInfo;

/* A tensor at run time: everything known. */
typedef struct TnTensor {
    TnDataType dtype;
    TnPlacement placement;
    int32_t rank;
    int32_t reserved;
    int64_t dims[TN_MAX_DIMS];
    int64_t elements; /* product of dims */
    int64_t bytes;    /* of the buffer, padding included */
    TnFormat format;
} TnTensor;

typedef struct TnPrepareArgs {
    uint32_t struct_size;
    uint32_t reserved;
    int64_t input_count;
    int64_t output_count;
    size_t tensor_stride;
    const TnTensor* inputs;
    const TnTensor* outputs;
    /* Values of all TN_ATTR_DIMS attributes of the body, in the order of nodes, attributes and entries (TnAttribute::first_scalar). */
    const int64_t* scalars;
    int64_t scalar_count;
} TnPrepareArgs;

typedef struct TnLaunchArgs {
    uint32_t struct_size;
    uint32_t reserved;
    const void* const* inputs; /* NULL entries: optional inputs left out */
    void* const* outputs;
    void*
        workspace; /* as many bytes as `workspace` said for the prepared shapes; 64-aligned, off the host 256-aligned */
    TnStream* stream;
    /* Kernels with data-dependent extents write them here, one address per unbacked extent in output order, in the kernel's placement. */
    int64_t* const* extents;
    TnSink* reason; /* why launch failed: an index out of range, a plugin's error. May be NULL */
} TnLaunchArgs;

/* Runs kernels. Kernels are immutable; a session, its states and their calls belong to one thread at a time.
 * launch allocates nothing, locks nothing, waits for nothing on an asynchronous device. */
typedef struct TnKernelRuntime {
    uint32_t struct_size;
    uint32_t blob_min; /* blob versions it reads */
    uint32_t blob_max;
    uint32_t reserved;
    TnString name; /* "onednn", "cuda.cubin"; named by plan steps */
    void* self;
    TnCode (*session_create)(void* self, const TnSessionInfo*, TnSession** out, TnSink* reason);
    void (*session_destroy)(TnSession*);
    /* Must survive any bytes. */
    TnCode (*deserialize)(void* self, const void* blob, size_t size, uint32_t blob_version, TnKernel** out,
                          TnSink* reason);
    void (*kernel_destroy)(TnKernel*);
    TnCode (*state_create)(TnKernel*, TnSession*, TnState** out, TnSink* reason);
    void (*state_destroy)(TnState*);
    /* Scratch bytes for these shapes. Must not fall when an extent rises: the host asks at the largest extents to size its arena.
     * Negative: an error, explained in `reason`. */
    int64_t (*workspace)(TnKernel*, TnSession*, const TnPrepareArgs*, TnSink* reason);
    /* All lazy work. Called when shapes changed; must succeed everywhere inside the task's box. */
    TnCode (*prepare)(TnState*, const TnPrepareArgs*, TnSink* reason);
    TnCode (*launch)(TnState*, const TnLaunchArgs*);
    /* Optional (NULL): further tables by name and version. */
    const void* (*get_extension)(void* self, TnString name);
} TnKernelRuntime;

/* --- Backends --------------------------------------------------------------------------------------------------------------------- */

typedef struct TnEvent TnEvent;

/* Devices and their memory. Host memory is built into the host program with this same table. Callable from several threads; a stream belongs
 * to one thread at a time. */
typedef struct TnBackend {
    uint32_t struct_size;
    uint32_t reserved;
    TnString name; /* "cuda" */
    TnString version;
    void* self;
    /* Number of devices usable now; 0 with a reason when there is none. Opens heavy libraries only here. */
    int32_t (*device_count)(void* self, TnSink* reason);
    /* Writes the target's JSON and fingerprint. */
    TnCode (*describe)(void* self, int32_t device, TnSink* json, TnSink* fingerprint, TnSink* reason);
    void* (*allocate)(void* self, int32_t device, int64_t bytes, int64_t alignment);
    void (*release)(void* self, int32_t device, void* memory);
    /* Optional, all or none: a backend without streams (host memory) runs everything before it returns, and is given NULL streams. */
    TnCode (*stream_create)(void* self, int32_t device, TnStream** out, TnSink* reason);
    void (*stream_destroy)(void* self, TnStream*);
    TnCode (*stream_synchronize)(void* self, TnStream*, TnSink* reason);
    /* Optional, all or none. */
    TnCode (*event_create)(void* self, int32_t device, TnEvent** out, TnSink* reason);
    void (*event_destroy)(void* self, TnEvent*);
    TnCode (*event_record)(void* self, TnEvent*, TnStream*);
    TnCode (*event_wait)(void* self, TnEvent*, TnStream*);
    TnCode (*event_elapsed_us)(void* self, TnEvent* begin, TnEvent* end, double* out);
    /* Either side may be host memory. */
    TnCode (*copy)(void* self, void* to, const void* from, int64_t bytes, TnStream*, TnSink* reason);
    /* Optional (NULL): further tables by name and version ("tenon.capture/1"). */
    const void* (*get_extension)(void* self, TnString name);
} TnBackend;

/* --- Op definitions --------------------------------------------------------------------------------------------------------------- */

typedef int32_t TnExpr; /* handle of an integer expression; valid during the call; < 0: unknown */

typedef struct TnInferContext TnInferContext;
/* Functions on a TnInferContext. Types are those of inputs; expressions are built and handed to set_output. */
typedef struct TnInferApi {
    uint32_t struct_size;
    uint32_t reserved;
    int32_t (*input_count)(TnInferContext*);
    TnDataType (*input_dtype)(TnInferContext*, int32_t input); /* -1: an optional input left out */
    int32_t (*input_rank)(TnInferContext*, int32_t input);     /* -1: unknown */
    TnExpr (*input_dim)(TnInferContext*, int32_t input, int32_t dim);
    /* Number of known elements of an integer input of rank 0 or 1, or -1; then each as an expression. */
    int64_t (*input_value_count)(TnInferContext*, int32_t input);
    TnExpr (*input_value)(TnInferContext*, int32_t input, int64_t element);
    const TnAttribute* (*attribute)(TnInferContext*, TnString name); /* NULL: absent */
    TnExpr (*constant)(TnInferContext*, int64_t value);
    /* op: "sum" "sub" "prod" "max" "min" "floor_div" "ceil_div" "equal" "less" "mod" */
    TnExpr (*binary)(TnInferContext*, TnString op, TnExpr a, TnExpr b);
    TnCode (*set_output)(TnInferContext*, int32_t output, TnDataType dtype, int32_t rank, const TnExpr* dims);
    /* The elements of an integer output, where they are a function of extents and known values: for ops that compute shapes. */
    TnCode (*set_output_values)(TnInferContext*, int32_t output, int64_t count, const TnExpr* values);
    /* An extent that only the data decides, which kernels write through TnLaunchArgs::extents. Give its bound by making the output's extent
     * "min" of it and an expression. */
    TnExpr (*unbacked)(TnInferContext*, TnString hint);
} TnInferApi;

typedef struct TnAttributeSpec {
    TnString name;
    TnAttributeKind kind;
    int32_t required;
    int32_t since; /* op set of the module that has it */
    int32_t reserved;
    TnString default_text; /* as in IR text; empty: none */
    TnString doc;
} TnAttributeSpec;

typedef struct TnOpDef {
    uint32_t struct_size;
    uint32_t reserved;
    TnString name; /* "domain.op" for ops of modules: "acme.swirl" */
    TnString doc;
    int32_t since;
    int32_t min_inputs;
    int32_t max_inputs; /* -1: any number */
    int32_t min_outputs;
    int32_t max_outputs;
    int32_t effectful; /* 1: never merged, moved past another effect, or removed */
    int64_t attribute_count;
    size_t attribute_stride;
    const TnAttributeSpec* attributes;
    void* self;
    TnCode (*infer)(void* self, const TnInferApi*, TnInferContext*, TnSink* reason);
} TnOpDef;

/* --- Parsers and importers, plugin creators ----------------------------------------------------------------------------------------- */

/* The pointers are TensorRT-shaped C++ interfaces, whose shape is given: nvinfer1::INetworkDefinition, nvinfer1::ILogger,
 * nvonnxparser::IParser, nvonnxparser::IOnnxNodeImporter, nvinfer1::IPluginCreatorInterface. */
typedef struct TnParser {
    uint32_t struct_size;
    uint32_t reserved;
    TnString format; /* "onnx" */
    void* self;
    void* (*create)(void* self, void* network, void* logger);
} TnParser;

typedef struct TnOnnxImporter {
    uint32_t struct_size;
    int32_t since; /* first opset */
    int32_t until; /* last opset; 0: no end */
    int32_t rank;  /* highest wins; built-in importers have rank 0 */
    TnString domain;
    TnString op;
    void* importer; /* nvonnxparser::IOnnxNodeImporter*, owned by the module, lives as long as it */
} TnOnnxImporter;

typedef struct TnPluginCreator {
    uint32_t struct_size;
    uint32_t reserved;
    TnString plugin_namespace;
    void* creator; /* nvinfer1::IPluginCreatorInterface*, owned by the module */
} TnPluginCreator;

/* --- Modules ------------------------------------------------------------------------------------------------------------------------ */

typedef enum TnSeverity {
    TN_LOG_INTERNAL_ERROR = 0,
    TN_LOG_ERROR = 1,
    TN_LOG_WARNING = 2,
    TN_LOG_INFO = 3,
    TN_LOG_VERBOSE = 4
} TnSeverity;

/* What the host offers. Lives as long as the module is initialised; keep it in `self`. All functions are callable from any thread. */
typedef struct TnHost {
    uint32_t struct_size;
    uint32_t reserved;
    void* context;
    void (*log)(void* context, int32_t severity, TnString text);
    /* Optional host tables by name and version ("tenon.importers/1"); NULL where this host has none. */
    const void* (*get_extension)(void* context, TnString name);
} TnHost;

/* Host extension "tenon.importers/1": what modules registered, for the parser. */
typedef struct TnImporterList {
    uint32_t struct_size;
    uint32_t reserved;
    void* context;
    void (*visit)(void* context, void* visitor_context, void (*visitor)(void* visitor_context, const TnOnnxImporter*));
} TnImporterList;

/* Stages entries during init; nothing is visible until init returned TN_OK and every table passed the host's check. The tables stay owned by
 * the module and must live until shutdown. */
typedef struct TnRegistrar {
    uint32_t struct_size;
    uint32_t reserved;
    void* context;
    TnCode (*add_backend)(void* context, const TnBackend*);
    TnCode (*add_provider)(void* context, const TnTacticProvider*);
    TnCode (*add_kernel_runtime)(void* context, const TnKernelRuntime*);
    TnCode (*add_op)(void* context, const TnOpDef*);
    TnCode (*add_parser)(void* context, const TnParser*);
    TnCode (*add_onnx_importer)(void* context, const TnOnnxImporter*);
    TnCode (*add_plugin_creator)(void* context, const TnPluginCreator*);
} TnRegistrar;

typedef struct TnHostInfo {
    uint32_t struct_size;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t op_set;
    TnString version; /* of Tenon */
} TnHostInfo;

typedef struct TnModule {
    uint32_t struct_size;
    uint32_t abi_major; /* compiled against */
    uint32_t abi_minor;
    uint32_t op_set;
    TnString name;
    TnString version;
    TnString sanitizer; /* "", "address", "thread": must match the host's */
    TnString build_id;
    /* *self is handed to shutdown. On failure the module has undone its work and `reason` says what to do. */
    TnCode (*init)(const TnHost*, const TnRegistrar*, void** self, TnSink* reason);
    void (*shutdown)(void* self);
} TnModule;

/* The one exported symbol. NULL: this host is too old for the module. */
typedef const TnModule* (*TnModuleQuery)(const TnHostInfo*);
#define TN_MODULE_QUERY_SYMBOL "tenon_module_query_v1"

#ifdef __cplusplus
}
#endif
#endif
