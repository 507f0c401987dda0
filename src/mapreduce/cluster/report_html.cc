#include "mapreduce/cluster/report_html.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "mapreduce/cluster/report_layout.h"
#include "mapreduce/cluster/report_style.h"
#include "mapreduce/cluster/report_text.h"

namespace trireme::mapreduce {
namespace {

constexpr int kRowHeight = 20;  // of the timeline, in CSS pixels
constexpr int kLaneGap = 4;     // between two slots or workers
constexpr int kRateHeight = 150;
constexpr int kAxisHeight = 20;
constexpr int kTicks = 6;

/// Patterns and marks that the pictures refer to.
constexpr std::string_view kDefinitions =
    R"html(<svg width="0" height="0" style="position:absolute" aria-hidden="true">
<defs><pattern id="stripes" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="7" height="7" style="fill:var(--paper)"/><rect width="5" height="7" style="fill:var(--backup)"/></pattern>
<g id="m-failed"><path class="halo" d="M3 6l8 8M11 6l-8 8"/><path class="mark" d="M3 6l8 8M11 6l-8 8"/></g>
<g id="m-retry"><path class="halo" d="M11 7a4.5 4.5 0 1 0 .6 4M11.5 4v3.4h-3.4"/>
<path class="mark" d="M11 7a4.5 4.5 0 1 0 .6 4M11.5 4v3.4h-3.4"/></g>
<g id="m-straggler"><path class="halo" d="M3 5h8l-8 10h8z"/><path class="mark" d="M3 5h8l-8 10h8z"/></g></defs></svg>
)html";

std::string_view ClassOf(BarLook look) {
  static constexpr std::string_view kNames[] = {"map", "reduce", "backup", "killed", "failed"};
  return kNames[static_cast<std::size_t>(look)];
}

std::string TaskName(plan::Phase phase, std::uint32_t index) {
  return fmt::format("{} {}", plan::Name(phase), index);
}

std::int64_t LengthMs(const ReportAttempt& attempt) {
  return attempt.end_ms - attempt.start_ms;
}

/// Counters that may be compared by the length of a bar.
std::string_view UnitOf(std::string_view counter) {
  for (const std::string_view unit : {"bytes", "records"}) {
    if (counter.ends_with(unit)) return unit;
  }
  return counter.ends_with("groups") ? "records" : "";
}

/// Draws one report. Every section is appended to the page.
class Page {
 public:
  explicit Page(const JobReport& report)
      : report_(report),
        total_ms_(std::max<std::int64_t>(report.total_ms, 1)),
        maps_ms_(std::clamp<std::int64_t>(report.maps_ms > 0 ? report.maps_ms : total_ms_, 0,
                                          total_ms_)),
        roles_(RolesOf(report)) {}

  std::string Draw() {
    Head();
    Tiles();
    Phases();
    Timeline();
    Rate();
    Trouble();
    Slowest();
    CounterBars();
    Settings();
    page_ += "</main></body></html>\n";
    return std::move(page_);
  }

