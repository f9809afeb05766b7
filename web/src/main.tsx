import { render } from "preact";
import { goLive } from "./live/live.ts";
import { App } from "./shell/App.tsx";
import { apply } from "./shell/theme.ts";

apply();
const place = document.getElementById("app");
if (place === null) throw new Error("the page has no place for the dashboard");
render(<App />, place);
goLive();
