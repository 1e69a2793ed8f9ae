# Language level, warnings, sanitizers, and where the build puts its files.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Nothing here uses C++20 modules; scanning for them costs a process per file.
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
find_program(TENON_CCACHE ccache)
mark_as_advanced(TENON_CCACHE)
if(TENON_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER "${TENON_CCACHE}" CACHE STRING "")
    set(CMAKE_CXX_COMPILER_LAUNCHER "${TENON_CCACHE}" CACHE STRING "")
endif()

# --- Where things go ---------------------------------------------------------------------------------------------------
# The same shape in the build tree and in an installation; GNUInstallDirs would put libraries into lib/<triplet> on
# Debian when the prefix is /usr, which is right for packages, so it stays overridable.
set(CMAKE_INSTALL_LIBDIR lib CACHE PATH "Folder for libraries below the prefix")
include(GNUInstallDirs)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib/static")
set(TENON_MODULE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib/tenon/modules")
set(TENON_MODULE_INSTALL_DIR "${CMAKE_INSTALL_LIBDIR}/tenon/modules")
set(TENON_COMPAT_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib/tensorrt-compat")
set(TENON_COMPAT_INSTALL_DIR "${CMAKE_INSTALL_LIBDIR}/tensorrt-compat")
# Run paths relative to the file itself, so that both trees can be moved. What is installed is linked with its final one
# at once (BUILD_WITH_INSTALL_RPATH): otherwise CMake pads the path with empty entries, which mean the current folder.
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
file(RELATIVE_PATH lib_from_bin "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
set(TENON_RPATH_OF_TOOLS "\$ORIGIN/${lib_from_bin}")
set(TENON_RPATH_OF_LIBRARIES "\$ORIGIN")
set(TENON_RPATH_OF_COMPAT "\$ORIGIN/..")

# --- Flags of everything we compile ------------------------------------------------------------------------------------
# `tenon_build_flags` is what each of our targets links; users of the installed SDK never see it.
add_library(tenon_build_flags INTERFACE)
target_compile_options(tenon_build_flags INTERFACE
    -Wall -Wextra
    -Wcast-align -Wimplicit-fallthrough -Wredundant-decls -Wshadow -Wundef -Wvla
    $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
    # C tables grow at the end and are filled with designated initialisers: what is left out is meant to be zero.
    -Wno-missing-field-initializers
    # The same result of a * b + c on every machine; kernels that want fused multiply-add say so explicitly.
    -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # Interfaces in TensorRT's shape overload virtuals across levels on purpose.
    target_compile_options(tenon_build_flags INTERFACE -Wno-overloaded-virtual)
endif()
if(TENON_WERROR)
    target_compile_options(tenon_build_flags INTERFACE -Werror)
endif()
# No folder of the build tree in here: the same file compiled in two build trees is then the same to ccache.
target_include_directories(tenon_build_flags INTERFACE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")

# --- Sanitizers, coverage, fuzzing -------------------------------------------------------------------------------------
# One instrumentation for the whole process: a module with another one is refused by its manifest (`sanitizer`). Apart
# from the warnings, because libraries of others that are compiled here need it too.
add_library(tenon_instrumentation INTERFACE)
target_link_libraries(tenon_build_flags INTERFACE tenon_instrumentation)
set(TENON_SANITIZER_NAME "")
if(TENON_SANITIZE)
    string(REGEX REPLACE ",.*" "" TENON_SANITIZER_NAME "${TENON_SANITIZE}")
    set(sanitize_flags -fsanitize=${TENON_SANITIZE} -fno-omit-frame-pointer)
    if(TENON_SANITIZE MATCHES "undefined")
        # `vptr` needs the type information of both sides of a library border, which modules keep to themselves; and a
        # report that lets the test go on is a report that nobody reads.
        list(APPEND sanitize_flags -fno-sanitize=vptr -fno-sanitize-recover=undefined)
    endif()
    if(TENON_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # Highway's fences keep the compiler from mixing instructions; they order nothing between threads.
        list(APPEND sanitize_flags -Wno-tsan)
    endif()
    target_compile_options(tenon_instrumentation INTERFACE ${sanitize_flags})
    target_link_options(tenon_instrumentation INTERFACE ${sanitize_flags})
endif()
if(TENON_COVERAGE)
    target_compile_options(tenon_instrumentation INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(tenon_instrumentation INTERFACE --coverage)
endif()
if(TENON_FUZZ)
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "TENON_FUZZ needs clang (apt install clang-14): use `cmake --preset fuzz`")
    endif()
    # Coverage feedback in the libraries; only the fuzz targets themselves link libFuzzer's main().
    target_compile_options(tenon_instrumentation INTERFACE -fsanitize=fuzzer-no-link)
endif()

# A library that leaves symbols undefined fails when it is built, not when a user loads it. clang's sanitizer runtimes
# live in the executable, so there the libraries do have undefined symbols.
set(TENON_NO_UNDEFINED "")
if(NOT (CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND (TENON_SANITIZE OR TENON_FUZZ)))
    set(TENON_NO_UNDEFINED "LINKER:--no-undefined")
endif()
