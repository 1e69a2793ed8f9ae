# The sources of this folder that loading and running a plan needs: they go into libtenon_runtime.so, everything else
# in the folder into libtenon.so. They may include no header of core/passes or core/schedule.
set(TENON_RUNTIME_SOURCES
    context.cpp
    device_memory.cpp
    dims.cpp
    engine.cpp
    reporter.cpp
    execution_context.cpp
    host_memory.cpp
    inspector.cpp
    plugin_registry.cpp
    plugin_v2_adapter.cpp
    plugin_v3_adapter.cpp
    refitter.cpp
    runtime.cpp
    type_convert.cpp
    version.cpp)
