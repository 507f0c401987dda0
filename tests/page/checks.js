// What must hold of a page whatever it shows. Returns a list of what does not.
const WIDTH = arguments[0];  // of the window; a phone would make room for what is wider
const LIVE = arguments[1] === true;  // a page that a server sends, with its own scripts
const wrong = [];
const tell = (what, element) => wrong.push(what + ": <" + element.tagName.toLowerCase() + " class='" +
  (element.getAttribute("class") || "") + "'> " + element.textContent.trim().slice(0, 60));

// Nothing is wider than the window but what scrolls by itself.
if (document.documentElement.scrollWidth > WIDTH)
  wrong.push("the page is " + document.documentElement.scrollWidth + " wide in a window of " + WIDTH);
for (const element of document.body.querySelectorAll("*")) {
  if (element.closest(".scroll, .sr, .skip, noscript, defs, details:not([open]) > :not(summary)")) continue;
  const box = element.getBoundingClientRect();
  if (box.width > 0 && box.right > WIDTH + 1) tell("leaves the window by " + (box.right - WIDTH), element);
}

// Contrast, after WCAG 2.1: 4.5 for text, 3 for what pictures are made of.
const channels = color => (color.match(/[\d.]+/g) || []).map(Number);
const luminance = color => channels(color).slice(0, 3).map(c => c / 255)
  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ratio = (a, b) => (Math.max(luminance(a), luminance(b)) + 0.05) / (Math.min(luminance(a), luminance(b)) + 0.05);
const behind = element => {
  for (let at = element; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if (channels(color).length === 3 || channels(color)[3] === 1) return color;
  }
  return "rgb(255, 255, 255)";
};
let texts = 0, shapes = 0;
for (const element of document.body.querySelectorAll("*")) {
  if (element.closest("defs, style, title, noscript") || element.getClientRects().length === 0) continue;
  const style = getComputedStyle(element);
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim() !== "");
  if (own) {
    ++texts;
    const color = element.closest("svg") ? style.fill : style.color;
    if (ratio(color, behind(element)) < 4.5) tell("text has contrast " + ratio(color, behind(element)).toFixed(2), element);
  }
  if (element.matches("rect.bar, rect.role, .curve, .phases span, .track i:not(.usual), .slots i.on, .key i:not(.dash)")) {
    ++shapes;
    const color = element.matches(".curve") ? style.stroke : element.matches("rect") ? style.fill : style.backgroundColor;
    if (color.startsWith("rgb") && channels(color)[3] !== 0 && ratio(color, behind(element.parentElement)) < 3)
      tell("shape has contrast " + ratio(color, behind(element.parentElement)).toFixed(2), element);
  }
}
if (texts < 20 || shapes < 3) wrong.push("looked at " + texts + " texts and " + shapes + " shapes only");

// What is told to those who do not see it, and to those without a mouse.
for (const picture of document.querySelectorAll("svg"))
  if (!picture.closest("[aria-hidden=true], [role=img]") || (picture.matches("[role=img]") && !picture.getAttribute("aria-label")))
    tell("a picture without a text", picture);
for (const region of document.querySelectorAll(".scroll"))
  if (region.tabIndex !== 0 || !region.getAttribute("aria-label")) tell("scrolls by mouse only", region);
for (const name of document.querySelectorAll("[aria-labelledby]"))
  if (!document.getElementById(name.getAttribute("aria-labelledby"))) tell("is named after nothing", name);
const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
if (new Set(ids).size !== ids.length) wrong.push("an id is there twice: " + ids);
if (document.documentElement.lang !== "en" || !document.title) wrong.push("no language or title");
for (const script of document.scripts)
  if (!LIVE || !script.src.startsWith(location.origin + "/web/")) wrong.push("the page has a script: " + script.outerHTML);
// Controls have names, and headings go down one by one.
for (const control of document.querySelectorAll("a, button, input, [role=progressbar], [role=region], [role=log]")) {
  const label = control.id && document.querySelector("label[for='" + control.id + "']");
  if (!control.closest("[hidden]") && !control.textContent.trim() && !control.getAttribute("aria-label") && !label) tell("has no name", control);
}
let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
  if (heading.closest("noscript")) continue;
  const own = Number(heading.tagName[1]);
  if (own > level + 1) tell("a heading of level " + own + " under one of " + level, heading);
  level = own;
}
return wrong;
