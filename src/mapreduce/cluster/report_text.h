#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Words and numbers of the report page.
namespace trireme::mapreduce {

/// Safe in HTML text and in quoted attributes; control characters become '?'.
std::string HtmlText(std::string_view text);
std::string BytesText(double bytes);        ///< "1.5 GiB"
std::string AxisBytesText(double bytes);    ///< "1.5 GiB", "200 MiB"
std::string DurationText(std::int64_t ms);  ///< "160 ms", "2.44 s", "3 min 20 s", "2 h 5 min"
std::string CountText(std::int64_t count);  ///< "1,234,567"
std::string Plural(std::int64_t count, std::string_view noun);  ///< "1 map", "2 maps"

/// A scale from 0 that cuts `whole` into at most `parts` steps of 1, 2 or 5 times a power of ten.
double NiceStep(double whole, int parts);

/// The unit in which times up to `total_ms` are best written beside an axis.
struct TimeUnit {
  double ms = 1;
  const char* name = "ms";
};
TimeUnit AxisUnit(std::int64_t total_ms);

}  // namespace trireme::mapreduce
