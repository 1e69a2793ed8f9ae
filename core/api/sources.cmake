# The sources of this folder that loading and running a plan needs: they go into libtenon_runtime.so, everything else
# in the folder into libtenon.so. They may include no header of core/passes or core/schedule.
set(TENON_RUNTIME_SOURCES
    device_allocator.cpp
    engine.cpp
    execution_context.cpp
    host_memory.cpp
    inspector.cpp
    modules.cpp
    plugin_content.cpp
    plugin_registry.cpp
    plugin_runtime.cpp
    refitter.cpp
    reporter.cpp
    runtime.cpp
    type_convert.cpp
    version.cpp)
