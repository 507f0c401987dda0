#include "sim/sharded/letters.h"

#include "fmt/format.h"

namespace trireme::sim::sharded {

std::string Ask::Text() const {
  return fmt::format("asks {}: {}{}", number, sharded::Text(command), through_log ? "" : " (read)");
}

std::string Reply::Text() const {
  if (!result) return fmt::format("refuses {}, leader {}", number, leader);
  return fmt::format("answers {}: {}", number, sharded::Text(*result));
}

}  // namespace trireme::sim::sharded
