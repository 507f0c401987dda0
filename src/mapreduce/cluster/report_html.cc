#include "mapreduce/cluster/report_html.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <string_view>
#include <vector>

#include "fmt/format.h"

namespace trireme::mapreduce {
namespace {

constexpr int kWidth = 1000;  // of the pictures, in their own units
constexpr int kLeft = 90;     // for the names of lanes and the scale
constexpr int kLaneHeight = 22;
constexpr int kRateHeight = 160;

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--ink:#1c2126;--soft:#5b6570;--line:#d9dee3;--paper:#fff;--card:#f6f8fa;
--map:#2f6fdb;--reduce:#1a8f5a;--backup:#b9770e;--failed:#c62f2f;--killed:#8a929b}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa4ae;--line:#343b43;--paper:#14181c;
--card:#1c2127;--map:#6aa0f7;--reduce:#4cc38a;--backup:#e0a73e;--failed:#f0716b;--killed:#6d757d}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1080px;padding:16px;background:var(--paper);
color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.8em 0 .5em}p{margin:.4em 0}
.soft{color:var(--soft)}.error{border-left:4px solid var(--failed);padding:.3em .8em;background:var(--card)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:10px;padding:0;margin:1em 0}
.tiles div{background:var(--card);border-radius:8px;padding:10px 12px}
.tiles dt{font-size:.8rem;color:var(--soft)}.tiles dd{margin:0;font-size:1.15rem;font-weight:600}
.wide{overflow-x:auto}svg{display:block;width:100%;min-width:640px;height:auto}
svg text{fill:var(--soft);font:12px system-ui,sans-serif}.grid{stroke:var(--line)}
.map{fill:var(--map)}.reduce{fill:var(--reduce)}.backup{fill:var(--backup)}.failed{fill:var(--failed)}
.killed{fill:var(--killed)}.area{fill:var(--map);opacity:.25}.curve{fill:none;stroke:var(--map);stroke-width:2}
.key{display:flex;flex-wrap:wrap;gap:4px 16px;padding:0;list-style:none;font-size:.9rem}
.key i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;padding:5px 10px 5px 0;
border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}td.n,th.n{text-align:right;
font-variant-numeric:tabular-nums;white-space:nowrap}th{color:var(--soft);font-weight:600}
)";

std::string Escape(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return safe;
}

