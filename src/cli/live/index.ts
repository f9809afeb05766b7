export { progressLine } from "./line.ts";
export { createPainter, type Painter } from "./painter.ts";
export { addSample, type Sample, sampleOf } from "./rates.ts";
export { render, type Screen } from "./render.ts";
export { addLag, type Trend } from "./trend.ts";
export { type WatchOptions, watch } from "./watch.ts";
