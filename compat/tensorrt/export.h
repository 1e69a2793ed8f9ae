// What a function of the thin libraries looks like from outside.
// The tenon_* functions are declared by hand: Tenon's headers declare one of the two names per translation unit only.
#pragma once

#define TENON_COMPAT extern "C" __attribute__((visibility("default")))
