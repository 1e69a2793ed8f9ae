# Adding tests. Every test is one ctest entry; what cannot run here skips, with its reason in its output.
#
# A GoogleTest case skips with `GTEST_SKIP() << "reason"`; any other test exits with code 77 after printing a line
# "SKIPPED: reason".

set(TENON_SKIP_CODE 77)
# A folder of its own: a test may have the name of a folder of tests.
set(TENON_TEST_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/bin")

# tenon_add_gtest(<target> SOURCES <file>... [LAYER <core folder>] [LIBRARIES <target>...] [LABELS <label>...]
#                 [ENVIRONMENT <NAME=value>...] [TIMEOUT <seconds>] [SERIAL])
# A GoogleTest executable, one ctest entry per case, named "<target>.<Suite>.<case>". It links the two libraries of the
# core and may include internal headers; with LAYER it links the objects of that folder and of those below it instead.
# SERIAL for tests that measure time.
function(tenon_add_gtest target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT;LAYER" "SOURCES;LIBRARIES;LABELS;ENVIRONMENT")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 300)
    endif()
    add_executable(${target} ${arg_SOURCES})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${TENON_TEST_OUTPUT_DIRECTORY}")
    if(arg_LAYER)
        tenon_link_layer(${target} "${arg_LAYER}")
    else()
        target_link_libraries(${target} PRIVATE tenon_internal)
    endif()
    target_link_libraries(${target} PRIVATE ${arg_LIBRARIES} GTest::gmock GTest::gtest GTest::gtest_main)
    target_compile_definitions(${target} PRIVATE
        "TENON_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"" "TENON_BINARY_DIR=\"${PROJECT_BINARY_DIR}\"")
    set(properties TIMEOUT ${arg_TIMEOUT})
    if(arg_LABELS)
        list(APPEND properties LABELS "${arg_LABELS}")
    endif()
    if(arg_ENVIRONMENT)
        list(APPEND properties ENVIRONMENT "${arg_ENVIRONMENT}")
    endif()
    if(arg_SERIAL)
        list(APPEND properties RUN_SERIAL ON)
    endif()
    # Listing the cases when ctest starts, not when the target is built: the list is always that of the binary, and a
    # build for another machine works.
    gtest_discover_tests(${target} TEST_PREFIX "${target}." DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
        PROPERTIES ${properties})
endfunction()

# tenon_add_test(<name> COMMAND <command>... [LABELS <label>...] [ENVIRONMENT <NAME=value>...] [TIMEOUT <seconds>] [SERIAL])
# Any other test: passes with exit code 0, skips with 77.
function(tenon_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT" "COMMAND;LABELS;ENVIRONMENT")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 300)
    endif()
    add_test(NAME "${name}" COMMAND ${arg_COMMAND})
    set_tests_properties("${name}" PROPERTIES TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE ${TENON_SKIP_CODE})
    if(arg_LABELS)
        set_tests_properties("${name}" PROPERTIES LABELS "${arg_LABELS}")
    endif()
    if(arg_ENVIRONMENT)
        set_tests_properties("${name}" PROPERTIES ENVIRONMENT "${arg_ENVIRONMENT}")
    endif()
    if(arg_SERIAL)
        set_tests_properties("${name}" PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()

# tenon_add_project_test(<name> SOURCE <folder> [COMMANDS <word>... [+ <word>...]...] [LABELS <label>...] [TIMEOUT <s>])
# Builds a project that only knows the installed package (find_package(Tenon)) and runs commands in it, separated by +;
# {prefix}, {source} and {build} stand for the installation and the project's folders. For examples and out-of-tree
# modules. The installation is made once per run of ctest, in TENON_TEST_PREFIX.
set(TENON_TEST_PREFIX "${PROJECT_BINARY_DIR}/tests/installed")
function(tenon_add_project_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "SOURCE;TIMEOUT" "COMMANDS;LABELS")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 900)
    endif()
    set(flags "")
    if(TENON_SANITIZE)
        # Everything in a process has one instrumentation.
        set(flags "--flags=-fsanitize=${TENON_SANITIZE}")
    endif()
    set(serial "")
    if(arg_SERIAL)
        set(serial SERIAL)
    endif()
    tenon_add_test("${name}"
        COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/tests/package/build_project.py"
            --cmake "${CMAKE_COMMAND}" --generator "${CMAKE_GENERATOR}" --c "${CMAKE_C_COMPILER}"
            --cxx "${CMAKE_CXX_COMPILER}" ${flags} --prefix "${TENON_TEST_PREFIX}" --source "${arg_SOURCE}"
            --build "${PROJECT_BINARY_DIR}/tests/projects/${name}" -- ${arg_COMMANDS}
        LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT} ${serial})
    set_tests_properties("${name}" PROPERTIES FIXTURES_REQUIRED installed)
endfunction()

# tenon_add_unit_tests(<folder>): one executable of all *.cpp in a folder below tests/unit. core/ir becomes unit_core_ir
# and links that layer only; core/api has sources in both libraries, so its tests link those.
function(tenon_add_unit_tests folder)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/${folder}/*.cpp")
    if(sources)
        string(REPLACE "/" "_" name "unit_${folder}")
        set(layer "")
        if("${folder}" IN_LIST TENON_LAYERS AND NOT "${folder}" STREQUAL "core/api")
            set(layer LAYER "${folder}")
        endif()
        tenon_add_gtest(${name} SOURCES ${sources} ${layer} LABELS unit)
    endif()
endfunction()
