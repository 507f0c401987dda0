#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

/// Returns the status of `expression` from the enclosing function unless it is OK.
#define TRIREME_RETURN_IF_ERROR(expression)                                            \
  do {                                                                                 \
    if (absl::Status trireme_status = (expression); !trireme_status.ok()) [[unlikely]] \
      return trireme_status;                                                           \
  } while (false)

#define TRIREME_CONCAT_INNER(a, b) a##b
#define TRIREME_CONCAT(a, b) TRIREME_CONCAT_INNER(a, b)

/// `TRIREME_ASSIGN_OR_RETURN(auto x, F());` binds the value of a StatusOr or returns its status.
#define TRIREME_ASSIGN_OR_RETURN(declaration, expression)                                 \
  TRIREME_ASSIGN_OR_RETURN_IMPL(TRIREME_CONCAT(trireme_statusor_, __LINE__), declaration, \
                                expression)
#define TRIREME_ASSIGN_OR_RETURN_IMPL(name, declaration, expression) \
  auto name = (expression);                                          \
  if (!name.ok()) [[unlikely]]                                       \
    return name.status();                                            \
  declaration = std::move(name).value()
