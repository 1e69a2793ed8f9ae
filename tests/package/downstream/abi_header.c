/* The module ABI is C11: this file fails to compile when something else slips into it. */
#include <tenon/module/abi.h>

int abiMajor(void);
int abiMajor(void) { return TN_ABI_MAJOR; }
