# The core: one object library per folder of cmake/layers.txt, linked into libtenon_runtime.so and libtenon.so.
#
# Symbols. Clients bind to the C functions `tenon_*`, in version node TENON_1. The rest of the core is C++ in namespace
# `tenon`, and libtenon.so, our tools and our tests need it from the runtime library (one registry per process, so it
# cannot be linked twice). It is exported in a second node, TENON_PRIVATE_<version>, which only what was built with the
# same sources can bind to: another version's library refuses to load instead of crashing later. Everything else
# (std::, third-party headers) is local. `tests/modules` checks the list of exported names.

set(TENON_PRIVATE_NODE "TENON_PRIVATE_${PROJECT_VERSION}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/exports.map.in" "${PROJECT_BINARY_DIR}/exports.map" @ONLY)

# Reads layers.txt: TENON_LAYERS are its folders in order; for each, TENON_LAYER_<folder>_LIBRARY is `runtime` or
# `builder` and TENON_LAYER_<folder>_USES the folders it may include.
set(layers_file "${PROJECT_SOURCE_DIR}/cmake/layers.txt")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${layers_file}")
file(STRINGS "${layers_file}" lines REGEX "^[^#]")
set(TENON_LAYERS "")
foreach(line ${lines})
    if(NOT line MATCHES "^([a-z_/]+) *[|] *(runtime|builder) *[|] *(.*)$")
        message(FATAL_ERROR "${layers_file}: cannot read the line '${line}'")
    endif()
    list(APPEND TENON_LAYERS "${CMAKE_MATCH_1}")
    set(TENON_LAYER_${CMAKE_MATCH_1}_LIBRARY "${CMAKE_MATCH_2}")
    separate_arguments(TENON_LAYER_${CMAKE_MATCH_1}_USES UNIX_COMMAND "${CMAKE_MATCH_3}")
endforeach()

# tenon_layer_target(<out> <folder>): the object library of a folder: core/ir is tenon_core_ir.
function(tenon_layer_target out folder)
    string(REGEX REPLACE "^core/" "" name "${folder}")
    string(REPLACE "/" "_" name "${name}")
    set(${out} "tenon_core_${name}" PARENT_SCOPE)
endfunction()

# tenon_add_core_objects(<target> <source>...): an object library of the core, with the flags of the core.
function(tenon_add_core_objects target)
    add_library(${target} OBJECT ${ARGN})
    target_link_libraries(${target} PRIVATE tenon_build_flags Threads::Threads)
    # Default visibility, because the version script decides (it can hide a symbol, not bring back a hidden one).
    # Nobody interposes functions of the core, so calls inside it need no detour.
    target_compile_options(${target} PRIVATE -fno-semantic-interposition)
endfunction()

