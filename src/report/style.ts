import { Html } from "./html.ts";

/** Light and dark as the reader has it; black on white, with everything unfolded, on paper. */
export const STYLE = new Html(`
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --paper: #ffffff; --line: #d1d9e0; --good: #1a7f37; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9198a1; --paper: #0d1117; --line: #3d444d; --good: #3fb950; --bad: #f85149; } }
* { box-sizing: border-box; }
body { margin: 2rem auto; max-width: 90rem; padding: 0 1rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.15rem; }
.verdict { margin: .25rem 0 1rem; font-size: 1.15rem; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } table.facts { width: auto; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { color: var(--dim); font-weight: 600; } .facts th { color: var(--dim); font-weight: 400; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.code, q { font-family: ui-monospace, monospace; font-size: .85em; overflow-wrap: anywhere; }
q { quotes: "“" "”"; white-space: pre-wrap; }
dl { margin: 0; display: grid; grid-template-columns: max-content 1fr; gap: 0 .6rem; } dt { color: var(--dim); } dd { margin: 0; }
summary { color: var(--dim); cursor: pointer; }
footer { margin-top: 2rem; color: var(--dim); font-size: .85rem; }
@media print { :root { --ink: #000; --dim: #444; --paper: #fff; --line: #999; --good: #000; --bad: #000; } body { margin: 0; max-width: none; font-size: 9pt; }
  .wide { overflow: visible; } tr { break-inside: avoid; } thead { display: table-header-group; } details::details-content { content-visibility: visible; } }
`);
