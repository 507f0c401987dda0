#pragma once

#include <cstdio>
#include <cstdlib>

/// Aborts when an invariant whose violation would corrupt data does not hold. Stays on in release.
#define TRIREME_CHECK(condition)                                                               \
  do {                                                                                         \
    if (!(condition)) [[unlikely]] {                                                           \
      std::fprintf(stderr, "%s:%d: invariant violated: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                            \
    }                                                                                          \
  } while (false)
