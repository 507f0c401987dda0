#include "io/metrics_page.h"

#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trireme::io {
namespace {

using testing::HasSubstr;

TEST(MetricsPageTest, FamiliesHaveHelpTypeAndSamples) {
  MetricsPage page;
  page.Counter("a_total", "All of a.", 3);
  page.Family("b_bytes", "gauge", "Of b.");
  page.Sample({{"kind", "x"}, {"place", "y"}}, 0.5);
  page.Sample({{"kind", "z"}}, 1e21);
  EXPECT_EQ(page.Take(),
            "# HELP a_total All of a.\n# TYPE a_total counter\na_total 3\n"
            "# HELP b_bytes Of b.\n# TYPE b_bytes gauge\n"
            "b_bytes{kind=\"x\",place=\"y\"} 0.5\nb_bytes{kind=\"z\"} 1e+21\n");
}

TEST(MetricsPageTest, ValuesOfLabelsAreEscaped) {
  MetricsPage page;
  page.Family("a", "gauge", "A.");
  page.Sample({{"name", "say \"\\hi\"\n"}}, 1);
  EXPECT_THAT(page.Take(), HasSubstr("a{name=\"say \\\"\\\\hi\\\"\\n\"} 1\n"));
}

double ValueIn(const std::string& page, const std::string& name) {
  const std::size_t at = page.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(page.substr(at + name.size() + 2));
}

TEST(MetricsPageTest, AProcessTellsOfItself) {
  MetricsPage page;
  page.Process();
  const std::string text = page.Take();
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const double began = ValueIn(text, "process_start_time_seconds");
  EXPECT_GT(began, now - 600) << "a test runs for minutes at most";
  EXPECT_LT(began, now + 2) << "the boot's time is in whole seconds";
  EXPECT_GT(ValueIn(text, "process_resident_memory_bytes"), 100'000);
  EXPECT_GT(ValueIn(text, "process_virtual_memory_bytes"),
            ValueIn(text, "process_resident_memory_bytes"));
  EXPECT_GE(ValueIn(text, "process_open_fds"), 3);
  EXPECT_GE(ValueIn(text, "process_max_fds"), ValueIn(text, "process_open_fds"));
  EXPECT_GE(ValueIn(text, "process_cpu_seconds_total"), 0);
}

}  // namespace
}  // namespace trireme::io
