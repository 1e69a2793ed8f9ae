# Third-party libraries. Each is looked for once, here; a missing one that the core needs stops the configure step with
# the package to install, a missing one that a single module needs leaves that module out and says so in the summary.

function(tenon_require what package)
    if(NOT ${what}_FOUND)
        message(FATAL_ERROR "${what} was not found. Install it with `apt install ${package}`; `./dev build` installs "
                            "everything that is missing.")
    endif()
endfunction()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# Header-only use of spdlog and fmt: the core must load on a machine that has neither library.
find_package(spdlog CONFIG QUIET)
tenon_require(spdlog libspdlog-dev)
find_package(fmt CONFIG QUIET)
tenon_require(fmt libfmt-dev)
add_library(tenon_spdlog INTERFACE)
target_include_directories(tenon_spdlog SYSTEM INTERFACE
    $<TARGET_PROPERTY:spdlog::spdlog_header_only,INTERFACE_INCLUDE_DIRECTORIES>)
target_compile_definitions(tenon_spdlog INTERFACE SPDLOG_FMT_EXTERNAL)
target_link_libraries(tenon_spdlog INTERFACE fmt::fmt-header-only Threads::Threads)

find_package(nlohmann_json CONFIG QUIET)
tenon_require(nlohmann_json nlohmann-json3-dev)
find_package(CLI11 CONFIG QUIET)
tenon_require(CLI11 libcli11-dev)

# Headers only, with std::filesystem in place of Boost's, so nothing of Boost is linked.
find_package(Boost 1.74 QUIET)
tenon_require(Boost libboost-dev)
add_library(tenon_boost_dll INTERFACE)
target_compile_definitions(tenon_boost_dll INTERFACE BOOST_DLL_USE_STD_FS)
target_link_libraries(tenon_boost_dll INTERFACE Boost::headers ${CMAKE_DL_LIBS})

# xxHash is compiled into its one user (XXH_INLINE_ALL).
find_path(TENON_XXHASH_INCLUDE xxhash.h)
mark_as_advanced(TENON_XXHASH_INCLUDE)
set(xxHash_FOUND ${TENON_XXHASH_INCLUDE})
tenon_require(xxHash libxxhash-dev)

# FlatBuffers: the compiler at build time, headers only in the code.
find_path(TENON_FLATBUFFERS_INCLUDE flatbuffers/flatbuffers.h)
find_program(TENON_FLATC flatc)
mark_as_advanced(TENON_FLATBUFFERS_INCLUDE TENON_FLATC)
if(TENON_FLATBUFFERS_INCLUDE AND TENON_FLATC)
    set(FlatBuffers_FOUND TRUE)
endif()
tenon_require(FlatBuffers "libflatbuffers-dev flatbuffers-compiler")

find_package(Python3 3.9 COMPONENTS Interpreter QUIET)
tenon_require(Python3 python3)
# The project's own environment has the onnx wheel and the test scripts' packages.
set(TENON_PYTHON "${Python3_EXECUTABLE}")
if(EXISTS "${PROJECT_SOURCE_DIR}/.venv/bin/python")
    set(TENON_PYTHON "${PROJECT_SOURCE_DIR}/.venv/bin/python")
endif()

# --- What single modules need --------------------------------------------------------------------------------------------
find_package(dnnl CONFIG QUIET)     # backends/onednn: target DNNL::dnnl
find_package(hwy CONFIG QUIET)      # backends/cpu: target hwy::hwy

