# cmake -D BUILD=<build tree> -D PREFIX=<folder> -P install.cmake
# Installs into a folder beside PREFIX and renames that to PREFIX.
file(REMOVE_RECURSE "${PREFIX}" "${PREFIX}-first")
execute_process(COMMAND "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${PREFIX}-first"
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE code)
if(NOT code EQUAL 0)
    message(FATAL_ERROR "${output}")
endif()
file(RENAME "${PREFIX}-first" "${PREFIX}")
