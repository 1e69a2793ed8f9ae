// All layer classes.
#pragma once

#include "tenon/layers_math.h"
#include "tenon/layers_nn.h"
#include "tenon/layers_plugin.h"
#include "tenon/layers_shape.h"