# tenon_add_core_library(<target> <name in the package> <object library>...)
function(tenon_add_core_library target export)
    set(objects "")
    foreach(library ${ARGN})
        list(APPEND objects "$<TARGET_OBJECTS:${library}>")
    endforeach()
    add_library(${target} SHARED ${objects})
    set_target_properties(${target} PROPERTIES
        EXPORT_NAME "${export}"
        LINKER_LANGUAGE CXX
        VERSION "${PROJECT_VERSION}"
        SOVERSION "${PROJECT_VERSION_MAJOR}"
        LINK_DEPENDS "${PROJECT_BINARY_DIR}/exports.map"
        BUILD_WITH_INSTALL_RPATH ON
        INSTALL_RPATH "${TENON_RPATH_OF_LIBRARIES}")
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:tenon_build_flags> Threads::Threads ${CMAKE_DL_LIBS})
    target_link_options(${target} PRIVATE
        "LINKER:--version-script=${PROJECT_BINARY_DIR}/exports.map" "LINKER:-Bsymbolic-functions" ${TENON_NO_UNDEFINED})
    target_include_directories(${target} INTERFACE
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
    target_compile_features(${target} INTERFACE cxx_std_17)
endfunction()

# Makes the libraries `tenon_runtime` and `tenon` (Tenon::runtime, Tenon::tenon) out of the folders that have sources.
# A folder of the builder may keep some of its sources in the runtime library: it lists them as TENON_RUNTIME_SOURCES in
# its sources.cmake (core/api does).
function(tenon_add_core_libraries)
    set(in_runtime "")
    set(in_builder "")
    foreach(folder ${TENON_LAYERS})
        file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cpp")
        if(NOT sources)
            continue()
        endif()
        tenon_layer_target(target "${folder}")
        set(TENON_RUNTIME_SOURCES "")
        include("${PROJECT_SOURCE_DIR}/${folder}/sources.cmake" OPTIONAL)
        set(runtime_sources "")
        foreach(source ${TENON_RUNTIME_SOURCES})
            if("${PROJECT_SOURCE_DIR}/${folder}/${source}" IN_LIST sources)
                list(APPEND runtime_sources "${PROJECT_SOURCE_DIR}/${folder}/${source}")
                list(REMOVE_ITEM sources "${PROJECT_SOURCE_DIR}/${folder}/${source}")
            endif()
        endforeach()
        if(runtime_sources)
            tenon_add_core_objects(${target}_runtime ${runtime_sources})
            list(APPEND in_runtime ${target}_runtime)
        endif()
        if(sources)
            tenon_add_core_objects(${target} ${sources})
            list(APPEND in_${TENON_LAYER_${folder}_LIBRARY} ${target})
        endif()
    endforeach()

    # What single folders need besides the flags of all.
    target_link_libraries(tenon_core_support PRIVATE tenon_spdlog)
    target_include_directories(tenon_core_support SYSTEM PRIVATE "${TENON_XXHASH_INCLUDE}")
    set_source_files_properties("${PROJECT_SOURCE_DIR}/core/support/build_info.cpp" PROPERTIES COMPILE_DEFINITIONS
        "TENON_VERSION_TEXT=\"${PROJECT_VERSION}\";TENON_ARCH_TEXT=\"${CMAKE_SYSTEM_PROCESSOR}\";TENON_SANITIZER_TEXT=\"${TENON_SANITIZER_NAME}\"")
    if(TARGET tenon_core_registry)
        target_link_libraries(tenon_core_registry PRIVATE tenon_boost_dll)
    endif()
    if(TARGET tenon_core_plan AND EXISTS "${PROJECT_SOURCE_DIR}/core/plan/plan.fbs")
        tenon_generate_flatbuffers(tenon_core_plan core/plan/plan.fbs)
    endif()
    foreach(name plan runtime schedule api api_runtime)
        # Reports and inspector output are JSON; the library is header-only and stays inside .cpp files.
        if(TARGET tenon_core_${name})
            target_link_libraries(tenon_core_${name} PRIVATE nlohmann_json::nlohmann_json)
        endif()
    endforeach()

    tenon_add_core_library(tenon_runtime runtime ${in_runtime})
    add_library(Tenon::runtime ALIAS tenon_runtime)
    if(in_builder)
        tenon_add_core_library(tenon tenon ${in_builder})
        target_link_libraries(tenon PUBLIC tenon_runtime)
        add_library(Tenon::tenon ALIAS tenon)
    endif()

    # What our own tools and most tests link: the libraries plus the core's headers. Never installed.
    add_library(tenon_internal INTERFACE)
    target_link_libraries(tenon_internal INTERFACE tenon_build_flags tenon_runtime Threads::Threads)
    if(TARGET tenon)
        target_link_libraries(tenon_internal INTERFACE tenon)
    endif()
endfunction()

# tenon_link_layer(<target> <folder>): links the objects of a folder and of those it may include, and nothing else, in
# place of the libraries. For the folder's unit tests: they build while other folders are broken, and a folder that
# uses what it may not fails to link.
function(tenon_link_layer target folder)
    target_link_libraries(${target} PRIVATE tenon_build_flags Threads::Threads ${CMAKE_DL_LIBS})
    foreach(layer "${folder}" ${TENON_LAYER_${folder}_USES})
        tenon_layer_target(objects "${layer}")
        foreach(library ${objects} ${objects}_runtime)
            if(TARGET ${library})
                target_sources(${target} PRIVATE $<TARGET_OBJECTS:${library}>)
            endif()
        endforeach()
    endforeach()
endfunction()
