/** The page's style. */
export const style: string = `
:root {
  color-scheme: light dark;
  --bg: #f5f6f8; --panel: #ffffff; --ink: #16202c; --soft: #566372; --line: #dfe4ea; --hover: #eef1f4;
  --accent: #0f766e; --accent-ink: #ffffff; --accent-soft: #d9f2ee;
  --good: #15703a; --good-bg: #dcf5e4; --bad: #b3261e; --bad-bg: #fce4e2; --warn: #8a5300; --warn-bg: #fdeecf;
  --busy: #1d5fc4; --busy-bg: #e0ecfd; --calm-bg: #e8ebef;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #0f151c; --panel: #18212b; --ink: #e6ecf2; --soft: #9aa8b7; --line: #2b3744; --hover: #222d39;
    --accent: #2dd4bf; --accent-ink: #06231f; --accent-soft: #12403b;
    --good: #6ee7a0; --good-bg: #123822; --bad: #ff9d94; --bad-bg: #46201e; --warn: #f5c76b; --warn-bg: #40300f;
    --busy: #8fbcff; --busy-bg: #17315a; --calm-bg: #27323e;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1, h2, h3, p, ul, dl, dd { margin: 0; padding: 0; }
h2 { font-size: 1.05rem; font-weight: 650; }
h3 { font-size: .8rem; font-weight: 650; color: var(--soft); text-transform: uppercase; letter-spacing: .05em; }
code, .mono { font-family: var(--mono); font-size: .92em; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
#instances:focus { outline: none; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 12px; top: 12px; background: var(--panel); padding: 8px 12px; border-radius: 8px; z-index: 2; }
.announce { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }

.top, main { max-width: 1080px; margin: 0 auto; padding: 0 24px; }
.top { display: flex; align-items: center; justify-content: space-between; gap: 16px; padding-top: 24px; padding-bottom: 20px; }
.brand { display: flex; align-items: center; gap: 12px; min-width: 0; }
.brand svg { width: 32px; height: 32px; flex: none; }
.brand rect { fill: var(--accent); }
.brand path { fill: none; stroke: var(--accent-ink); stroke-width: 3.5; stroke-linecap: round; stroke-linejoin: round; }
h1 { font-size: 1.35rem; font-weight: 700; letter-spacing: -.01em; }
.tagline { color: var(--soft); padding-top: 4px; }
.live { display: flex; align-items: center; gap: 8px; color: var(--soft); font-size: .87rem; white-space: nowrap; }
.dot { width: 9px; height: 9px; border-radius: 50%; background: var(--soft); }
[data-state=live] .dot { background: #22a565; }
[data-state=lost] .dot { background: var(--bad); }
main { display: grid; gap: 28px; padding-bottom: 64px; grid-template-columns: minmax(0, 1fr); }

.panel, .card, dialog { background: var(--panel); border: 1px solid var(--line); border-radius: 14px; }
.panel { padding: 20px; display: grid; gap: 14px; }
.drop { display: flex; flex-wrap: wrap; align-items: center; gap: 12px 16px; padding: 18px; border: 1.5px dashed var(--line); border-radius: 10px; background: var(--bg); }
.drop.over { border-color: var(--accent); background: var(--accent-soft); }
.picked { overflow-wrap: anywhere; }
.choose { display: flex; flex-wrap: wrap; gap: 8px; }
.fields { display: flex; flex-wrap: wrap; align-items: end; gap: 14px; margin-top: 14px; }
.fields label { display: grid; gap: 4px; color: var(--soft); font-size: .87rem; }
.fields .primary { margin-left: auto; }
input[type=file] { position: absolute; width: 1px; height: 1px; opacity: 0; }
.button:focus-within { outline: 2px solid var(--accent); outline-offset: 2px; }
input[type=text], select { font: inherit; color: var(--ink); background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 6px 10px; min-height: 36px; max-width: 100%; }
button, .button { position: relative; display: inline-flex; align-items: center; justify-content: center; font: inherit; font-size: .92rem; font-weight: 550; color: var(--ink); background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 5px 13px; min-height: 36px; cursor: pointer; }
button:hover:not(:disabled), .button:hover { background: var(--hover); }
button:disabled { opacity: .42; cursor: default; }
.primary { background: var(--accent); border-color: var(--accent); color: var(--accent-ink); padding-inline: 20px; }
.primary:hover:not(:disabled) { background: var(--accent); filter: brightness(1.08); }
.quiet { background: none; border-color: transparent; color: var(--soft); }
.danger { color: var(--bad); }
.trouble { color: var(--bad); overflow-wrap: anywhere; }
.trouble:empty { display: none; }
.panel .trouble:not(:empty) { margin-top: 12px; }

.bar { display: flex; align-items: center; justify-content: space-between; gap: 12px; margin-bottom: 12px; }
.bar label { display: flex; align-items: center; gap: 8px; color: var(--soft); font-size: .87rem; }
.list { display: grid; gap: 12px; list-style: none; grid-template-columns: minmax(0, 1fr); }
.empty { padding: 40px 20px; text-align: center; color: var(--soft); border: 1px dashed var(--line); border-radius: 14px; }
.card { padding: 16px 20px; display: grid; gap: 10px; grid-template-columns: minmax(0, 1fr); }
.card.ended { grid-template-columns: minmax(0, 1fr) max-content; align-items: center; }
.card.ended > :not(.sentence, .actions) { grid-column: 1 / -1; }
.card.ended .actions { grid-column: 2; }
.actions .primary { padding-inline: 13px; }
.card.child { margin-left: 32px; padding-block: 12px; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; }
.id { font-family: var(--mono); font-size: .95rem; font-weight: 600; overflow-wrap: anywhere; }
.kind, .when { color: var(--soft); font-size: .87rem; overflow-wrap: anywhere; }
.meta { display: flex; flex: 1; justify-content: space-between; gap: 12px; min-width: 0; }
.when { flex: none; }
.pill { display: inline-block; padding: 1px 10px; border-radius: 99px; font-size: .8rem; font-weight: 650; background: var(--calm-bg); color: var(--soft); }
.pill[data-look=good] { background: var(--good-bg); color: var(--good); }
.pill[data-look=bad] { background: var(--bad-bg); color: var(--bad); }
.pill[data-look=warn] { background: var(--warn-bg); color: var(--warn); }
.pill[data-look=busy] { background: var(--busy-bg); color: var(--busy); }
.sentence { overflow-wrap: anywhere; }
.sentence::first-letter { text-transform: uppercase; }
.progress { display: flex; align-items: center; gap: 12px; color: var(--soft); font-size: .87rem; font-variant-numeric: tabular-nums; }
progress { appearance: none; flex: 1; height: 8px; border: 0; border-radius: 99px; overflow: hidden; background: var(--calm-bg); }
progress::-webkit-progress-bar { background: var(--calm-bg); }
progress::-webkit-progress-value { background: var(--accent); border-radius: 99px; transition: width .3s; }
progress::-moz-progress-bar { background: var(--accent); }
.actions { display: flex; flex-wrap: wrap; gap: 8px; }
.actions .more { margin-left: auto; }
.more::after { content: ""; width: 7px; height: 7px; margin-left: 9px; border: solid currentColor; border-width: 0 2px 2px 0; transform: translateY(-2px) rotate(45deg); }
.more[aria-expanded=true]::after { transform: translateY(2px) rotate(225deg); }

.details { display: grid; gap: 18px; border-top: 1px solid var(--line); padding-top: 16px; grid-template-columns: minmax(0, 1fr); }
.details section { display: grid; gap: 8px; grid-template-columns: minmax(0, 1fr); }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 20px; }
.facts dt { color: var(--soft); }
.facts dd { overflow-wrap: anywhere; }
.scroll { overflow: auto; max-height: 380px; border: 1px solid var(--line); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th { position: sticky; top: 0; background: var(--panel); box-shadow: inset 0 -1px var(--line); text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: 6px 12px; vertical-align: top; }
tbody tr + tr td { border-top: 1px solid var(--line); }
td.num, th.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.time { white-space: nowrap; color: var(--soft); font-variant-numeric: tabular-nums; }
td.text { overflow-wrap: anywhere; min-width: 180px; }
td.hash { font-family: var(--mono); font-size: .8rem; white-space: nowrap; }
.pages { display: flex; justify-content: center; gap: 8px; margin-top: 16px; }
dialog { padding: 22px 24px; max-width: 440px; color: var(--ink); box-shadow: 0 20px 60px rgb(0 0 0 / .3); }
dialog::backdrop { background: rgb(10 15 20 / .5); }
dialog form { display: grid; gap: 12px; }
dialog p { overflow-wrap: anywhere; }
.choices { display: flex; justify-content: flex-end; gap: 8px; }

@media (max-width: 640px) {
  .top, main { padding-inline: 14px; }
  .tagline { display: none; }
  .panel, .card { padding: 14px; }
  .card.ended { grid-template-columns: minmax(0, 1fr) max-content; align-items: center; }
.card.ended > :not(.sentence, .actions) { grid-column: 1 / -1; }
.card.ended .actions { grid-column: 2; }
.actions .primary { padding-inline: 13px; }
.card.child { margin-left: 14px; }
  .fields > * { flex: 1 1 140px; min-width: 0; }
  .fields .primary { flex-basis: 100%; margin-left: 0; min-height: 42px; }
  .fields select, .fields input { width: 100%; }
  .meta { flex-basis: 100%; }
  .wide { display: none; }
  .card.ended > .sentence, .card.ended .actions { grid-column: 1 / -1; }
  .actions { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .actions .more { margin-left: 0; }
  .ended .actions { grid-template-columns: repeat(auto-fit, minmax(90px, 1fr)); }
  td.time, .scroll th { white-space: nowrap; }
  td.text { min-width: 150px; }
  .facts { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .facts dd { margin-bottom: 6px; }
  th, td { padding-inline: 8px; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
`;