std::string Bytes(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  int unit = 0;
  while (bytes >= 1023.95 && unit < 5) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string Seconds(std::int64_t ms) {
  return fmt::format("{:.2f} s", static_cast<double>(ms) / 1000);
}

std::string Grouped(std::int64_t count) {
  std::string digits = fmt::format("{}", count);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

std::string_view ClassOf(const ReportAttempt& attempt) {
  if (attempt.end == plan::AttemptEnd::kFailed) return "failed";
  if (attempt.end == plan::AttemptEnd::kKilled || attempt.end == plan::AttemptEnd::kLostWorker)
    return "killed";
  if (attempt.kind == plan::AttemptKind::kBackup) return "backup";
  return attempt.phase == plan::Phase::kMap ? "map" : "reduce";
}

std::string TaskName(const ReportAttempt& attempt) {
  return fmt::format("{} {}", plan::Name(attempt.phase), attempt.index);
}

/// A step of 1, 2 or 5 times a power of ten that cuts `whole` into at most ten.
double NiceStep(double whole) {
  const double power = std::pow(10, std::floor(std::log10(std::max(whole / 10, 1e-9))));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (whole / (factor * power) <= 10) return factor * power;
  }
  return 10 * power;
}

/// Draws one report. Every section is appended to the page.
class Page {
 public:
  explicit Page(const JobReport& report)
      : report_(report), total_ms_(std::max<std::int64_t>(report.total_ms, 1)) {}

  std::string Draw() {
    Head();
    Tiles();
    Timeline();
    Rate();
    Trouble();
    Slowest();
    CounterTable();
    Settings();
    page_ += "</main></body></html>\n";
    return std::move(page_);
  }

 private:
  template <typename... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(page_), format, std::forward<Args>(args)...);
  }

  double X(std::int64_t ms) const {
    return kLeft + static_cast<double>(ms) / static_cast<double>(total_ms_) * (kWidth - kLeft - 10);
  }

  void Head() {
    const std::string name = Escape(report_.name);
    Add("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
        "<title>{} {}</title><style>{}</style></head><body><main>",
        name, plan::Name(report_.state), kStyle);
    Add("<h1>{}: {}</h1><p class=\"soft\">{} to <code>{}</code>, started {}</p>", name,
        plan::Name(report_.state), Bytes(static_cast<double>(report_.input_bytes)),
        Escape(report_.output), Started());
    if (report_.error.empty()) return;
    Add("<div class=\"error\"><p>{}</p>", Escape(report_.error));
    if (!report_.stderr_tail.empty()) Add("<pre>{}</pre>", Escape(report_.stderr_tail));
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
    const std::int64_t maps_ms = report_.maps_ms > 0 ? report_.maps_ms : report_.total_ms;
    Add("<dl class=\"tiles\">");
    Tile("Time", Seconds(report_.total_ms));
    Tile("Map phase", Seconds(maps_ms));
    if (report_.reduces > 0) Tile("Reduce phase", Seconds(report_.total_ms - maps_ms));
    Tile("Input per second", Bytes(static_cast<double>(report_.input_bytes) / seconds));
    Tile("Maps", Grouped(report_.maps));
    Tile("Reduces", Grouped(report_.reduces));
    Tile("Output", Bytes(static_cast<double>(report_.output_bytes)));
    Tile("Failed attempts", Grouped(static_cast<std::int64_t>(report_.stats.failures)));
    Add("</dl>");
  }

  /// Vertical lines with their time under the picture.
  void TimeScale(int height) {
    const double step = NiceStep(static_cast<double>(total_ms_) / 1000);
    for (double at = 0; at * 1000 <= static_cast<double>(total_ms_); at += step) {
      const double x = X(static_cast<std::int64_t>(at * 1000));
      Add("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1}\"/>"
          "<text x=\"{0:.1f}\" y=\"{2}\" text-anchor=\"middle\">{3:g} s</text>",
          x, height, height + 16, at);
    }
  }

  void Timeline() {
    const int height = static_cast<int>(report_.lanes.size()) * kLaneHeight;
    Add("<h2 id=\"t\">Timeline of attempts</h2><ul class=\"key\">");
    for (std::string_view kind : {"map", "reduce", "backup", "failed", "killed"})
      Add("<li><i style=\"background:var(--{0})\"></i>{0}</li>", kind);
    Add("</ul><div class=\"wide\"><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"t\">",
        kWidth, height + 24);
    TimeScale(height);
    for (std::size_t i = 0; i < report_.lanes.size(); ++i)
      Add("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", kLeft - 8,
          static_cast<int>(i) * kLaneHeight + 15, Escape(report_.lanes[i]));
    const std::size_t drawn = std::min(report_.attempts.size(), kReportBarsMax);
    for (std::size_t i = 0; i < drawn; ++i) Bar(report_.attempts[i]);
    Add("</svg></div>");
    if (drawn < report_.attempts.size())
      Add("<p class=\"soft\">The first {} of {} attempts.</p>", drawn, report_.attempts.size());
  }

  void Bar(const ReportAttempt& attempt) {
    const double x = X(attempt.start_ms);
    const double width = std::max(X(attempt.end_ms) - x - 0.5, 1.0);
    Add("<rect class=\"{}\" x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" rx=\"2\">"
        "<title>{}, attempt {}: {}, {}{}{}</title></rect>",
        ClassOf(attempt), x, attempt.lane * kLaneHeight + 2, width, kLaneHeight - 4,
        TaskName(attempt), attempt.number, plan::Name(attempt.end),
        Seconds(attempt.end_ms - attempt.start_ms), attempt.note.empty() ? "" : ": ",
        Escape(attempt.note));
  }

  /// Input bytes per second between samples, gathered into at most 200 steps.
  std::vector<double> Rates() const {
    const std::size_t steps = std::clamp<std::size_t>(report_.samples.size(), 1, 200);
    std::vector<double> rates(steps, 0);
    const double step_ms = static_cast<double>(total_ms_) / static_cast<double>(steps);
    ReportSample last;
    for (const ReportSample& sample : report_.samples) {
      if (sample.at_ms <= last.at_ms || sample.input_bytes < last.input_bytes) continue;
      const auto from = static_cast<double>(last.at_ms), to = static_cast<double>(sample.at_ms);
      const double rate =
          static_cast<double>(sample.input_bytes - last.input_bytes) / (to - from) * 1000;
      for (std::size_t i = 0; i < steps; ++i) {
        const double begin = static_cast<double>(i) * step_ms, end = begin + step_ms;
        rates[i] += rate * std::max(0.0, std::min(to, end) - std::max(from, begin)) / step_ms;
      }
      last = sample;
    }
    return rates;
  }

  void Rate() {
    const std::vector<double> rates = Rates();
    const double top = std::max(*std::max_element(rates.begin(), rates.end()), 1.0);
    Add("<h2 id=\"r\">Input bytes per second</h2><div class=\"wide\">"
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"r\">",
        kWidth, kRateHeight + 24);
    TimeScale(kRateHeight);
    for (double share : {0.0, 0.5, 1.0}) {
      const double y = 10 + (1 - share) * (kRateHeight - 10);
      Add("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
          "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>",
          kLeft, kWidth - 10, y, kLeft - 8, y + 4, Bytes(top * share));
    }
    std::string points;
    for (std::size_t i = 0; i < rates.size(); ++i) {
      const double y = 10 + (1 - rates[i] / top) * (kRateHeight - 10);
      const double step =
          static_cast<double>(kWidth - kLeft - 10) / static_cast<double>(rates.size());
      points += fmt::format("{:.1f},{:.1f} {:.1f},{:.1f} ", kLeft + static_cast<double>(i) * step,
                            y, kLeft + static_cast<double>(i + 1) * step, y);
    }
    Add("<polygon class=\"area\" points=\"{0},{1} {2}{3},{1}\"/><polyline class=\"curve\" "
        "points=\"{2}\"/></svg></div>",
        kLeft, kRateHeight, points, kWidth - 10);
  }

  void AttemptTable(const std::vector<const ReportAttempt*>& rows) {
    Add("<div class=\"wide\"><table><thead><tr><th>Task<th class=\"n\">Attempt<th>Where<th>Kind"
        "<th>End<th class=\"n\">Time<th class=\"n\">Input<th class=\"n\">Output<th>Why</tr>"
        "</thead><tbody>");
    for (const ReportAttempt* a : rows)
      Add("<tr><td>{}<td class=\"n\">{}<td>{}<td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}"
          "<td class=\"n\">{}<td>{}</tr>",
          TaskName(*a), a->number, Escape(report_.lanes.at(a->lane)), plan::Name(a->kind),
          plan::Name(a->end), Seconds(a->end_ms - a->start_ms),
          a->input_bytes != 0 ? Bytes(static_cast<double>(a->input_bytes)) : "",
          a->output_bytes != 0 ? Bytes(static_cast<double>(a->output_bytes)) : "", Escape(a->note));
    Add("</tbody></table></div>");
  }

  void Trouble() {
    std::vector<const ReportAttempt*> rows;
    for (const ReportAttempt& a : report_.attempts) {
      const bool plain =
          a.end == plan::AttemptEnd::kSucceeded && a.kind == plan::AttemptKind::kNormal;
      if (!plain && rows.size() < kReportRowsMax) rows.push_back(&a);
    }
    Add("<h2>Stragglers and retries</h2>");
    if (rows.empty()) {
      Add("<p>None: every task needed one attempt.</p>");
    } else {
      AttemptTable(rows);
    }
  }

  void Slowest() {
    std::vector<const ReportAttempt*> rows;
    for (const ReportAttempt& a : report_.attempts) {
      if (a.end == plan::AttemptEnd::kSucceeded) rows.push_back(&a);
    }
    const std::size_t count = std::min<std::size_t>(rows.size(), 10);
    const auto end = rows.begin() + static_cast<std::ptrdiff_t>(count);
    std::partial_sort(rows.begin(), end, rows.end(),
                      [](const ReportAttempt* a, const ReportAttempt* b) {
                        return a->end_ms - a->start_ms > b->end_ms - b->start_ms;
                      });
    rows.resize(count);
    if (rows.empty()) return;
    Add("<h2>Slowest tasks</h2>");
    AttemptTable(rows);
  }

  void CounterTable() {
    Add("<h2>Counters</h2><div class=\"wide\"><table><thead><tr><th>Group<th>Counter"
        "<th class=\"n\">Value</tr></thead><tbody>");
    for (const auto& [name, value] : report_.counters)
      Add("<tr><td>{}<td>{}<td class=\"n\">{}</tr>", Escape(name.first), Escape(name.second),
          Grouped(value));
    Add("</tbody></table></div>");
  }

  void Settings() {
    if (report_.settings.empty()) return;
    Add("<h2>Settings</h2><div class=\"wide\"><table><thead><tr><th>Name<th>Value</tr></thead>"
        "<tbody>");
    for (const auto& [name, value] : report_.settings)
      Add("<tr><td>{}<td>{}</tr>", Escape(name), Escape(value));
    Add("</tbody></table></div>");
  }

  const JobReport& report_;
  const std::int64_t total_ms_;
  std::string page_;
};

}  // namespace

std::string ReportHtml(const JobReport& report) {
  return Page(report).Draw();
}

}  // namespace trireme::mapreduce
