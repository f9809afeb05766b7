import { defineConfig } from "vite";

/** `npm run build` builds into dist/web; `npx vite web` serves it while it is worked on, with the API of a `rehouse serve` beside it. */
export default defineConfig({
  build: {
    outDir: "../dist/web",
    emptyOutDir: true,
    // What browsers of the last two years understand.
    target: "es2023",
    // Everything is a file of its own: the policy of the page allows nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: { proxy: { "/api": { target: "http://127.0.0.1:7070", changeOrigin: true } } },
});