# parsers/onnx: protobuf-lite as `tenon_protobuf_lite`. It shall be inside the module with hidden symbols, because a
# process may hold another protobuf whose symbols would be bound instead. Debian's static library is no help: it is not
# position independent (a thread-local variable in arena.o). So it is compiled from the source package of the installed
# version, which ./dev fetches; without it the shared library is used, and such a process is not protected.
find_program(TENON_PROTOC protoc)
find_path(TENON_PROTOBUF_INCLUDE google/protobuf/message_lite.h)
find_library(TENON_PROTOBUF_LITE_SHARED NAMES protobuf-lite)
mark_as_advanced(TENON_PROTOC TENON_PROTOBUF_INCLUDE TENON_PROTOBUF_LITE_SHARED)
set(TENON_PROTOBUF_SOURCE "${PROJECT_SOURCE_DIR}/.cache/protobuf" CACHE PATH
    "Unpacked protobuf sources of protoc's version; used when they are there")
set(protobuf_list "${TENON_PROTOBUF_SOURCE}/cmake/libprotobuf-lite.cmake")
set(TENON_PROTOBUF_KIND "missing")
if(EXISTS "${protobuf_list}")
    set(TENON_PROTOBUF_KIND "private")
    file(STRINGS "${protobuf_list}" protobuf_files REGEX "/src/google/protobuf/.*[.]cc$")
    list(TRANSFORM protobuf_files REPLACE ".*/src/google/" "${TENON_PROTOBUF_SOURCE}/src/google/")
    add_library(tenon_protobuf_lite STATIC EXCLUDE_FROM_ALL ${protobuf_files})
    target_include_directories(tenon_protobuf_lite SYSTEM PUBLIC "${TENON_PROTOBUF_SOURCE}/src")
    target_compile_options(tenon_protobuf_lite PRIVATE -w)
    set_target_properties(tenon_protobuf_lite PROPERTIES
        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON CXX_CLANG_TIDY "")
    target_link_libraries(tenon_protobuf_lite PRIVATE tenon_instrumentation PUBLIC Threads::Threads)
elseif(TENON_PROTOBUF_LITE_SHARED AND TENON_PROTOBUF_INCLUDE)
    set(TENON_PROTOBUF_KIND "shared")
    add_library(tenon_protobuf_lite INTERFACE)
    target_include_directories(tenon_protobuf_lite SYSTEM INTERFACE "${TENON_PROTOBUF_INCLUDE}")
    target_link_libraries(tenon_protobuf_lite INTERFACE "${TENON_PROTOBUF_LITE_SHARED}" Threads::Threads)
endif()
set(TENON_ONNX_PROTO_FILE "${TENON_ONNX_PROTO}")
if(NOT TENON_ONNX_PROTO_FILE)
    execute_process(
        COMMAND "${TENON_PYTHON}" -c
            "import importlib.util as u, pathlib as p; s = u.find_spec('onnx'); print(p.Path(s.origin).parent / 'onnx-ml.proto' if s else '')"
        OUTPUT_VARIABLE TENON_ONNX_PROTO_FILE OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT EXISTS "${TENON_ONNX_PROTO_FILE}")
    set(TENON_ONNX_PROTO_FILE "")
endif()

# CUDA is only detected: its modules decide for themselves what they do with it. TENON_WITHOUT_CUDA is why there is none.
set(TENON_HAVE_CUDA FALSE)
set(TENON_WITHOUT_CUDA "TENON_CUDA=OFF")
if(NOT TENON_CUDA STREQUAL "OFF")
    set(TENON_WITHOUT_CUDA "no CUDA toolkit of version 13 or later was found (set CUDAToolkit_ROOT, or TENON_CUDA=OFF to say so)")
    find_package(CUDAToolkit 13 QUIET)
    if(CUDAToolkit_FOUND)
        set(TENON_HAVE_CUDA TRUE)
    elseif(TENON_CUDA STREQUAL "ON")
        message(FATAL_ERROR "TENON_CUDA=ON, but no CUDA toolkit of version 13 or later was found. Set CUDAToolkit_ROOT, or use AUTO or OFF.")
    endif()
endif()

if(TENON_BUILD_TESTS)
    find_package(GTest QUIET)
    tenon_require(GTest "libgtest-dev libgmock-dev")
endif()
