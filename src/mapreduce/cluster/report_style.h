#pragma once

#include <string_view>

namespace trireme::mapreduce {

/// The page's only style sheet. Text has at least 4.5 times, and bars at least 3 times, the
/// contrast of what is behind them (WCAG 2.1, 1.4.3 and 1.4.11), in the light and the dark theme.
inline constexpr std::string_view kReportStyle = R"css(
:root{color-scheme:light dark;--ink:#1a1f24;--soft:#57606a;--line:#dfe3e8;--paper:#fff;--card:#f6f8fa;
--map:#2f6fdb;--reduce:#1a8754;--backup:#a8680a;--killed:#7b848d;--failed:#c62f2f;--good:#187747;--focus:#2f6fdb}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaee;--soft:#9da7b1;--line:#333b44;--paper:#13171b;
--card:#1b2026;--map:#6ba2f8;--reduce:#47c088;--backup:#e0a640;--killed:#86909a;--failed:#f47b74;
--good:#4cc38a;--focus:#8ab6ff}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"DejaVu Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 20px 48px}
h1{font-size:1.6rem;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.2em 0 .3em}h3{font-size:.95rem;margin:1.2em 0 .3em}
p{margin:.3em 0;overflow-wrap:anywhere}.soft{color:var(--soft)}code{font-size:.92em}
.state{font-weight:600}.state.good{color:var(--good)}.state.bad{color:var(--failed)}
.error{border-left:4px solid var(--failed);border-radius:4px;padding:.4em .9em;margin:1em 0;background:var(--card)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem;margin:.4em 0}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:10px;margin:1.2em 0}
.tiles div{background:var(--card);border-radius:10px;padding:10px 14px}
.tiles dt{font-size:.8rem;color:var(--soft)}.tiles dd{margin:0;font-size:1.2rem;font-weight:600;
font-variant-numeric:tabular-nums}
.phases{display:flex;height:22px;border-radius:6px;overflow:hidden;gap:2px;margin:.5em 0}
.phases span{min-width:3px}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:.5em 0;list-style:none;font-size:.9rem}
.key li{display:flex;align-items:center;gap:6px}.key svg{flex:none}
.chart{display:grid;grid-template-columns:96px minmax(0,1fr);column-gap:10px;margin:.6em 0}
.names{font-size:12px;color:var(--soft);text-align:right;min-width:0}
.names span{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.scale{position:relative}.scale span{position:absolute;right:0;transform:translateY(-50%)}
svg.plot{display:block;width:100%;overflow:visible}
svg text{fill:var(--soft);font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.grid{stroke:var(--line)}.border{stroke:var(--soft);stroke-dasharray:4 3}.lane{stroke:var(--line)}
.map{fill:var(--map);background:var(--map)}.reduce{fill:var(--reduce);background:var(--reduce)}
.killed{fill:var(--killed);background:var(--killed)}.failed{fill:var(--failed);background:var(--failed)}
.backup{fill:url(#stripes);background:repeating-linear-gradient(135deg,var(--backup) 0 5px,var(--paper) 5px 7px)}
.bar{stroke:var(--paper);stroke-width:1}.bar.straggler{stroke:var(--ink);stroke-width:2}
.mark{fill:none;stroke:var(--ink);stroke-width:2;paint-order:stroke;stroke-linecap:round}
.halo{fill:none;stroke:var(--paper);stroke-width:5;stroke-linecap:round}
.area{opacity:.22}.curve{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}
.curve.map{stroke:var(--map);fill:none}.curve.reduce{stroke:var(--reduce);fill:none;stroke-dasharray:7 4}
.bars{list-style:none;margin:.5em 0;padding:0;font-size:.9rem}
.bars li{display:grid;grid-template-columns:minmax(90px,210px) minmax(0,1fr) minmax(78px,auto);gap:2px 12px;
align-items:center;padding:3px 0}
.bars .value{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bars .name{overflow-wrap:anywhere}
.counters li{grid-template-columns:minmax(90px,210px) minmax(0,1fr) 220px}
.track{position:relative;display:block;height:16px;background:var(--card);border-radius:4px}
.track i{position:absolute;top:0;bottom:0;min-width:2px;border-radius:3px}
.track i.straggler{outline:2px solid var(--ink);outline-offset:-1px}
.track i.usual{width:0;min-width:0;border-left:2px dashed var(--ink);border-radius:0;top:-3px;bottom:-3px}
.bars .why{grid-column:2/-1;color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}
details{margin:.6em 0}summary{cursor:pointer;color:var(--soft);font-size:.9rem;width:fit-content}
.scroll{overflow-x:auto;margin:.4em 0}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px;border-radius:4px}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
td{overflow-wrap:anywhere}th{color:var(--soft);font-weight:600;white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
@media(max-width:600px){main{padding:16px 14px 40px}.chart{grid-template-columns:64px minmax(0,1fr);
column-gap:6px}.names{font-size:11px}.bars li,.counters li{grid-template-columns:minmax(0,1fr) auto}
.bars .track{grid-column:1/-1;grid-row:2}.bars .why{grid-column:1/-1}.tiles{grid-template-columns:1fr 1fr}
.odd{display:none}}
@media print{body{font-size:12px}details:not([open]){display:none}.bars li,.chart{break-inside:avoid}}
)css";

}  // namespace trireme::mapreduce
