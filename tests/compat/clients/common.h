// What the clients share: TensorRT-style helpers, written against TensorRT's header names only.
#pragma once

#include "NvInfer.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

class Logger : public nvinfer1::ILogger {
public:
    void log(Severity severity, const char* msg) noexcept override {
        if (severity <= Severity::kWARNING) {
            std::fprintf(stderr, "[%d] %s\n", static_cast<int>(severity), msg);
        }
    }
};

struct InferDeleter {
    template <typename T>
    void operator()(T* obj) const {
        delete obj;
    }
};

template <typename T>
using UniquePtr = std::unique_ptr<T, InferDeleter>;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);                         \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (false)
