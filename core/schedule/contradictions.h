// Times that contradict each other: a region that takes longer than regions that compute the same in parts. What is fused need not be written and read again,
// so either its kernel is a poor one, or the machine had more to do while one of them was timed than while another was.
// Used by build_engine, which has such tasks timed once more, in turns. Numbers only: no task, no kernel.
#pragma once

#include <cstdint>
#include <vector>

namespace tenon::schedule {

struct TimedRegion {
    std::vector<int32_t> nodes; // ids, each once
    int32_t task = 0;           // regions that compute the same share one
    double us = 0;              // of its fastest tactic
};

// Regions compete that share the node which takes most of their time by itself, or nodes there that are of one task. Found are the groups of tasks of such regions, each task in one group at
// most, in which a region takes longer than a smaller one of the group and what that leaves of it: as one region, or node by node. Not if it takes so much longer
// that no moment of a machine explains it. Nodes without a region of their own have no time. Groups, and tasks in them, are in the order of `regions`; each has two tasks at least.
std::vector<std::vector<int32_t>> contradictingTasks(const std::vector<TimedRegion>& regions);

// What the times of tasks are to be multiplied with so that all are of one moment, the one in which the machine had least to do: before[i] was timed when the
// task was alone, now[i] in turns with the others. Those of now that such times cannot tell apart become equal: of two such regions the larger one is then the
// better one, since it leaves less to do. Neither is empty; all times are positive.
std::vector<double> momentFactors(const std::vector<double>& before, const std::vector<double>& now);

} // namespace tenon::schedule
