export { progressLine } from "./line.ts";
export { createPainter, type Painter } from "./painter.ts";
export { addSample, type Sample, sampleOf } from "./rates.ts";
export { render, type Screen } from "./render.ts";
export { type WatchOptions, watch } from "./watch.ts";