 private:
  template <typename... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(page_), format, std::forward<Args>(args)...);
  }

  /// A moment as a share of the job's time, in percent.
  double X(std::int64_t ms) const {
    return std::clamp(static_cast<double>(ms) / static_cast<double>(total_ms_), 0.0, 1.0) * 100;
  }

  // ---- The top

  void Head() {
    const std::string name = HtmlText(report_.name);
    const bool good = report_.state == plan::JobState::kSucceeded;
    Add("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
        "<link rel=\"icon\" href=\"data:,\"><title>{} {}</title><style>{}</style></head><body>{}"
        "<main>",
        name, plan::Name(report_.state), kReportStyle, kDefinitions);
    Add("<h1>{} <span class=\"state {}\">{} {}</span></h1><p class=\"soft\">{} of input in {} to "
        "<code>{}</code>, started {}</p>",
        name, good ? "good" : "bad", good ? "✓" : "✕", plan::Name(report_.state),
        BytesText(static_cast<double>(report_.input_bytes)),
        Plural(static_cast<std::int64_t>(report_.input_files), "file"), HtmlText(report_.output),
        Started());
    if (report_.error.empty()) return;
    Add("<div class=\"error\" role=\"alert\"><p>{}</p>", HtmlText(report_.error));
    if (!report_.stderr_tail.empty()) Add("<pre>{}</pre>", HtmlText(report_.stderr_tail));
    Add("</div>");
  }

  std::string Started() const {
    const std::time_t seconds = report_.started_unix_ms / 1000;
    std::tm utc = {};
    gmtime_r(&seconds, &utc);
    char text[40];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
    return text;
  }

  void Tile(std::string_view name, std::string_view value) {
    Add("<div><dt>{}</dt><dd>{}</dd></div>", name, value);
  }

  void Tiles() {
    const double seconds = static_cast<double>(total_ms_) / 1000;
    const plan::JobStats& stats = report_.stats;
    Add("<dl class=\"tiles\">");
    Tile("Time", DurationText(report_.total_ms));
    Tile("Input", BytesText(static_cast<double>(report_.input_bytes)));
    Tile("Input per second", BytesText(static_cast<double>(report_.input_bytes) / seconds) + "/s");
    Tile("Output", BytesText(static_cast<double>(report_.output_bytes)));
    Tile("Maps", CountText(report_.maps));
    if (report_.reduces > 0) Tile("Reduces", CountText(report_.reduces));
    Tile("Attempts", CountText(static_cast<std::int64_t>(stats.attempts)));
    Tile("Failed attempts", CountText(static_cast<std::int64_t>(stats.failures)));
    Add("</dl>");
  }

  void Phases() {
    Add("<section aria-labelledby=\"h-phases\"><h2 id=\"h-phases\">Phases</h2>");
    const std::int64_t reduces_ms = report_.reduces > 0 ? total_ms_ - maps_ms_ : 0;
    const std::int64_t whole_ms = report_.reduces > 0 ? total_ms_ : maps_ms_;
    const auto share = [&](std::int64_t ms) {
      return static_cast<double>(ms) / static_cast<double>(std::max<std::int64_t>(whole_ms, 1));
    };
    Add("<div class=\"phases\" aria-hidden=\"true\"><span class=\"map\" "
        "style=\"flex:{:.4f}\"></span>",
        share(maps_ms_));
    if (report_.reduces > 0)
      Add("<span class=\"reduce\" style=\"flex:{:.4f}\"></span>", share(reduces_ms));
    Add("</div><ul class=\"key\">");
    KeyItem("map",
            fmt::format("map phase: {} ({:.0f} %)", DurationText(maps_ms_), share(maps_ms_) * 100));
    if (report_.reduces > 0)
      KeyItem("reduce", fmt::format("reduce phase: {} ({:.0f} %)", DurationText(reduces_ms),
                                    share(reduces_ms) * 100));
    Add("</ul></section>");
  }

  // ---- Keys and axes

  void KeyItem(std::string_view look, std::string_view text, std::string_view mark = "") {
    Add("<li><svg width=\"16\" height=\"20\" aria-hidden=\"true\">");
    if (!look.empty())
      Add("<rect class=\"{}\" x=\"1\" y=\"3\" width=\"14\" height=\"14\" rx=\"3\"/>", look);
    if (!mark.empty()) Add("<use href=\"#m-{}\" x=\"1\"/>", mark);
    Add("</svg>{}</li>", text);
  }

  /// Vertical lines with their time under the picture, and the border between the phases.
  void TimeAxis(int height) {
    const TimeUnit unit = AxisUnit(total_ms_);
    const double whole = static_cast<double>(total_ms_) / unit.ms;
    const double step = NiceStep(whole, kTicks);
    for (int tick = 0; tick * step <= whole; ++tick) {
      const double share = tick * step / whole * 100;
      const char* anchor = tick == 0 ? "start" : share > 94 ? "end" : "middle";
      Add("<line class=\"grid\" x1=\"{0:.3f}%\" x2=\"{0:.3f}%\" y1=\"0\" y2=\"{1}\"/>"
          "<text{5} x=\"{0:.3f}%\" y=\"{2}\" text-anchor=\"{3}\">{4:g} {6}</text>",
          share, height, height + 15, anchor, tick * step, tick % 2 == 1 ? " class=\"odd\"" : "",
          unit.name);
    }
    if (report_.reduces > 0 && report_.maps_ms > 0)
      Add("<line class=\"border\" x1=\"{0:.3f}%\" x2=\"{0:.3f}%\" y1=\"0\" y2=\"{1}\">"
          "<title>the last map's end</title></line>",
          X(maps_ms_), height);
  }

  // ---- The timeline

  void Timeline() {
    const TimelineLayout layout = LayOutTimeline(report_, roles_);
    const std::vector<int> heights = LaneHeights(layout);
    int height = 0;
    for (const int lane : heights) height += lane;
    Add("<section aria-labelledby=\"h-timeline\"><h2 id=\"h-timeline\">Timeline of tasks</h2>");
    TimelineKey();
    Add("<div class=\"chart\" id=\"timeline\"><div class=\"names\" aria-hidden=\"true\">");
    for (std::size_t i = 0; i < layout.lanes.size(); ++i) {
      std::string_view name = report_.lanes[layout.lanes[i].lane];
      constexpr std::string_view kWorker = "worker ";
      if (name.starts_with(kWorker)) name.remove_prefix(kWorker.size());
      Add("<span style=\"height:{0}px;line-height:{0}px\" title=\"{1}\">{1}</span>", heights[i],
          HtmlText(name));
    }
    Add("</div><svg class=\"plot\" height=\"{}\" role=\"img\" aria-label=\"{}\">",
        height + kAxisHeight, TimelineSummary());
    TimeAxis(height);
    int y = 0;
    for (std::size_t i = 0; i < layout.lanes.size(); ++i) {
      Lane(layout.lanes[i], y, heights[i]);
      y += heights[i];
    }
    Add("</svg></div>");
    if (layout.lanes_left_out > 0)
      Add("<p class=\"soft\">Not drawn for want of room: {} with {}.</p>",
          Plural(static_cast<std::int64_t>(layout.lanes_left_out), "more worker"),
          Plural(static_cast<std::int64_t>(layout.attempts_left_out), "attempt"));
    LaneTable(layout);
    Add("</section>");
  }

  static std::vector<int> LaneHeights(const TimelineLayout& layout) {
    // Many lanes are drawn thin, so that the page remains one.
    const int row = layout.rows > 64 ? kRowHeight - 6 : kRowHeight;
    std::vector<int> heights;
    for (const TimelineLane& lane : layout.lanes)
      heights.push_back(static_cast<int>(std::max<std::size_t>(lane.rows.size(), 1)) * row +
                        kLaneGap);
    return heights;
  }

  void TimelineKey() {
    bool looks[5] = {}, retry = false, straggler = false;
    for (const AttemptRole& role : roles_) {
      looks[static_cast<std::size_t>(role.look)] = true;
      retry |= role.retry;
      straggler |= role.straggler;
    }
    const auto had = [&](BarLook look) { return looks[static_cast<std::size_t>(look)]; };
    Add("<ul class=\"key\">");
    KeyItem("map", "map");
    if (report_.reduces > 0) KeyItem("reduce", "reduce");
    if (had(BarLook::kFailed)) KeyItem("failed", "failed, or lost with its worker", "failed");
    if (retry) KeyItem("", "tried again", "retry");
    if (straggler) KeyItem("", "straggler: so slow that a backup was started", "straggler");
    if (had(BarLook::kBackup)) KeyItem("backup", "backup that was first");
    if (had(BarLook::kKilled)) KeyItem("killed", "cancelled");
    Add("</ul>");
  }

  std::string TimelineSummary() const {
    std::size_t failed = 0, retries = 0, stragglers = 0;
    for (const AttemptRole& role : roles_) {
      failed += role.look == BarLook::kFailed;
      retries += role.retry;
      stragglers += role.straggler;
    }
    return fmt::format(
        "{} on {} over {}: {} failed or lost, {} tried again, {} stragglers. The table after the "
        "picture tells the same by slot or worker.",
        Plural(static_cast<std::int64_t>(report_.attempts.size()), "attempt"),
        Plural(static_cast<std::int64_t>(report_.lanes.size()), "slot or worker"),
        DurationText(total_ms_), failed, retries, stragglers);
  }

  void Lane(const TimelineLane& lane, int y, int height) {
    const int count = static_cast<int>(std::max<std::size_t>(lane.rows.size(), 1));
    Add("<g data-lane=\"{}\">", HtmlText(report_.lanes[lane.lane]));
    const int row_height = (height - kLaneGap) / count;
    for (std::size_t row = 0; row < lane.rows.size(); ++row) {
      const int top = y + kLaneGap / 2 + static_cast<int>(row) * row_height;
      for (const TimelineBar& bar : lane.rows[row]) Bar(bar, top, row_height);
      for (const TimelineBar& bar : lane.rows[row]) Marks(bar, top, row_height);
    }
    Add("</g>\n");
  }

  void Bar(const TimelineBar& bar, int top, int height) {
    const double x = X(bar.start_ms);
    const double width = std::max(X(bar.end_ms) - x, 0.1);
    Add("<rect class=\"bar {}{}{}\" data-n=\"{}\" x=\"{:.3f}%\" y=\"{}\" width=\"{:.3f}%\" "
        "height=\"{}\" rx=\"3\"><title>{}</title></rect>",
        ClassOf(bar.look), bar.stragglers > 0 ? " straggler" : "", bar.retries > 0 ? " retry" : "",
        bar.attempts, std::min(x, 100 - width), top + 1, width, height - 2, BarTitle(bar));
  }

  std::string BarTitle(const TimelineBar& bar) const {
    const ReportAttempt& first = report_.attempts[bar.first];
    if (bar.attempts > 1)
      return fmt::format("{} {} attempts from {} to {}, {} failed", bar.attempts,
                         plan::Name(first.phase), DurationText(bar.start_ms),
                         DurationText(bar.end_ms), bar.failed);
    return fmt::format("{}, {}", TaskName(first.phase, first.index), AttemptText(bar.first));
  }

  void Marks(const TimelineBar& bar, int top, int height) {
    const auto mark = [&](std::string_view name) {
      Add("<use href=\"#m-{}\" x=\"{:.3f}%\" y=\"{}\"/>", name, X(bar.start_ms),
          top + (height - kRowHeight) / 2);
    };
    if (bar.failed > 0) return mark("failed");
    if (bar.stragglers > 0) return mark("straggler");
    if (bar.retries > 0) mark("retry");
  }

  /// "attempt 1 (retry) on slot 0: succeeded after 0.20 s".
  std::string AttemptText(std::size_t index) const {
    const ReportAttempt& a = report_.attempts[index];
    const char* role = roles_[index].straggler                ? " (straggler)"
                       : a.kind == plan::AttemptKind::kBackup ? " (backup)"
                       : roles_[index].retry                  ? " (retry)"
                                                              : "";
    return fmt::format("attempt {}{} on {}: {} after {}{}{}", a.number, role,
                       HtmlText(report_.lanes.at(a.lane)), plan::Name(a.end),
                       DurationText(LengthMs(a)), a.note.empty() ? "" : ", ", HtmlText(a.note));
  }

  void LaneTable(const TimelineLayout& layout) {
    struct Sums {
      std::int64_t maps = 0, reduces = 0, unlucky = 0, busy_ms = 0;
      double input = 0, output = 0;
    };
    std::vector<Sums> sums(report_.lanes.size());
    for (std::size_t i = 0; i < report_.attempts.size(); ++i) {
      const ReportAttempt& a = report_.attempts[i];
      Sums& sum = sums.at(a.lane);
      ++(a.phase == plan::Phase::kMap ? sum.maps : sum.reduces);
      sum.unlucky += a.end != plan::AttemptEnd::kSucceeded;
      sum.busy_ms += LengthMs(a);
      sum.input += static_cast<double>(a.input_bytes);
      sum.output += static_cast<double>(a.output_bytes);
    }
    Add("<details id=\"lanes\"><summary>The same as a table</summary>");
    TableHead("Attempts by slot or worker", {"Where", "#Map attempts", "#Reduce attempts",
                                             "#Without success", "#Busy", "#Read", "#Written"});
    for (const TimelineLane& lane : layout.lanes) {
      const Sums& sum = sums[lane.lane];
      Add("<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}"
          "<td class=\"n\">{}<td class=\"n\">{}</tr>",
          HtmlText(report_.lanes[lane.lane]), CountText(sum.maps), CountText(sum.reduces),
          CountText(sum.unlucky), DurationText(sum.busy_ms), BytesText(sum.input),
          BytesText(sum.output));
    }
    Add("</tbody></table></div></details>");
  }

  /// Opens a table that scrolls by itself where it is too wide, by keyboard too. Columns of numbers
  /// begin with '#'.
  void TableHead(std::string_view name, std::initializer_list<std::string_view> columns) {
    Add("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\"><table><thead><tr>",
        name);
    for (std::string_view column : columns) {
      const bool number = column.starts_with('#');
      Add("<th scope=\"col\"{}>{}</th>", number ? " class=\"n\"" : "", column.substr(number));
    }
    Add("</tr></thead><tbody>");
  }

  // ---- Bytes per second

  void Rate() {
    const Rates rates = RatesOf(report_);
    double top = 1;
    for (const double rate : rates.input) top = std::max(top, rate);
    for (const double rate : rates.output) top = std::max(top, rate);
    double unit = 1;
    while (top / unit >= 1024) unit *= 1024;
    const double step = NiceStep(top / unit, 4) * unit;
    top = std::ceil(top / step) * step;
    Add("<section aria-labelledby=\"h-rate\"><h2 id=\"h-rate\">Bytes per second</h2>"
        "<ul class=\"key\">");
    KeyItem("map", fmt::format("input read by maps, at most {}/s", PeakText(rates.input)));
    KeyItem("reduce", fmt::format("output written, at most {}/s", PeakText(rates.output)));
    Add("</ul><div class=\"chart\" id=\"rate\"><div class=\"names\" aria-hidden=\"true\">"
        "<div class=\"scale\" style=\"height:{}px\">",
        kRateHeight);
    for (double at = 0; at <= top * 1.001; at += step)
      Add("<span style=\"top:{:.1f}px\">{}</span>", RateY(at, top), AxisBytesText(at));
    Add("</div></div><svg class=\"plot\" height=\"{}\" role=\"img\" aria-label=\"Bytes per second "
        "over time: input at most {}, output at most {}\">",
        kRateHeight + kAxisHeight, PeakText(rates.input), PeakText(rates.output));
    TimeAxis(kRateHeight);
    for (double at = 0; at <= top * 1.001; at += step)
      Add("<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{0:.1f}\" y2=\"{0:.1f}\"/>",
          RateY(at, top));
    Add("<svg width=\"100%\" height=\"{0}\" viewBox=\"0 0 1000 {0}\" preserveAspectRatio=\"none\">",
        kRateHeight);
    Curve(rates.input, top, "map");
    Curve(rates.output, top, "reduce");
    Add("</svg></svg></div></section>");
  }

  static std::string PeakText(const std::vector<double>& rates) {
    return BytesText(*std::max_element(rates.begin(), rates.end()));
  }

  static double RateY(double rate, double top) { return 8 + (1 - rate / top) * (kRateHeight - 8); }

  void Curve(const std::vector<double>& rates, double top, std::string_view look) {
    std::string points;
    const double step = 1000.0 / static_cast<double>(rates.size());
    for (std::size_t i = 0; i < rates.size(); ++i) {
      const double y = RateY(rates[i], top), x = static_cast<double>(i) * step;
      points += fmt::format("{:.1f},{:.1f} {:.1f},{:.1f} ", x, y, x + step, y);
    }
    Add("<polygon class=\"area {0}\" points=\"0,{1} {2}1000,{1}\"/><polyline class=\"curve {0}\" "
        "points=\"{2}\"/>",
        look, kRateHeight, points);
  }

  // ---- Stragglers and retries, slowest tasks

  void Trouble() {
    std::size_t all = 0;
    const auto tasks = TroubledTasks(report_, roles_, kReportTroubledMax, &all);
    Add("<section aria-labelledby=\"h-trouble\"><h2 id=\"h-trouble\">Stragglers and retries</h2>");
    if (tasks.empty()) Add("<p class=\"soft\">None: every task was done at the first attempt.</p>");
    if (!tasks.empty())
      Add("<p class=\"soft\">{} needed more than one attempt; {} of {} won. Each line is the whole "
          "time of the job.</p><ul class=\"bars\" id=\"troubled\">",
          Plural(static_cast<std::int64_t>(all), "task"), report_.stats.backups_won,
          Plural(static_cast<std::int64_t>(report_.stats.backups), "backup"));
    for (const TroubledTask& task : tasks) {
      Add("<li><span class=\"name\">{}</span><span class=\"track\" aria-hidden=\"true\">",
          TaskName(task.phase, task.index));
      for (const std::size_t index : task.attempts) Piece(index);
      Add("</span><span class=\"value\">{}</span><span class=\"why\">",
          Plural(static_cast<std::int64_t>(task.attempts.size()), "attempt"));
      constexpr std::size_t kToldMax = 8;
      for (std::size_t i = 0; i < std::min(task.attempts.size(), kToldMax); ++i)
        Add("{}{}", i > 0 ? "; " : "", AttemptText(task.attempts[i]));
      Add("</span></li>\n");
    }
    if (!tasks.empty()) Add("</ul>");
    if (all > tasks.size()) Add("<p class=\"soft\">And {} more.</p>", all - tasks.size());
    Add("</section>");
  }

  void Piece(std::size_t index) {
    const ReportAttempt& a = report_.attempts[index];
    const double x = X(a.start_ms);
    Add("<i class=\"{}{}\" style=\"left:{:.3f}%;width:{:.3f}%\"></i>", ClassOf(roles_[index].look),
        roles_[index].straggler ? " straggler" : "", x, X(a.end_ms) - x);
  }

  void Slowest() {
    const std::vector<std::size_t> slowest = SlowestAttempts(report_, kReportSlowestMax);
    if (slowest.empty()) return;
    const auto longest =
        static_cast<double>(std::max<std::int64_t>(LengthMs(report_.attempts[slowest[0]]), 1));
    const std::int64_t usual[] = {MedianMs(report_, plan::Phase::kMap),
                                  MedianMs(report_, plan::Phase::kReduce)};
    Add("<section aria-labelledby=\"h-slowest\"><h2 id=\"h-slowest\">Slowest tasks</h2>"
        "<p class=\"soft\">The dashed line is the median of the phase: {} for maps{}.</p>"
        "<ul class=\"bars\" id=\"slowest\">",
        DurationText(usual[0]),
        report_.reduces > 0 ? fmt::format(", {} for reduces", DurationText(usual[1])) : "");
    for (const std::size_t index : slowest) {
      const ReportAttempt& a = report_.attempts[index];
      const auto median = static_cast<double>(usual[static_cast<std::size_t>(a.phase)]);
      Add("<li><span class=\"name\">{}, {}</span><span class=\"track\" aria-hidden=\"true\">"
          "<i class=\"{}\" style=\"left:0;width:{:.2f}%\"></i><i class=\"usual\" "
          "style=\"left:{:.2f}%\"></i></span><span class=\"value\">{}</span>{}</li>\n",
          TaskName(a.phase, a.index), HtmlText(report_.lanes.at(a.lane)),
          ClassOf(roles_[index].look), static_cast<double>(LengthMs(a)) / longest * 100,
          median / longest * 100, DurationText(LengthMs(a)), SizesText(a));
    }
    Add("</ul></section>");
  }

  static std::string SizesText(const ReportAttempt& a) {
    if (a.input_bytes == 0 && a.output_bytes == 0) return {};
    const auto in = static_cast<double>(a.input_bytes), out = static_cast<double>(a.output_bytes);
    return fmt::format("<span class=\"why\">{}{} written</span>",
                       a.input_bytes == 0 ? "" : BytesText(in) + " read, ", BytesText(out));
  }

  // ---- Counters, settings

  void CounterBars() {
    Add("<section aria-labelledby=\"h-counters\"><h2 id=\"h-counters\">Counters</h2>");
    // Only what has the same unit is drawn to the same scale.
    std::map<std::pair<std::string_view, std::string_view>, std::vector<const NamedCounter*>> lists;
    std::size_t shown = 0;
    for (const NamedCounter& counter : report_.counters) {
      if (++shown > kReportCountersMax) break;
      lists[{counter.first.first, UnitOf(counter.first.second)}].push_back(&counter);
    }
    for (const auto& [name, counters] : lists) CounterList(name.first, name.second, counters);
    if (report_.counters.size() > kReportCountersMax)
      Add("<p class=\"soft\">And {} more.</p>", report_.counters.size() - kReportCountersMax);
    Add("</section>");
  }

  using NamedCounter = Counters::value_type;

  void CounterList(std::string_view group, std::string_view unit,
                   const std::vector<const NamedCounter*>& counters) {
    std::int64_t top = 1;
    for (const NamedCounter* counter : counters) top = std::max(top, counter->second);
    Add("<h3>{}{}{}</h3><ul class=\"bars counters\">", HtmlText(group), unit.empty() ? "" : ", ",
        unit);
    for (const NamedCounter* counter : counters) {
      const std::int64_t value = counter->second;
      const bool bytes = unit == "bytes" && value >= 1024;
      Add("<li><span class=\"name\">{}</span><span class=\"track\" aria-hidden=\"true\"><i "
          "class=\"{}\" style=\"left:0;width:{:.2f}%\"></i></span><span class=\"value\">{}{}</span>"
          "</li>\n",
          HtmlText(counter->first.second),
          unit == "bytes"     ? "map"
          : unit == "records" ? "reduce"
                              : "killed",
          std::max(static_cast<double>(value) / static_cast<double>(top), 0.0) * 100,
          CountText(value),
          bytes ? fmt::format(" ({})", BytesText(static_cast<double>(value))) : "");
    }
    Add("</ul>");
  }

  void Settings() {
    if (report_.settings.empty()) return;
    Add("<section aria-labelledby=\"h-settings\"><h2 id=\"h-settings\">Settings</h2>");
    TableHead("Settings", {"Name", "Value"});
    for (const auto& [name, value] : report_.settings)
      Add("<tr><td>{}<td>{}</tr>", HtmlText(name), HtmlText(value));
    Add("</tbody></table></div></section>");
  }

  const JobReport& report_;
  const std::int64_t total_ms_, maps_ms_;
  const std::vector<AttemptRole> roles_;
  std::string page_;
};

}  // namespace

std::string ReportHtml(const JobReport& report) {
  return Page(report).Draw();
}

}  // namespace trireme::mapreduce
